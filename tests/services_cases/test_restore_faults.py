# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that fills up while a database is restored, and a server that speaks TLS only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import (
    bring,
    decide,
    digest,
    room,
    scratch,
    swap,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.operate import operate as back_up
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import server_of
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore import operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore_decide import Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import Server
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from services.backups import made, reached
from services.postgres import ACCOUNT, Postgres
from services_cases.conftest import Database

SIZE = 64 << 20
PIECE = 1 << 20
ROWS = """
create table orders (id int primary key, note text);
insert into orders select i, md5(i::text) from generate_series(1, 20000) i"""
RESTORE = Request("restored", "shop", "before-1.1.0", accept_data_loss=True)
ENCRYPTED_ONLY = "local all all scram-sha-256\nhostssl all all all scram-sha-256\n"


@dataclass
class Disk:
    """A small disk with the database shop on it."""

    postgres: Postgres
    folder: Path

    def fill(self) -> None:
        with (self.folder / "of-somebody-else").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(PIECE)):
                    pass
            except OSError:
                return


@pytest.fixture
def disk(own_postgres: Callable[..., Postgres]) -> Iterator[Disk]:
    if os.geteuid():
        pytest.skip("only root can mount a disk of its own")
    postgres = own_postgres()
    folder = postgres.folder / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)
    try:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
        postgres.sql(f"create tablespace small location '{folder}'")
        postgres.sql("create database shop tablespace small")
        postgres.sql(ROWS, "shop")
        yield Disk(postgres, folder)
    finally:
        postgres.kill()
        subprocess.run(["umount", str(folder)], check=True)


def contents(server: Server) -> digest.Contents:
    with server.holding_snapshot("shop") as held:
        return digest.of(held.rows)


def test_a_disk_that_fills_up_during_a_restore_leaves_the_live_database_and_nothing_else(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fill = LocalStore(str(tmp_path / "store")), bring.fill

    def filled(*given: object) -> list[int]:
        disk.fill()
        return fill(*given)  # type: ignore[arg-type]

    with reached(disk.postgres) as server:
        made(server, "shop", store)
        disk.postgres.sql("delete from orders where id > 10", "shop")
        disk.postgres.sql("checkpoint")
        before = contents(server)
        monkeypatch.setattr(bring, "fill", filled)
        with pytest.raises(ReleaseError, match="the disk is full") as raised:
            operate(server, store, RESTORE)
        assert "make room" in raised.value.remedy
        assert raised.value.remedy.endswith("nothing in shop was changed")
        assert contents(server) == before
        kept = disk.postgres.sql("select datname from pg_database where not datistemplate order by 1")
        assert kept == [("postgres",), ("shop",)]
        (disk.folder / "of-somebody-else").unlink()
        monkeypatch.undo()
        assert operate(server, store, RESTORE).changed
    assert disk.postgres.sql("select count(*) from orders", "shop") == [(20000,)]


def test_a_scratch_that_cannot_be_dropped_hides_nothing_and_goes_with_the_next_run(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_server: Server, name: str) -> None:
        raise ReleaseError("checkpoint request failed")

    def full(*_given: object) -> list[int]:
        raise ReleaseError("the disk is full", remedy="make room")

    store, request = LocalStore(str(tmp_path / "store")), replace(RESTORE, database=database.name)
    with reached(database.server) as server:
        made(server, database.name, store)
        monkeypatch.setattr(scratch, "drop", failing)
        monkeypatch.setattr(bring, "fill", full)
        with pytest.raises(ReleaseError, match="the disk is full") as raised:
            operate(server, store, request)
        monkeypatch.undo()
        assert "could not be dropped (checkpoint request failed), the next run drops it" in raised.value.remedy
        (left,) = scratch.sweep(server)
        assert left in raised.value.remedy


def test_a_connection_lost_within_the_swap_leaves_what_the_next_run_opens_the_database_by(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is back as soon as the swap has given up, before the way out of the run."""
    store, request = LocalStore(str(tmp_path / "store")), replace(RESTORE, database=database.name)
    is_open = f"select datallowconn from pg_database where datname = '{database.name}'"
    with reached(database.server) as server:
        made(server, database.name, store)
        run, rows, undo, gone = server.run, server.rows, swap._undo, []

        def lost(work: Callable[..., Any]) -> Callable[..., Any]:
            def or_not(sql: str, *more: Any, **options: Any) -> Any:
                if gone or "end_sessions" in sql:
                    gone.append(sql)
                    raise ReleaseError("the connection was lost", remedy="look at the server")
                return work(sql, *more, **options)

            return or_not

        def back(*given: Any) -> None:
            undo(*given)
            gone.clear()

        monkeypatch.setattr(server, "run", lost(run))
        monkeypatch.setattr(server, "rows", lost(rows))
        monkeypatch.setattr(swap, "_undo", back)
        with pytest.raises(ReleaseError, match="connection was lost") as raised:
            operate(server, store, request)
        assert "run the task again, which puts them back" in raised.value.remedy
        assert database.server.sql(is_open) == [(False,)]
        monkeypatch.undo()
        assert scratch.sweep(server) == []
        done = operate(server, store, request)
        assert any("connections to" in said for said in done.mended)
    assert database.server.sql(is_open) == [(True,)]
    assert database.server.sql(f"select 1 from pg_database where starts_with(datname, '{scratch.PREFIX}')") == []


def test_the_room_that_counts_is_that_of_the_disk_the_database_is_on(disk: Disk, tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path / "store"))
    with reached(disk.postgres) as server:
        made(server, "shop", store)
        everywhere, there = room.free_bytes(server), room.free_bytes(server, "small")
        assert there is not None
        assert everywhere is not None
        assert there < SIZE < everywhere
        disk.fill()
        with pytest.raises(Refused, match=r"no room for another copy: \d+ MiB are needed, 0 MiB are free"):
            operate(server, store, RESTORE)


@pytest.fixture
def encrypted(own_postgres: Callable[..., Postgres], tmp_path: Path) -> tuple[Postgres, dict[str, object]]:
    """A server that lets nobody in without TLS, and the options to reach it."""
    key, certificate = tmp_path / "server.key", tmp_path / "server.crt"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    made_by = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject)
    subprocess.run([*made_by, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    postgres = own_postgres()
    data = postgres.folder / "data"
    for path in (key, certificate):
        shutil.copy(path, data)
        (data / path.name).chmod(0o600)
        if not os.geteuid():
            shutil.chown(data / path.name, ACCOUNT, ACCOUNT)
    (data / "pg_hba.conf").write_text(ENCRYPTED_ONLY)
    postgres.sql("alter system set ssl = on")
    postgres.sql("select pg_reload_conf()")
    login = {"host": postgres.host, "port": postgres.port, "user": postgres.user, "password": postgres.password}
    given = {"mode": "tcp", **login, "bindir": str(postgres.bindir)}
    return postgres, {**given, "sslmode": "verify-full", "sslrootcert": str(certificate)}


def test_backup_proof_and_restore_go_through_tls_alone(
    encrypted: tuple[Postgres, dict[str, object]], tmp_path: Path
) -> None:
    postgres, given = encrypted
    postgres.sql("create database shop")
    postgres.sql(ROWS, "shop")
    store = LocalStore(str(tmp_path / "store"))
    with server_of(given, None) as server:
        assert server.rows("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == [{"ssl": True}]
        back_up(store, server, decide.Request(decide.PRESENT, "shop", "before-1.1.0", level="restore"))
        postgres.sql("delete from orders", "shop")
        assert operate(server, store, RESTORE).changed
    assert postgres.sql("select count(*) from orders", "shop") == [(20000,)]


@pytest.mark.parametrize("how", [{"sslmode": "disable"}, {"sslrootcert": "another"}])
def test_a_connection_that_is_not_encrypted_as_asked_for_is_refused(
    encrypted: tuple[Postgres, dict[str, object]], tmp_path: Path, how: dict[str, str]
) -> None:
    _postgres, given = encrypted
    (tmp_path / "another").write_text("")
    files = {name: str(tmp_path / value) for name, value in how.items() if name == "sslrootcert"}
    with server_of({**given, **how, **files}, None) as server, pytest.raises(Refused) as refused:
        server.identity()
    assert refused.value.details["code"] == "tls"
