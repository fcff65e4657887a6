# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of pg_restore: observe, decide, apply. Nothing is ever restored into a database that anybody uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import Refused, ReleaseError
from . import age, bring, dbprops, proof, room, scratch, sql, swap, timescale
from .dbprops import Properties
from .manifest import Check, Manifest
from .swap import REPLACED, REVERTED, Change, Database, Swapped

if TYPE_CHECKING:
    from ..release.journal import Book
    from .server import Server
    from .store.base import Store

RESTORED_STATE, REVERTED_STATE = "restored", "reverted"
PROVEN = "restore"
_RESERVED = ("postgres", "template0", "template1")
_MOST_NAMED = 20

Safety = Callable[[Manifest], Manifest]
"""Makes the backup of the live database that is taken first; given the one that is going to be restored."""


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``level`` is restore or full."""

    state: str
    database: str
    id: str = ""
    level: str = "restore"
    jobs: int = 1
    accept_data_loss: bool = False
    accept_foreign: bool = False
    again: bool = False
    check: bool = False


@dataclass(frozen=True)
class Have:
    """What there is. ``restored_from``: id of the backup that was put in place last, if it still is there."""

    now: datetime
    live: Database | None
    system: str
    backup: Manifest | None = None
    restored_from: str = ""
    kept: tuple[Database, ...] = ()
    obstacles: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """``restore`` the backup, or ``revert`` to the database of that name; ``lost`` in seconds of writes."""

    restore: Manifest | None = None
    revert: Database | None = None
    lost: float = 0.0
    mend: tuple[str, ...] = ()

    @property
    def acts(self) -> bool:
        return self.restore is not None or self.revert is not None

    @property
    def changes(self) -> bool:
        return self.acts or bool(self.mend)


@dataclass
class Outcome:
    """What a run did, or in check mode would do; times in seconds."""

    request: Request
    plan: Plan
    have: Have
    changed: bool = False
    replaced: str = ""
    outage: float = 0.0
    safety: str = ""
    mended: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """The result of the module."""
        return {
            "changed": self.changed,
            "plan": sentences(self.request, self.plan, self.have),
            "backup": self.plan.restore.id if self.plan.restore else self.have.restored_from,
            "replaced": self.replaced,
            "outage_ms": round(self.outage * 1000),
            "data_loss_seconds": round(self.plan.lost, 1),
            "safety_backup": self.safety,
            "mended": self.mended,
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "seconds": round(sum(self.phases.values()), 3),
        }

    def diff(self) -> dict[str, str]:
        before = f"{self.request.database}: {_described(self.have)}\n"
        if not self.plan.acts:
            return {"before": before, "after": before}
        if self.plan.restore:
            after = f"restored from backup {self.plan.restore.id}"
        else:
            after = f"what was {self.plan.revert.name if self.plan.revert else ''}"
        return {"before": before, "after": f"{self.request.database}: {after}\n"}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.phases[name] = time.monotonic() - began


def operate(
    server: Server, store: Store | None, request: Request, safety: Safety | None = None, book: Book | None = None
) -> Outcome:
    """Bring the database to the wanted state as one step of the release's book; ``store`` for state restored."""
    have = observe(server, store, request)
    plan = decide(have, request)
    outcome = Outcome(request, plan, have, changed=plan.changes)
    if plan.restore and store:
        bring.readable(store, plan.restore)
        bring.require(server, plan.restore)
        room.require(server, have.live.name if have.live else "", plan.restore)
    if request.check or not plan.changes:
        return outcome
    title = f"{'restore' if request.state == RESTORED_STATE else 'revert'} {request.database}"
    step = book.step(title, _seen(have), sentences(request, plan, have)) if book else nullcontext(lambda after: None)
    with step as done:
        _apply(server, store, outcome, safety)
        done(outcome.report())
    return outcome


def observe(server: Server, store: Store | None, request: Request) -> Have:
    name = request.database
    live = swap.named(server, name)
    return Have(
        datetime.now(UTC),
        live,
        server.identity().system,
        _chosen(server, store, request) if store and request.state == RESTORED_STATE else None,
        dbprops.restored_from(server, name),
        tuple(swap.kept(server, name)),
        tuple(swap.obstacles(server, name)) if live else (),
        tuple(swap.pending(server, name)),
    )


def decide(have: Have, request: Request) -> Plan:
    """Pure. ``Refused`` with the reason and what to do about it."""
    if request.database in _RESERVED:
        raise Refused(f"{request.database} belongs to the server and is never replaced", code="swap")
    plan = _restoring(have, request) if request.state == RESTORED_STATE else _reverting(have, request)
    if not plan.acts:
        return plan
    if have.live and not have.live.open and not have.pending:
        raise Refused(
            f"connections to {request.database} were switched off by somebody else",
            remedy=f"find out why, then ALTER DATABASE {sql.name(request.database)} ALLOW_CONNECTIONS true",
            code="swap",
        )
    if have.obstacles:
        raise Refused(
            f"{request.database} cannot be replaced: {'; '.join(have.obstacles)}",
            remedy="end or drop these first; nothing was restored and the database was not touched",
            code="swap",
            obstacles=list(have.obstacles),
        )
    if have.live and not request.accept_data_loss:
        raise Refused(
            f"everything written to {request.database} in the last {plan.lost:.0f} s would be gone from it",
            remedy="set accept_data_loss, once those who own the data agree; the database of now is kept aside",
            code="data_loss",
            data_loss_seconds=round(plan.lost, 1),
        )
    return plan


def sentences(request: Request, plan: Plan, have: Have) -> list[str]:
    """What is going to be done, for check mode and the ledger."""
    said = list(plan.mend)
    if plan.restore:
        said.append(f"restore backup {plan.restore.id} into a new database and prove it to level {request.level}")
        said.append(f"put it in the place of {request.database}" if have.live else f"name it {request.database}")
    if plan.revert:
        said.append(f"put {plan.revert.name} back in the place of {request.database}")
    return said


def _chosen(server: Server, store: Store, request: Request) -> Manifest:
    """The one of this id, or the newest that is proven to be restorable."""
    if request.id:
        return store.the(request.id)
    system = server.identity().system
    own = [
        one
        for one in store.backups()
        if one.database == request.database and (one.system == system or request.accept_foreign)
    ]
    found = age.newest(own, PROVEN)
    if found is None:
        raise Refused(
            f"of {len(own)} backups of {request.database} none is proven to level {PROVEN}",
            where=store.where,
            remedy="name one with id; pg_backup_info lists them",
        )
    return found


def _restoring(have: Have, request: Request) -> Plan:
    backup = have.backup
    if backup is None:
        raise Refused("there is no backup to restore", remedy="give store and id")
    if have.live and have.restored_from == backup.id and not request.again:
        return Plan(mend=have.pending)
    foreign = [
        f"{what} {theirs}, and this is {ours}"
        for what, theirs, ours in (
            ("system", backup.system, have.system),
            ("database", backup.database, request.database),
        )
        if theirs != ours
    ]
    if foreign and not request.accept_foreign:
        raise Refused(
            f"backup {backup.id} is of another origin: {'; '.join(foreign)}",
            remedy="check the id; to restore elsewhere than where it was made, set accept_foreign",
            code="identity",
        )
    lost = (have.now - backup.made_at).total_seconds() if have.live else 0.0
    return Plan(restore=backup, lost=lost, mend=have.pending)


def _reverting(have: Have, request: Request) -> Plan:
    newest = have.kept[0] if have.kept else None
    if newest is None or have.live is None:
        raise Refused(
            f"there is no database that a restore of {request.database} has replaced",
            remedy="restore a backup instead; pg_backup_info lists them",
            code="swap",
        )
    if newest.kept["kind"] == REVERTED:
        return Plan(mend=have.pending)
    lost = (have.now - datetime.fromisoformat(newest.kept["at"])).total_seconds()
    return Plan(revert=newest, lost=lost, mend=have.pending)


def _apply(server: Server, store: Store | None, outcome: Outcome, safety: Safety | None) -> None:
    request, plan, have = outcome.request, outcome.plan, outcome.have
    if plan.mend:
        with server.locked(request.database):
            outcome.mended = swap.mend(server, request.database)
    if plan.restore and safety and have.live:
        with outcome.phase("safety_backup"):
            outcome.safety = safety(plan.restore).id
    with server.locked(request.database):
        if plan.restore and store:
            _restore(server, store, outcome, plan.restore)
        if plan.revert:
            _revert(server, outcome, plan.revert)


def _restore(server: Server, store: Store, outcome: Outcome, backup: Manifest) -> None:
    request, live = outcome.request, outcome.have.live
    recorded = Properties.of(backup.properties or {})
    oid = live.oid if live else 0
    with scratch.made(server, recorded, request.database, oid, f"restore of backup {backup.id}") as made:
        with outcome.phase("restore"):
            jobs = bring.fill(server, made.name, store, backup, request.jobs)
        with outcome.phase("proof"):
            outcome.checks = list(proof.same(server, made.name, store, backup))
            if request.level == "full":
                outcome.checks += proof.sound(server, made.name)
            _refuse_difference(outcome, backup)
        with outcome.phase("analyze"):
            server.run("analyze", made.name)
        server.run(f"alter database {sql.name(made.name)} set {dbprops.RESTORED_FROM} to {sql.text(backup.id)}")
        kept = {"backup": backup.id, "comment": live.comment if live else "", "jobs": jobs}
        _swap(server, outcome, Change(request.database, made.name, recorded.comment, REPLACED, kept))
        made.kept = True
    _finish(server, outcome, jobs)


def _revert(server: Server, outcome: Outcome, old: Database) -> None:
    live = outcome.have.live
    kept = {"backup": old.kept["backup"], "comment": live.comment if live else "", "jobs": []}
    _swap(server, outcome, Change(outcome.request.database, old.name, old.kept["comment"], REVERTED, kept))
    _finish(server, outcome, [])


def _swap(server: Server, outcome: Outcome, change: Change) -> None:
    with outcome.phase("swap"):
        swap.refuse_obstacles(server, change.live)
        done: Swapped = swap.swap(server, change, outcome.have.now)
    outcome.replaced, outcome.outage = done.replaced, done.outage


def _finish(server: Server, outcome: Outcome, jobs: list[int]) -> None:
    if outcome.replaced:
        swap.mend(server, outcome.request.database)
    else:
        timescale.resume(server, outcome.request.database, jobs)


def _refuse_difference(outcome: Outcome, backup: Manifest) -> None:
    failed = [check for check in outcome.checks if not check.ok]
    if not failed:
        return
    named = "; ".join(f"{one.name}: expected {one.expected}, found {one.found}" for one in failed[:_MOST_NAMED])
    raise ReleaseError(
        f"what backup {backup.id} brought back is not what it was made from: {named}",
        remedy=f"take another backup; {outcome.request.database} was not touched, the copy was dropped",
        record=f"backup {backup.id} is not good: {len(failed)} checks failed; nothing was replaced",
        failed_checks=[{"name": one.name, "expected": one.expected, "found": one.found} for one in failed],
    )


def _seen(have: Have) -> dict[str, Any]:
    return {"database": _described(have), "kept": [one.name for one in have.kept]}


def _described(have: Have) -> str:
    if have.live is None:
        return "does not exist"
    return f"restored from backup {have.restored_from}" if have.restored_from else "exists"
