# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup made with as little as it takes, for tests about what happens to it afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.postgres import digest, facts, schema
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import Manifest
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import DumpOptions, Server
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.base import Store
from ansible_collections.runbook.release.plugins.module_utils.postgres.tcp import Login, TcpServer

from services.postgres import Postgres


def reached(postgres: Postgres, user: str = "", password: str = "") -> TcpServer:
    """The server as the modules reach it, as its administrator or as somebody else."""
    login = Login(postgres.host, postgres.port, user or postgres.user, password or postgres.password)
    return TcpServer(login, str(postgres.bindir))


def option_of(postgres: Postgres, **more: Any) -> dict[str, Any]:
    """The option `server` of a module."""
    login = {"host": postgres.host, "port": postgres.port, "user": postgres.user, "password": postgres.password}
    return {**login, "bindir": str(postgres.bindir), **more}


def made(server: Server, database: str, store: Store, id: str = "before-1.1.0", **more: Any) -> Manifest:
    """`more` are fields of the manifest, and of the dump: `format`, `compression`."""
    seen = facts.observe(server, database)
    assert not seen.refusals, seen.refusals
    options = DumpOptions(database, compression=more.pop("compression", "none"))
    with server.holding_snapshot(database) as snapshot, store.draft(id) as draft:
        before = digest.sequences(snapshot.rows)
        if more.get("format") == "directory":
            server.dump_folder(options, snapshot.name, draft.folder / "data")
            names = sorted(path.name for path in (draft.folder / "data").iterdir())
            files = tuple(draft.adopt(f"data/{name}") for name in names)
        else:
            sink = draft.sink("data.dump")
            server.dump(options, snapshot.name, sink.write)
            files = (sink.close(),)
        identity = server.identity()
        recorded: dict[str, Any] = {
            "release": "",
            "format": "custom",
            "compression": options.compression,
            "made_at": snapshot.at,
            "finished_at": datetime.now(UTC),
            "server": {"system": identity.system, "version": identity.version, "major": identity.major},
            "client_version": server.program("pg_dump").version,
            "schema_sha256": schema.sha256(schema.read(server, database, snapshot.name)),
            **seen.to_dict(),
            **digest.of(snapshot.rows, before).to_dict(),
        }
        return draft.commit(Manifest(id=id, database=database, files=files, **{**recorded, **more}))


def killed(work: Callable[[], object]) -> None:
    """Do the work in a process of its own, which has to be killed in the middle of it."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it ended by itself: {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def unlocked(postgres: Postgres) -> None:
    """Return when the server has noticed the end of every session that held a lock."""
    while postgres.sql("select 1 from pg_locks where locktype = 'advisory'"):
        pass
