# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps that are running: a migration that needs a lock would wait behind them, and everybody else behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import sql

if TYPE_CHECKING:
    from .server import Server

_DUMPS = """
select a.datname as database, a.pid, a.application_name as program, coalesce(a.usename, '') as user,
  coalesce(host(a.client_addr), '') as client,
  to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since,
  round(extract(epoch from now() - a.backend_start))::bigint as seconds
from pg_stat_activity a
where a.application_name ilike 'pg_dump%' and a.pid <> pg_backend_pid(){of}
order by a.backend_start, a.pid"""


def dumps(server: Server, database: str = "") -> list[dict[str, Any]]:
    """Sessions of pg_dump and pg_dumpall, whoever started them; of all databases without a name."""
    of = f" and a.datname = {sql.text(database)}" if database else ""
    return server.rows(_DUMPS.format(of=of))
