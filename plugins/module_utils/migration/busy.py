# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Who works in a database so that a migration would queue behind it, and every reader behind the migration."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..postgres.sql import text

if TYPE_CHECKING:
    from ..postgres.server import Server

APPLICATION = "pg_migrate"


@dataclass(frozen=True)
class Session:
    """One session of the server; ``why`` is what it does."""

    pid: int
    application: str
    user: str
    since: str
    why: str

    def __str__(self) -> str:
        called = f" ({self.application})" if self.application else ""
        return f"session {self.pid} of {self.user}{called} {self.why} since {self.since}"

    def report(self) -> dict[str, Any]:
        return asdict(self)


def busy(server: Server, database: str) -> list[Session]:
    """Dumps, commands a killed run left behind, and sessions that hold or wait for the strongest lock on a table."""
    return [Session(**row) for row in server.rows(_sql(database), database)]


def _sql(database: str) -> str:
    return f"""
        select a.pid, a.application_name as application, coalesce(a.usename, '')::text as "user",
            to_char(coalesce(a.xact_start, a.backend_start) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since,
            case when a.application_name ~ '^pg_dump' then 'dumps the database'
                when a.application_name = '{APPLICATION}' then 'migrates it'
                when bool_and(l.granted) then 'changes the schema'
                else 'waits to change the schema' end as why
        from pg_catalog.pg_stat_activity a
        left join pg_catalog.pg_locks l on l.pid = a.pid and l.locktype = 'relation' and l.database = (
            select oid from pg_catalog.pg_database where datname = {text(database)}
        ) and l.relation >= 16384 and l.mode = 'AccessExclusiveLock'
        where a.datname = {text(database)} and a.pid <> pg_catalog.pg_backend_pid()
            and a.backend_type = 'client backend'
            and (a.application_name ~ '^pg_dump' or a.application_name = '{APPLICATION}' or l.pid is not null)
        group by a.pid, a.application_name, a.usename, a.xact_start, a.backend_start
        order by a.pid"""
