# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put one database in the place of another by two renames in one transaction, and never leave the place closed.

What is going on is written on the incoming database as its comment, before anything happens and in the same transaction
as the renames. So whoever comes after a killed run sees where it stood: before the renames nothing has happened but
that connections may be off, after them everything has.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import Refused, ReleaseError
from . import dbprops, sql, timescale
from .scratch import MAKER, comment, record

if TYPE_CHECKING:
    from .server import Server

REPLACED, REVERTED = "replaced", "reverted"
_LONGEST_NAME = 63
_PATIENCE = 10

_DATABASES = """
select datname as name, oid::bigint as oid, datallowconn as open,
  coalesce(shobj_description(oid, 'pg_database'), '') as comment
from pg_database where not datistemplate order by datname"""
_OBSTACLES = """
select format('prepared transaction %s of %s, since %s: COMMIT PREPARED or ROLLBACK PREPARED it', quote_literal(gid),
  owner, to_char(prepared at time zone 'UTC', 'YYYY-MM-DD HH24:MI UTC')) as what
from pg_prepared_xacts where database = {database}
union all
select format('logical replication slot %I (%s) reads from it and would go on reading the replaced one', slot_name,
  case when active then 'active' else 'not active' end)
from pg_replication_slots where database = {database}
union all
select format('subscription %I belongs to it and would go on writing into the replaced one', s.subname)
from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = {database}
order by 1"""
_END_SESSIONS = """
do $end_sessions$
declare
  patience timestamptz := clock_timestamp() + interval '{patience} s';
begin
  loop
    perform pg_stat_clear_snapshot();
    perform pg_terminate_backend(pid) from pg_stat_activity
      where datid = {oid} and backend_type in ('client backend', 'walsender');
    exit when not found;
    if clock_timestamp() > patience then
      raise exception 'sessions in the database do not end';
    end if;
    perform pg_sleep(0.005);
  end loop;
end $end_sessions$"""


@dataclass(frozen=True)
class Database:
    """``open``: connections are allowed."""

    name: str
    oid: int
    open: bool
    comment: str

    @property
    def record(self) -> dict[str, Any]:
        """What we wrote on it; empty if it is not ours."""
        return record(self.comment)

    @property
    def kept(self) -> dict[str, Any]:
        """Of one that was live: ``kind``, ``of``, ``at`` (UTC), ``backup``, the ``comment`` it had.

        ``jobs`` as long as those of TimescaleDB in its successor are not yet scheduled again.
        """
        return dict(self.record.get("kept", {}))


@dataclass(frozen=True)
class Swapped:
    """``replaced``: the name the old database has now, or empty. ``outage``: seconds nobody could connect."""

    replaced: str
    outage: float


@dataclass(frozen=True)
class Change:
    """What to do: ``comment`` goes on the database in its new place; ``kept`` describes the one that makes room.

    ``kind`` is ``replaced`` or ``reverted``.
    """

    live: str
    incoming: str
    comment: str
    kind: str
    kept: dict[str, Any]


def databases(server: Server) -> list[Database]:
    return [Database(row["name"], int(row["oid"]), row["open"], row["comment"]) for row in server.rows(_DATABASES)]


def named(server: Server, name: str) -> Database | None:
    return next((one for one in databases(server) if one.name == name), None)


def obstacles(server: Server, database: str) -> list[str]:
    """What is bound to this very database and would not come along to the one in its place, or keeps us out of it."""
    shut = _shut(server, database)
    return shut + [str(row["what"]) for row in server.rows(_OBSTACLES.format(database=sql.text(database)))]


def _shut(server: Server, database: str) -> list[str]:
    """Of one that is open: a swap stops its workers by a session in it, which is to be known before a long restore."""
    live = named(server, database)
    if live is None or not live.open:
        return []
    try:
        server.rows("select true as reached", database)
    except ReleaseError as error:
        return [
            f"it cannot be connected to ({error.what.rstrip('.')}): mend that, or move it out of the way by"
            f" ALTER DATABASE {sql.name(database)} RENAME TO another name, which leaves its own to what is restored"
        ]
    return []


def refuse_obstacles(server: Server, database: str) -> None:
    found = obstacles(server, database)
    if found:
        raise Refused(
            f"{database} cannot be replaced: {'; '.join(found)}",
            where=server.where,
            remedy="see to these first; the database was not touched",
            code="swap",
            obstacles=found,
        )


def swap(server: Server, change: Change, now: datetime) -> Swapped:
    """``ReleaseError`` if it did not happen: then the live database is where it was, and open."""
    live, incoming = named(server, change.live), named(server, change.incoming)
    if incoming is None:
        raise Refused(f"there is no database {change.incoming} to put in place", where=server.where)
    if live is None:
        server.run(_first(change), transaction=True)
        return Swapped("", 0.0)
    replaced = free_name(server, change.live, change.kind, now)
    intent = {"live": live.name, "live_oid": live.oid, "replaced": replaced}
    server.run(comment(incoming.name, {"made": MAKER, **incoming.record, "swap": intent}))
    try:
        timescale.stop_workers(server, live.name)
        _refuse_another(server, live)
        began = time.monotonic()
        server.run(f"alter database {sql.name(live.name)} allow_connections false")
        server.run(_END_SESSIONS.format(oid=live.oid, patience=_PATIENCE))
        server.run(_both(change, replaced, now), transaction=True)
    except BaseException as error:
        if not _happened(server, incoming.oid, change.live):
            _undo(server, live, error)
            raise
    return Swapped(replaced, time.monotonic() - began)


def mend(server: Server, live: str) -> list[str]:
    """Bring to an end what a killed run left open; sentences about it. Only under the lock of ``live``."""
    return list(_mended(server, live))


def pending(server: Server, live: str) -> list[str]:
    """What ``mend`` would do, in words, for check mode."""
    undone = [f"undo the swap of {live} with {one.name}, which was interrupted" for one in _interrupted(server, live)]
    open = [one for one in kept(server, live) if "jobs" in one.kept] or _unsettled(server, live)
    return undone + [f"finish what put {live} in place" for _one in open]


def kept(server: Server, live: str) -> list[Database]:
    """Databases that once were ``live``, newest first."""
    found = [one for one in databases(server) if one.kept.get("of") == live]
    return sorted(found, key=lambda one: str(one.kept["at"]), reverse=True)


def swapped(server: Server, live: str) -> datetime | None:
    """When a restore, or the way back from one, last put another database in the place of ``live``."""
    times = [datetime.fromisoformat(one.kept["at"]) for one in kept(server, live)]
    return max(filter(None, [*times, dbprops.restored(server, live).at]), default=None)


def free_name(server: Server, live: str, kind: str, now: datetime) -> str:
    """``shop__replaced_20261121t194500z``, shortened to what PostgreSQL keeps of a name."""
    taken = {one.name for one in databases(server)}
    stamp = now.astimezone(UTC).strftime("%Y%m%dt%H%M%Sz")
    for number in range(len(taken) + 1):
        ending = f"__{kind}_{stamp}" + (f"_{number}" if number else "")
        begin = live.encode()[: _LONGEST_NAME - len(ending)].decode(errors="ignore")
        if begin + ending not in taken:
            return begin + ending
    raise AssertionError("there are more names than databases")


def _mended(server: Server, live: str) -> Iterator[str]:
    for one in _interrupted(server, live):
        intent = one.record["swap"]
        current = named(server, live)
        if current and current.oid == intent["live_oid"]:
            if not current.open:
                server.run(_opened(live))
                yield f"connections to {live} are allowed again: a swap was interrupted before its renames"
            timescale.start_workers(server, live)
        server.run(comment(one.name, {key: value for key, value in one.record.items() if key != "swap"}))
        yield f"the interrupted swap of {live} with {one.name} was undone"
    for one in kept(server, live):
        if "jobs" in one.kept:
            finish(server, live, one)
            yield f"what had to follow the swap that put {live} in place was done"
    for said in _unsettled(server, live):
        timescale.resume(server, live, said["jobs"])
        server.run(comment(live, said["comment"]))
        yield f"what had to follow after {live} was put in place was done"


def finish(server: Server, live: str, one: Database) -> None:
    """After a swap: TimescaleDB's jobs of the database in place, as they were scheduled in the backup."""
    said = one.kept
    timescale.resume(server, live, said.pop("jobs"))
    server.run(comment(one.name, {**one.record, "kept": said}))


def _unsettled(server: Server, live: str) -> list[dict[str, Any]]:
    """What has to follow where nothing was replaced: it is written on the database itself."""
    current = named(server, live)
    return [current.record["settle"]] if current and "settle" in current.record else []


def _interrupted(server: Server, live: str) -> list[Database]:
    return [one for one in databases(server) if one.record.get("swap", {}).get("live") == live]


def _both(change: Change, replaced: str, now: datetime) -> str:
    at = now.astimezone(UTC).isoformat()
    said = {"made": MAKER, "kept": {**change.kept, "kind": change.kind, "of": change.live, "at": at}}
    statements = (
        "set local lock_timeout = '5s'",
        _renamed(change.live, replaced),
        _renamed(change.incoming, change.live),
        comment(replaced, said),
        _settled(change),
    )
    return ";\n".join(statements)


def _first(change: Change) -> str:
    """Where nothing has to make room: what has to follow stands on the database until it is done."""
    said = {"made": MAKER, "settle": {"jobs": change.kept.get("jobs", []), "comment": change.comment}}
    return ";\n".join((_renamed(change.incoming, change.live), comment(change.live, said)))


def _settled(change: Change) -> str:
    """Of the database in its new place."""
    return f"{_opened(change.live)};\n{comment(change.live, change.comment)}"


def _renamed(old: str, new: str) -> str:
    return f"alter database {sql.name(old)} rename to {sql.name(new)}"


def _opened(name: str) -> str:
    return f"alter database {sql.name(name)} allow_connections true"


def _refuse_another(server: Server, live: Database) -> None:
    """Also the last thing before connections go off that may take its time: it brings us back to our own database."""
    now = named(server, live.name)
    if now is None or now.oid != live.oid:
        raise Refused(f"somebody else has just replaced {live.name}", where=server.where, code="swap")


def _happened(server: Server, incoming: int, live: str) -> bool:
    """Whether the renames took effect although no answer came."""
    with suppress(ReleaseError):
        current = named(server, live)
        return current is not None and current.oid == incoming
    return False


def _undo(server: Server, live: Database, error: BaseException) -> None:
    try:
        mend(server, live.name)
    except ReleaseError as second:
        if isinstance(error, ReleaseError):
            error.remedy += (
                f"; connections to {live.name} may still be off ({second.what}): run the task again, which puts them "
                f"back, or {_opened(live.name)}"
            )
