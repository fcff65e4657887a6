# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What TimescaleDB needs beyond PostgreSQL: where rows are, and how a dump of them is brought back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Refused, ReleaseError
from . import sql

if TYPE_CHECKING:
    from .server import Server

EXTENSION = "timescaledb"
RESTORING = "timescaledb.restoring"
_INTERNAL_COMPRESSION = 2
_TRIES = 2

_HYPERTABLES = f"""
select schema_name as schema, table_name as name, compression_state = {_INTERNAL_COMPRESSION} as inner
from _timescaledb_catalog.hypertable"""
_CHUNKS = "select schema_name as schema, table_name as name from _timescaledb_catalog.chunk"
_VERSION = f"select extversion as version from pg_extension where extname = '{EXTENSION}'"
_AVAILABLE = f"select version from pg_available_extension_versions where name = '{EXTENSION}' order by version"
_SCHEDULED = "select id from _timescaledb_config.bgw_job where scheduled and id >= 1000 order by id"
_RESTORING = f"select coalesce(current_setting('{RESTORING}', true), 'off') as restoring"


@dataclass(frozen=True)
class Layout:
    """Schema and name of tables: those whose rows are in chunks, and the ones that only hold rows for others."""

    hypertables: frozenset[tuple[str, str]] = frozenset()
    inner: frozenset[tuple[str, str]] = frozenset()


def layout(rows: Callable[[str], list[dict[str, Any]]]) -> Layout:
    """Empty without TimescaleDB."""
    if not rows(_VERSION):
        return Layout()
    tables = rows(_HYPERTABLES)
    outer = frozenset((row["schema"], row["name"]) for row in tables if not row["inner"])
    inner = {(row["schema"], row["name"]) for row in (*(one for one in tables if one["inner"]), *rows(_CHUNKS))}
    return Layout(outer, frozenset(inner))


def require(server: Server, version: str) -> None:
    """``Refused`` unless the server can install exactly this version: its catalogs are part of the dump."""
    available = [str(row["version"]) for row in server.rows(_AVAILABLE)]
    if version not in available:
        raise Refused(
            f"the backup needs TimescaleDB {version}, the server has {', '.join(available) or 'none'}",
            where=server.where,
            remedy=f"install TimescaleDB {version} for its PostgreSQL, restore, and update the extension afterwards",
        )


def prepare(server: Server, database: str, version: str) -> None:
    """Before pg_restore: the extension in its version, and its workers and triggers off in this database."""
    server.run(f"create extension {EXTENSION} version {sql.text(version)}", database)
    server.rows("select timescaledb_pre_restore() as done", database)


def finish(server: Server, database: str) -> list[int]:
    """After pg_restore: take jobs off the schedule, then leave the restoring mode; the jobs that were scheduled.

    Jobs drop and compress data, so none may run in a copy. A first call of ``timescaledb_post_restore`` has been seen
    to leave ``restoring`` on.
    """
    scheduled = [int(row["id"]) for row in server.rows(_SCHEDULED, database)]
    server.run("update _timescaledb_config.bgw_job set scheduled = false where scheduled and id >= 1000", database)
    for _dummy in range(_TRIES):
        server.rows("select timescaledb_post_restore() as done", database)
        if server.rows(_RESTORING, database)[0]["restoring"] == "off":
            return scheduled
    raise ReleaseError(
        f"TimescaleDB still takes {database} for being restored after timescaledb_post_restore()",
        where=server.where,
        remedy="look into the server's log; the database was not put in place",
    )


def resume(server: Server, database: str, scheduled: list[int]) -> None:
    """In the database that is live now: the jobs that were scheduled in the backup, and its workers."""
    if scheduled:
        ids = ", ".join(map(str, map(int, scheduled)))
        server.run(f"update _timescaledb_config.bgw_job set scheduled = true where id in ({ids})", database)
    start_workers(server, database)


def stop_workers(server: Server, database: str) -> None:
    """So that no background worker keeps the database from being renamed. Its scheduler is never terminated."""
    _workers(server, database, "stop")


def start_workers(server: Server, database: str) -> None:
    """Undo ``stop_workers``, also under another name of the database."""
    _workers(server, database, "start")


def _workers(server: Server, database: str, verb: str) -> None:
    """Nothing without TimescaleDB."""
    if server.rows(_VERSION, database):
        server.rows(f"select _timescaledb_functions.{verb}_background_workers() as done", database)
