# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that are to be ended, and those that never are."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import Refused
from ...release.journal import Book
from .. import sql
from ..statement import kind_of
from .request import ACTIVE, IDLE, IN_TRANSACTION, Outcome, Request

if TYPE_CHECKING:
    from ..server import Server

BACKUPS = (
    *("pg_dump*", "pg_dumpall*", "pg_restore*", "pg_basebackup*", "pg_receivewal*", "pg_rewind*", "pg_probackup*"),
    *("pgbackrest*", "barman*", "wal-g*", "wal_g*", "runbook.release*", "pg_migrate"),
)
"""Application names of backups and of what else this collection does in a database; capitals make no difference."""
_MAINTENANCE = ("VACUUM", "ANALYZE", "REINDEX", "CLUSTER", "REFRESH", "CREATE INDEX", "BASE_BACKUP")
_STATES = {
    IN_TRANSACTION: ("idle in transaction", "idle in transaction (aborted)"),
    IDLE: ("idle",),
    ACTIVE: ("active",),
}
_SESSIONS = """
select a.pid, a.backend_start::text as began, coalesce(a.usename, '')::text as "user", a.datname::text as database,
  a.application_name as application, coalesce(host(a.client_addr), '') as client, a.state,
  (case when a.state = 'active' then a.query_start else a.state_change end)::text as moment,
  extract(epoch from clock_timestamp() - case when a.state = 'active' then a.query_start else a.state_change end)
    as seconds, left(a.query, 500) as query, coalesce(r.rolsuper, false) as super,
  (select rolsuper from pg_roles where rolname = current_user) as we_are_super
from pg_stat_activity a left join pg_roles r on r.rolname = a.usename
where a.backend_type = 'client backend' and a.pid <> pg_backend_pid() and a.state in ({states})
order by seconds desc, a.pid"""
_SIGNAL = """
select w.pid, case when a.pid is null then false else {signal}(a.pid) end as asked
from (values {these}) as w(pid, began, moment) left join pg_stat_activity a on a.pid = w.pid
  and a.backend_start = w.began::timestamptz and a.state in ({states})
  and (case when a.state = 'active' then a.query_start else a.state_change end) = w.moment::timestamptz"""
_CANCEL, _TERMINATE = "pg_cancel_backend", "pg_terminate_backend"
PATIENCE = 5.0
_LOOK_EVERY = 0.05


@dataclass(frozen=True)
class Session:
    """One client of the server; ``began`` and ``moment`` (of its state or statement) tell it from any later one."""

    pid: int
    began: str
    user: str
    database: str
    application: str
    client: str
    state: str
    moment: str
    seconds: float
    query: str
    super: bool
    we_are_super: bool

    @property
    def statement(self) -> str:
        return kind_of(self.query)

    def report(self) -> dict[str, Any]:
        names = ("pid", "user", "database", "application", "client", "state", "statement")
        return {name: getattr(self, name) for name in names} | {"seconds": round(self.seconds, 1)}

    def __str__(self) -> str:
        called = f" ({self.application})" if self.application else ""
        return f"session {self.pid} of {self.user}{called}, {self.state} for {self.seconds:.0f} s"


@dataclass(frozen=True)
class Plan:
    """Whom to end, and who was asked for but is kept, with why."""

    end: tuple[Session, ...]
    keep: tuple[tuple[Session, str], ...]


def end(server: Server, request: Request, book: Book) -> Outcome:
    refuse_backups(request)
    plan = decide(observe(server, request), request)
    verb = "cancel" if request.sessions == ACTIVE else "end"
    sentences = [f"{verb} {one}" for one in plan.end]
    found: dict[str, Any] = {
        "ended": [one.report() for one in plan.end],
        "kept": [{**one.report(), "why": why} for one, why in plan.keep],
    }
    outcome = Outcome(sentences, found, changed=bool(plan.end))
    outcome.before = "".join(f"{one}\n" for one in plan.end)
    if plan.end and not request.check:
        with book.step(request.title, None, sentences) as done:
            book.look()
            hows = _ended(server, plan.end, request)
            found["ended"] = [{**one.report(), "how": hows[one.pid]} for one in plan.end]
            done({how: list(hows.values()).count(how) for how in sorted(set(hows.values()))})
        outcome.changed = any(how in ("cancelled", "terminated") for how in hows.values())
        outcome.warnings = [f"{one} stays" for one in plan.end if hows[one.pid] == "stays"]
    return outcome


def refuse_backups(request: Request) -> None:
    """A filter that means a backup in so many words."""
    for pattern in request.applications:
        meant = [name for name in BACKUPS if _fits(name.rstrip("*"), pattern) or _fits(name=pattern, pattern=name)]
        if meant:
            raise Refused(
                f"the filter applications: {pattern} matches {meant[0]}, and backups and restores are never ended",
                remedy="name the applications that are meant; a backup ends with the run that makes it",
            )


def observe(server: Server, request: Request) -> list[Session]:
    query = _SESSIONS.format(states=_states(request))
    return [Session(**row) for row in server.rows(query, request.database)]


def decide(sessions: Sequence[Session], request: Request) -> Plan:
    asked = [one for one in sessions if _asked(one, request)]
    kept = [(one, _protected(one, request)) for one in asked]
    return Plan(tuple(one for one, why in kept if not why), tuple((one, why) for one, why in kept if why))


def _asked(one: Session, request: Request) -> bool:
    return (
        one.seconds >= request.older_than
        and one.database in (request.databases or (request.database,))
        and (not request.users or one.user in request.users)
        and (not request.applications or any(_fits(one.application, name) for name in request.applications))
    )


def _protected(one: Session, request: Request) -> str:
    """Why this session is never ended; empty for any other."""
    if any(_fits(one.application, name) for name in BACKUPS):
        return "it is a backup, a restore or another run of this collection"
    if one.statement in _MAINTENANCE and one.state == "active":
        return f"it is at maintenance ({one.statement})"
    if one.super and one.user not in request.users:
        return f"{one.user} is a superuser and is not named in users"
    if one.super and not one.we_are_super:
        return f"{one.user} is a superuser, whom only a superuser may end"
    return ""


def _fits(name: str, pattern: str) -> bool:
    """``*`` is any text; whatever else a pattern of a shell can have stands for itself."""
    literal = re.sub(r"[\[?]", lambda found: f"[{found[0]}]", pattern)
    return fnmatch.fnmatchcase(name.lower(), literal.lower())


def _ended(server: Server, sessions: Sequence[Session], request: Request) -> dict[int, str]:
    """What became of each. A statement is cancelled first; who goes on nonetheless is ended."""
    hows: dict[int, str] = {}
    rest = list(sessions)
    steps = [(_CANCEL, "cancelled")] if request.sessions == ACTIVE else []
    for signal, word in [*steps, (_TERMINATE, "terminated")]:
        asked = _signal(server, signal, rest, request)
        hows |= {one.pid: "gone" for one in rest if not asked[one.pid]}
        rest = [one for one in rest if asked[one.pid]]
        stay = _staying(server, rest, request)
        hows |= {one.pid: word for one in rest if one.pid not in stay}
        rest = [one for one in rest if one.pid in stay]
        if not rest:
            break
    return hows | {one.pid: "stays" for one in rest}


def _signal(server: Server, signal: str, sessions: Sequence[Session], request: Request) -> dict[int, bool]:
    """Only who still is in the very state that was seen: a number may be somebody else's by now."""
    these = ", ".join(f"({one.pid}, {sql.text(one.began)}, {sql.text(one.moment)})" for one in sessions)
    query = _SIGNAL.format(signal=signal, these=these, states=_states(request))
    return {row["pid"]: row["asked"] for row in server.rows(query, request.database)}


def _staying(server: Server, sessions: Sequence[Session], request: Request) -> set[int]:
    """Who, after some patience, still is in the state that was seen."""
    seen = {(one.pid, one.began, one.moment) for one in sessions}
    deadline = time.monotonic() + PATIENCE
    while True:
        stay = {one.pid for one in observe(server, request) if (one.pid, one.began, one.moment) in seen}
        if not stay or time.monotonic() > deadline:
            return stay
        time.sleep(_LOOK_EVERY)


def _states(request: Request) -> str:
    return ", ".join(map(sql.text, _STATES[request.sessions]))
