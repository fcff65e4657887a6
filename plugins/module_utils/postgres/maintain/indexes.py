# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""REINDEX INDEX CONCURRENTLY, index by index, and what a run of it that was interrupted left behind."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import Refused, ReleaseError
from ...migration.busy import busy
from ...release.journal import Book
from .. import sql
from .request import Outcome, Request
from .tables import oids

if TYPE_CHECKING:
    from ..server import Server
    from ..session import Session

_LEFTOVER = re.compile(r"_cc(?:new|old)\d*\"?$")
_INDEXES = """
with recursive chosen(oid) as (
  {chosen}
  union select i.inhrelid from pg_inherits i join chosen on i.inhparent = chosen.oid
)
select format('%I.%I', n.nspname, x.relname) as name, format('%I.%I', tn.nspname, t.relname) as "table",
  i.indisvalid as valid, i.indisexclusion as exclusion, pg_relation_size(x.oid) as bytes,
  exists (select from pg_stat_progress_create_index p where p.relid = t.oid) as building,
  pg_has_role(t.relowner, 'usage') or pg_has_role(d.datdba, 'usage')
    or (select rolsuper from pg_roles where rolname = current_user) as allowed
from pg_index i join pg_class x on x.oid = i.indexrelid join pg_namespace n on n.oid = x.relnamespace
  join pg_class t on t.oid = i.indrelid join pg_namespace tn on tn.oid = t.relnamespace
  join pg_database d on d.datname = current_database()
where x.relkind = 'i' and t.relkind in ('r', 'm') and t.relpersistence <> 't'
  and tn.nspname not like 'pg\\_%' and tn.nspname <> 'information_schema' and {which}{but}
order by 2, 1"""
_THESE_OR_LEFT = """(x.oid in (select oid from chosen) or not i.indisvalid and t.oid in (
  select o.indrelid from pg_index o where o.indexrelid in (select oid from chosen)))"""
_NAMED = """
select c.oid::bigint as oid from pg_class c where c.oid = to_regclass({name}) and c.relkind in ('i', 'I')"""
_EVERY = "select c.oid from pg_class c where c.relkind in ('r', 'm')"
_HYPERTABLES = """
  and (tn.nspname, t.relname) not in (select h.schema_name, h.table_name from _timescaledb_catalog.hypertable h)
  and tn.nspname not in ('_timescaledb_catalog', '_timescaledb_config', '_timescaledb_cache')"""
_HAS_HYPERTABLES = "select count(*) as found from pg_extension where extname = 'timescaledb'"
_OPEN = """
select a.pid, coalesce(a.usename, '')::text as "user", a.application_name as application,
  round(extract(epoch from now() - a.xact_start))::bigint as seconds
from pg_stat_activity a
where a.datname = {database} and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'
  and a.xact_start < now() - interval '{seconds} s' order by a.xact_start"""
_SIZE = "select pg_relation_size(to_regclass({name})) as bytes"


@dataclass(frozen=True)
class Index:
    """An index; ``building`` says that somebody builds one on its table at this moment."""

    name: str
    table: str
    valid: bool
    exclusion: bool
    bytes: int
    building: bool
    allowed: bool

    @property
    def leftover(self) -> bool:
        """What an interrupted run made and nobody uses. A running one looks the same."""
        return not self.valid and not self.building and bool(_LEFTOVER.search(self.name))


@dataclass(frozen=True)
class Plan:
    """What to drop, what to rebuild, and what cannot be, as name and why."""

    drop: tuple[Index, ...]
    rebuild: tuple[Index, ...]
    left: tuple[tuple[str, str], ...]

    def sentences(self) -> list[str]:
        return [f"drop {one.name}, which an interrupted run left behind" for one in self.drop] + [
            f"rebuild {one.name} of {one.table}" for one in self.rebuild
        ]


def reindex(server: Server, request: Request, book: Book) -> Outcome:
    plan = decide(observe(server, request))
    sentences = plan.sentences()
    left = [{"name": name, "why": why} for name, why in plan.left]
    found: dict[str, Any] = {"indexes": [], "dropped": [], "left": left}
    outcome = Outcome(sentences, found, changed=bool(sentences))
    outcome.warnings = [f"{name} is not rebuilt: {why}" for name, why in plan.left]
    outcome.before = "".join(f"{one.name}\n" for one in (*plan.drop, *plan.rebuild))
    outcome.after = "".join(f"{one.name} (rebuilt)\n" for one in plan.rebuild)
    if not sentences:
        return outcome
    _refuse_waiting(server, request)
    if request.check:
        return outcome
    with book.step(request.title, None, sentences) as done:
        with server.session(request.database, {"statement_timeout": f"'{request.timeout}s'"}) as session:
            for one in plan.drop:
                book.look()
                session.run(f"drop index concurrently if exists {one.name}")
                found["dropped"].append(one.name)
            for one in plan.rebuild:
                book.look()
                found["indexes"].append(_rebuild(server, session, one, request, found))
        done({"rebuilt": len(found["indexes"]), "dropped": found["dropped"]})
    return outcome


def observe(server: Server, request: Request) -> list[Index]:
    """The indexes that are meant, and what is left over on their tables; ``Refused`` if one is not there."""
    which, chosen = "i.indrelid in (select oid from chosen)", _EVERY
    if request.tables:
        chosen = _these(oids(server, request))
    elif request.indexes:
        chosen = _these(_named(server, request))
        which = _THESE_OR_LEFT
    hypertables = server.rows(_HAS_HYPERTABLES, request.database)[0]["found"]
    query = _INDEXES.format(chosen=chosen, which=which, but=_HYPERTABLES if hypertables else "")
    return [Index(**row) for row in server.rows(query, request.database)]


def decide(indexes: Sequence[Index]) -> Plan:
    """An invalid index of another name is rebuilt like any other: that makes it valid."""
    denied = [one.name for one in indexes if not one.allowed]
    if denied:
        raise Refused(
            f"this user may not rebuild {', '.join(denied[:5])}"
            + (f" and {len(denied) - 5} more indexes" if len(denied) > 5 else ""),
            remedy="log in as the owner of the tables or of the database, or name the tables that may be",
        )
    drop = tuple(one for one in indexes if one.leftover)
    rest = [one for one in indexes if not one.leftover]
    left = {one.name: "somebody builds an index on its table at this moment" for one in rest if one.building}
    left |= {one.name: "an exclusion constraint cannot be rebuilt while in use" for one in rest if one.exclusion}
    return Plan(drop, tuple(one for one in rest if one.name not in left), tuple(left.items()))


def _these(chosen: Sequence[int]) -> str:
    return f"select unnest(array[{', '.join(map(str, chosen))}]::oid[])"


def _named(server: Server, request: Request) -> list[int]:
    found: list[int] = []
    for name in request.indexes:
        rows = server.rows(_NAMED.format(name=sql.text(name)), request.database)
        if not rows:
            raise Refused(
                f"there is no index {name}",
                where=f"database {request.database} at {server.where}",
                remedy="correct indexes: as SQL names them, with the schema and with quotes where there are capitals",
            )
        found.append(int(rows[0]["oid"]))
    return found


def _refuse_waiting(server: Server, request: Request) -> None:
    """It would wait, without an end, for every transaction that is open already."""
    where = f"database {request.database} at {server.where}"
    at_work = busy(server, request.database)
    if at_work:
        raise Refused(
            f"a rebuild would have to wait: {'; '.join(map(str, at_work[:5]))}",
            where=where,
            remedy="wait until that ends, then run again",
            code="busy",
        )
    open = server.rows(_OPEN.format(database=sql.text(request.database), seconds=request.lock_timeout))
    if open:
        named = "; ".join(f"{one['user']} (pid {one['pid']}, for {one['seconds']} s)" for one in open[:5])
        raise Refused(
            f"{len(open)} transactions are open for more than {request.lock_timeout} s, and a rebuild would wait for "
            f"them: {named}",
            where=where,
            remedy="wait until they end, or end them with end_sessions, then run again",
            code="busy",
        )


def _rebuild(server: Server, session: Session, index: Index, request: Request, found: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    try:
        session.run(f"reindex index concurrently {index.name}")
    except ReleaseError as error:
        found["dropped"] += _swept(server, request, index)
        error.details |= {**found, "changed": bool(found["indexes"] or found["dropped"])}
        error.remedy += "; the index itself is as it was"
        raise
    took, after = round(time.monotonic() - began, 2), session.rows(_SIZE.format(name=sql.text(index.name)))[0]["bytes"]
    return {
        "name": index.name,
        "table": index.table,
        "seconds": took,
        "bytes_before": index.bytes,
        "bytes_after": after,
    }


def _swept(server: Server, request: Request, index: Index) -> list[str]:
    """What the rebuild that failed has left is dropped if that can be; else the next run does it."""
    dropped: list[str] = []
    with contextlib.suppress(ReleaseError), server.session(request.database, request.limits) as session:
        for one in observe(server, request):
            if one.table == index.table and one.leftover:
                session.run(f"drop index concurrently if exists {one.name}")
                dropped.append(one.name)
    return dropped
