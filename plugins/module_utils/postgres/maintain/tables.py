# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VACUUM, table by table, so that a lock on one of them stops nothing but that one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...errors import Refused, ReleaseError
from ...release.journal import Book
from .. import sql
from .request import Outcome, Request

if TYPE_CHECKING:
    from ..server import Server
    from ..session import Session

PARTITIONED = "p"
_TABLES = """
select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind,
  pg_total_relation_size(c.oid) as bytes, coalesce(s.n_dead_tup, 0) as dead,
  extract(epoch from now() - greatest(s.last_vacuum, s.last_autovacuum)) as vacuumed,
  extract(epoch from now() - greatest(s.last_analyze, s.last_autoanalyze)) as analyzed,
  pg_has_role(c.relowner, 'usage') or (select rolsuper from pg_roles where rolname = current_user)
    or pg_has_role(d.datdba, 'usage'){granted} as allowed
from pg_class c join pg_namespace n on n.oid = c.relnamespace
  join pg_database d on d.datname = current_database()
  left join pg_stat_all_tables s on s.relid = c.oid
where c.relpersistence <> 't' and {which}
order by vacuumed desc nulls first, name"""
_GRANTED = " or has_table_privilege(c.oid, 'maintain')"
_FIRST_TO_GRANT = 17
_ALL = """c.relkind in ('r', 'm', 'p') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
  and not (n.nspname = '_timescaledb_internal' and c.relname ~ '^(compress)?_hyper_')
  and n.nspname not in ('_timescaledb_catalog', '_timescaledb_config', '_timescaledb_cache')"""
_NAMED = "select to_regclass({name})::oid::bigint as oid"
_WAITS = "lock"


@dataclass(frozen=True)
class Table:
    """A table as the server knows it; ``vacuumed`` and ``analyzed`` are seconds ago, None if nobody knows.

    A partitioned table is vacuumed with its partitions if it is ``named``; else they are there themselves.
    """

    name: str
    kind: str
    bytes: int
    dead: int
    vacuumed: float | None
    analyzed: float | None
    allowed: bool
    named: bool = False

    @property
    def empty(self) -> bool:
        """Nothing of its own to vacuum: only its statistics are."""
        return self.kind == PARTITIONED and not self.named

    def within(self, seconds: float, analyze: bool) -> bool:
        """Whether it was done in the last ``seconds``."""
        told = ([] if self.empty else [self.vacuumed]) + ([self.analyzed] if analyze else [])
        return all(ago is not None and ago <= seconds for ago in told)

    def statement(self, analyze: bool) -> str:
        if self.empty:
            return f"analyze {self.name}"
        return f"vacuum (analyze) {self.name}" if analyze else f"vacuum {self.name}"

    def sentence(self, analyze: bool) -> str:
        verb = "analyze" if self.empty else "vacuum and analyze" if analyze else "vacuum"
        return f"{verb} {self.name}"


@dataclass(frozen=True)
class Plan:
    """What is due, and what is not by ``unless_within``."""

    due: tuple[Table, ...]
    recent: tuple[str, ...]


def vacuum(server: Server, request: Request, book: Book) -> Outcome:
    plan = decide(observe(server, request), request)
    sentences = [one.sentence(request.analyze) for one in plan.due]
    found: dict[str, Any] = {"tables": [], "recent": list(plan.recent), "left": []}
    outcome = Outcome(sentences, found, changed=bool(plan.due))
    outcome.after = "".join(f"{sentence}\n" for sentence in sentences)
    if request.check or not plan.due:
        return outcome
    with book.step(request.title, None, sentences) as done:
        with server.session(request.database, request.limits) as session:
            for table in plan.due:
                book.look()
                _vacuum(session, table, request, found)
        done({"vacuumed": len(found["tables"]), "left": found["left"]})
    _measure(server, request, found["tables"])
    outcome.changed = bool(found["tables"])
    _refuse_left(server, request, outcome)
    return outcome


def observe(server: Server, request: Request) -> list[Table]:
    """The tables that are meant, the one that was vacuumed longest ago first; ``Refused`` if one is not there."""
    which = f"c.oid in ({', '.join(map(str, oids(server, request)))})" if request.tables else _ALL
    granted = _GRANTED if server.identity().major >= _FIRST_TO_GRANT else ""
    rows = server.rows(_TABLES.format(which=which, granted=granted), request.database)
    return [Table(**row, named=bool(request.tables)) for row in rows]


def oids(server: Server, request: Request) -> list[int]:
    """Of the tables that are named."""
    found: dict[str, int | None] = {}
    for name in request.tables:
        found[name] = server.rows(_NAMED.format(name=sql.text(name)), request.database)[0]["oid"]
    missing = [name for name, oid in found.items() if oid is None]
    if missing:
        raise Refused(
            f"there is no table {', '.join(missing)}",
            where=f"database {request.database} at {server.where}",
            remedy="correct tables: as SQL names them, with the schema and with quotes where there are capitals",
        )
    return [oid for oid in found.values() if oid is not None]


def decide(tables: Sequence[Table], request: Request) -> Plan:
    """``Refused`` when a table is somebody else's: the server would leave it out with a warning only."""
    wanted = [one for one in tables if request.analyze or not one.empty]
    denied = [one.name for one in wanted if not one.allowed]
    if denied:
        raise Refused(
            f"this user may not vacuum {', '.join(denied[:5])}"
            + (f" and {len(denied) - 5} more tables" if len(denied) > 5 else ""),
            remedy="log in as the owner of the tables or of the database, or name the tables that may be",
        )
    within = request.unless_within
    recent = [one for one in wanted if within is not None and one.within(within, request.analyze)]
    return Plan(tuple(one for one in wanted if one not in recent), tuple(one.name for one in recent))


def _vacuum(session: Session, table: Table, request: Request, found: dict[str, Any]) -> None:
    began = time.monotonic()
    try:
        session.run(table.statement(request.analyze))
    except ReleaseError as error:
        if error.details.get("code") != _WAITS:
            raise
        found["left"].append({"name": table.name, "why": error.record.partition(": ")[2] or error.record})
        return
    took = round(time.monotonic() - began, 2)
    found["tables"].append(
        {"name": table.name, "seconds": took, "bytes_before": table.bytes, "dead_before": table.dead}
    )


def _measure(server: Server, request: Request, done: Sequence[dict[str, Any]]) -> None:
    """What the tables have now, beside what they had."""
    now = {one.name: asdict(one) for one in observe(server, request)}
    for row in done:
        seen = now.get(row["name"], {})
        row |= {"bytes_after": seen.get("bytes"), "dead_after": seen.get("dead")}


def _refuse_left(server: Server, request: Request, outcome: Outcome) -> None:
    left = outcome.found["left"]
    if left:
        raise ReleaseError(
            f"{len(left)} of {len(outcome.plan)} tables were not vacuumed, because another session holds a lock on "
            f"them or the time was up: {', '.join(one['name'] for one in left[:5])}",
            where=f"database {request.database} at {server.where}",
            remedy="see who in pg_locks, then run again; with unless_within what is done is left out",
            **outcome.report(),
        )
