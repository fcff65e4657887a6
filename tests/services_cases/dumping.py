# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps by TCP and by exec, of real servers, and things that happen in the middle of one."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.postgres.pod import Account, PodServer
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import (
    DumpOptions,
    Server,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.tcp import Login, TcpServer
from services.postgres import Postgres
from services_cases.exec_stand_in import Damage, FaultyExec, LocalExec

SOME = 1 << 20
CONTENT = """
create table readings (id bigint primary key, body text not null);
insert into readings select i, md5(i::text) || md5((-i)::text) from generate_series(1, 400000) i
"""
Way = Callable[[Postgres], Server]


def by_tcp(running: Postgres, **more: Any) -> TcpServer:
    login = {"host": running.host, "port": running.port, "user": running.user, "password": running.password, **more}
    return TcpServer(Login(**login), str(running.bindir))


def by_exec(running: Postgres, **more: Any) -> PodServer:
    account = {"host": running.host, "port": running.port, "user": running.user, "password": running.password, **more}
    return PodServer(lambda argv: LocalExec(argv, path=running.bindir), Account(**account), "pod shop/pg-0 (postgres)")


def by_faulty_exec(running: Postgres, damage: Damage) -> PodServer:
    account = Account(running.user, running.password, running.host, running.port)
    return PodServer(lambda argv: FaultyExec(argv, damage, path=running.bindir), account, "pod shop/pg-0 (postgres)")


def dump(server: Server, database: str, sink: Callable[[bytes], object] | None = None, **options: Any) -> bytes:
    archive = bytearray()

    def take(data: bytes) -> None:
        archive.extend(data)
        if sink is not None:
            sink(data)

    with server.holding_snapshot(database) as snapshot:
        server.dump(DumpOptions(database, **options), snapshot.name, take)
    return bytes(archive)


def once(act: Callable[[], object]) -> Callable[[bytes], None]:
    """A sink that does something when the first megabyte has arrived."""
    arrived = 0

    def take(data: bytes) -> None:
        nonlocal arrived
        before, arrived = arrived, arrived + len(data)
        if before < SOME <= arrived:
            act()

    return take


def dumping(running: Postgres) -> list[tuple[Any, ...]]:
    """The sessions of pg_dump that the server still has."""
    return running.sql("select pid from pg_stat_activity where application_name like 'pg_dump%'")


def kill_pg_dump() -> None:
    """All that this process started."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _bracket, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        parents[int(folder.name)] = (int(rest.split()[1]), name)
    for pid in [pid for pid, (_above, name) in parents.items() if name == "pg_dump"]:
        line = [pid]
        while line[-1] in parents:
            line.append(parents[line[-1]][0])
        if os.getpid() in line:
            os.kill(pid, signal.SIGKILL)


@contextmanager
def scratch(running: Postgres) -> Iterator[str]:
    name = f"scratch_{secrets.token_hex(3)}"
    running.sql(f"create database {name} template template0")
    try:
        yield name
    finally:
        running.sql(f"drop database {name} with (force)")
