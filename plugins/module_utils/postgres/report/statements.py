# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The most expensive statements, from the statistics of the server or from those that are running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import Refused
from .. import sql
from ..statement import without_values
from .request import Request

if TYPE_CHECKING:
    from ..session import Session

RUNNING = "running"
BY = ("mean", "total", "calls", RUNNING)
_VIEW = """
select format('%I', n.nspname) as schema,
  array(select attname::text from pg_attribute a
        where a.attrelid = format('%I.pg_stat_statements', n.nspname)::regclass) as columns,
  current_setting('shared_preload_libraries') ~ 'pg_stat_statements' as loaded
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'"""
_STATISTICS = """
select s.query, coalesce(pg_get_userbyid(s.userid), '')::text as "user", s.calls, s.rows,
  round(s.{mean}::numeric, 3) as mean_ms, round(s.{total}::numeric, 3) as total_ms,
  round((s.{total} / nullif(sum(s.{total}) over (), 0))::numeric, 4) as share
from {schema}.pg_stat_statements s
where s.dbid = (select oid from pg_database where datname = current_database())
order by {by} desc limit {most}"""
_SINCE = """
select coalesce(to_char(stats_reset at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') as since
from {schema}.pg_stat_statements_info"""
_RUNNING = """
select a.pid, coalesce(a.usename, '')::text as "user", a.application_name as application, left(a.query, 4000) as query,
  round(extract(epoch from clock_timestamp() - a.query_start)::numeric, 1) as seconds,
  coalesce(a.wait_event_type, '') as waits
from pg_stat_activity a
where a.state = 'active' and a.backend_type = 'client backend' and a.datname = {database} and a.pid <> pg_backend_pid()
order by a.query_start limit {most}"""
_FIRST_WITH_INFO = "toplevel"


def report(session: Session, request: Request) -> dict[str, Any]:
    if request.by == RUNNING:
        rows = session.rows(_RUNNING.format(database=sql.text(request.database), most=request.most))
        return _told(rows, "", f"{len(rows)} statements are running")
    found = session.rows(_VIEW)
    if not found or not found[0]["loaded"]:
        raise Refused(
            f"nobody counts the statements of {request.database}",
            remedy="do track_statements of pg_maintain, or set by to running",
        )
    view = found[0]
    columns = columns_of(view["columns"])
    rows = session.rows(_STATISTICS.format(schema=view["schema"], most=request.most, by=columns[request.by], **columns))
    since = ""
    if _FIRST_WITH_INFO in view["columns"]:
        since = session.rows(_SINCE.format(schema=view["schema"]))[0]["since"]
    worst = f"; the first one takes {rows[0]['mean_ms']:g} ms a call, {rows[0]['calls']} times" if rows else ""
    return _told(rows, since, f"{len(rows)} statements by {request.by}{worst}")


def columns_of(known: list[str]) -> dict[str, str]:
    """How the extension calls its columns: they have other names from its version 1.8 (PostgreSQL 13) on."""
    middle = "exec_" if "mean_exec_time" in known else ""
    return {"mean": f"mean_{middle}time", "total": f"total_{middle}time", "calls": "calls"}


def _told(rows: list[dict[str, Any]], since: str, sentence: str) -> dict[str, Any]:
    shown = [{"statement": without_values(row.pop("query") or ""), **row} for row in rows]
    return {"summary": [sentence], "since": since, "statements": shown}
