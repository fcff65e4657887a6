# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is connected, how many more may be, and who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..statement import kind_of
from .request import Request

if TYPE_CHECKING:
    from ..session import Session

_LIMIT = """
select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
  - coalesce(current_setting('reserved_connections', true), '0')::int as "limit",
  (select count(*) from pg_stat_activity where backend_type = 'client backend') as used"""
_COUNTS = """
select coalesce(usename, '')::text as "user", datname::text as database, application_name as application,
  coalesce(state, 'hidden') as state, count(*) as count,
  round(extract(epoch from clock_timestamp() - min(state_change))::numeric, 1) as oldest
from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
group by 1, 2, 3, 4 order by count desc, oldest desc nulls last"""
_BLOCKED = """
select pid, coalesce(usename, '')::text as "user", datname::text as database, application_name as application,
  round(extract(epoch from clock_timestamp() - state_change)::numeric, 1) as seconds, left(query, 500) as query,
  pg_blocking_pids(pid) as by
from pg_stat_activity where wait_event_type = 'Lock' order by seconds desc limit {most}"""


def report(session: Session, request: Request) -> dict[str, Any]:
    standing = session.rows(_LIMIT)[0]
    counts = session.rows(_COUNTS)
    blocked = session.rows(_BLOCKED.format(most=request.most))
    states: dict[str, int] = {}
    for row in counts:
        states[row["state"]] = states.get(row["state"], 0) + row["count"]
    for row in blocked:
        row["statement"] = kind_of(row.pop("query") or "")
    told = f"{standing['used']} of {standing['limit']} connections are in use"
    waiting = [f"{len(blocked)} sessions wait for a lock"] if blocked else []
    return {
        "summary": [f"{told}: {', '.join(f'{count} {state}' for state, count in states.items()) or 'ours'}", *waiting],
        **standing,
        "states": states,
        "sessions": counts[: request.most],
        "blocked": blocked,
    }
