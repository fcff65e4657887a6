# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of pg_restore: observe, decide, apply. Nothing is ever restored into a database that anybody uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import Refused, ReleaseError
from ..release.journal import Book
from . import age, bring, dbprops, proof, room, scratch, swap
from .dbprops import Properties
from .manifest import Check, Manifest
from .restore_decide import RESTORE, Have, Plan, Request, decide, sentences
from .swap import REPLACED, REVERTED, Change, Database

if TYPE_CHECKING:
    from .server import Server
    from .store.base import Store

PROVEN = "restore"
_MOST_NAMED = 20


def _sees_nothing(_restored: Manifest) -> None:
    """Of a backup of which nothing can be known before it is made."""


@dataclass(frozen=True)
class Safety:
    """The backup of the live database that is taken first; both are given the one that is going to be restored.

    ``look`` is ``Refused`` where ``make`` would be.
    """

    make: Callable[[Manifest], Manifest]
    look: Callable[[Manifest], None] = _sees_nothing


@dataclass
class Outcome:
    """What a run did, or in check mode would do; times in seconds."""

    request: Request
    plan: Plan
    have: Have
    changed: bool = False
    swapped: bool = False
    replaced: str = ""
    lost: float = 0.0
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
            "data_loss_seconds": round(self.lost, 1),
            "safety_backup": self.safety,
            "mended": self.mended,
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "seconds": round(sum(self.phases.values()), 3),
        }

    def diff(self) -> dict[str, str]:
        before = f"{self.request.database}: {self.have.text}\n"
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
    book = book or Book()
    have = observe(server, store, request)
    plan = decide(have, request)
    outcome = Outcome(request, plan, have, changed=plan.changes, lost=plan.lost)
    if plan.restore and store:
        bring.readable(store, plan.restore)
        bring.require(server, plan.restore)
        bring.require_way(server, store, plan.restore, request.jobs)
        room.require(server, have.live.name if have.live else "", plan.restore)
        if request.check and safety and have.live:
            safety.look(plan.restore)
    if request.check or not plan.changes:
        return outcome
    title = f"{'restore' if request.state == RESTORE else 'revert'} {request.database}"
    with book.step(title, _seen(have), sentences(request, plan, have)) as done:
        _apply(server, store, outcome, safety, book)
        done(outcome.report())
    return outcome


def observe(server: Server, store: Store | None, request: Request) -> Have:
    name = request.database
    live, restored = swap.named(server, name), dbprops.restored(server, name)
    return Have(
        datetime.now(UTC),
        live,
        server.identity().system,
        _chosen(server, store, request) if store and request.state == RESTORE else None,
        restored.backup,
        restored.at,
        tuple(swap.kept(server, name)),
        tuple(swap.obstacles(server, name)) if live else (),
        tuple(swap.pending(server, name)),
    )


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
    _refuse_several_systems(own, store.where)
    return found


def _refuse_several_systems(backups: Sequence[Manifest], where: str) -> None:
    """Where the system is not looked at, the newest backup of all may well be of another one than is meant."""
    systems = sorted({one.system for one in backups if age.proven(one, PROVEN)})
    if len(systems) < 2:
        return
    newest = filter(None, (age.newest([one for one in backups if one.system == system], PROVEN) for system in systems))
    raise Refused(
        f"backups of {len(systems)} systems may be meant: "
        + ", ".join(f"{one.id} of system {one.system}" for one in newest),
        where=where,
        remedy="name one with id; these are the newest of each",
        code="identity",
    )


def _apply(server: Server, store: Store | None, outcome: Outcome, safety: Safety | None, book: Book) -> None:
    request, plan, have = outcome.request, outcome.plan, outcome.have
    if plan.mend:
        with server.locked(request.database):
            outcome.mended = swap.mend(server, request.database)
    if plan.restore and safety and have.live:
        with outcome.phase("safety_backup"):
            outcome.safety = safety.make(plan.restore).id
    with server.locked(request.database), _telling(outcome):
        _refuse_another(server, have, request.database)
        if plan.restore and store:
            _restore(server, store, outcome, plan.restore, book)
        if plan.revert:
            _revert(server, outcome, plan.revert, book)


@contextmanager
def _telling(outcome: Outcome) -> Iterator[None]:
    """A failure says what it means for the live database."""
    try:
        yield
    except ReleaseError as error:
        name = outcome.request.database
        stands = f"nothing in {name} was changed"
        if outcome.swapped:
            stands = f"{name} is in its place already: run the task again, which does what has to follow"
        error.remedy = "; ".join(filter(None, (error.remedy, stands)))
        raise


def _refuse_another(server: Server, have: Have, database: str) -> None:
    """What was decided was decided about this very database."""
    now = swap.named(server, database)
    if (now and now.oid) != (have.live and have.live.oid):
        raise Refused(
            f"somebody else has replaced {database} in the meantime", where=server.where, remedy="look, and decide anew"
        )


def _restore(server: Server, store: Store, outcome: Outcome, backup: Manifest, book: Book) -> None:
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
        server.run(dbprops.Restored(backup.id, datetime.now(UTC)).statement(made.name))
        kept = {"backup": backup.id, "comment": live.comment if live else "", "jobs": jobs}
        _swap(server, outcome, Change(request.database, made.name, recorded.comment, REPLACED, kept), book)
        made.kept = True
    swap.mend(server, request.database)


def _revert(server: Server, outcome: Outcome, old: Database, book: Book) -> None:
    live = outcome.have.live
    kept = {"backup": old.kept["backup"], "comment": live.comment if live else "", "jobs": []}
    _swap(server, outcome, Change(outcome.request.database, old.name, old.kept["comment"], REVERTED, kept), book)
    swap.mend(server, outcome.request.database)


def _swap(server: Server, outcome: Outcome, change: Change, book: Book) -> None:
    with outcome.phase("swap"):
        swap.refuse_obstacles(server, change.live)
        book.look()
        now = datetime.now(UTC)
        done = swap.swap(server, change, now)
    outcome.swapped, outcome.replaced, outcome.outage = True, done.replaced, done.outage
    outcome.lost += (now - outcome.have.now).total_seconds()


def _refuse_difference(outcome: Outcome, backup: Manifest) -> None:
    failed = [check for check in outcome.checks if not check.ok]
    if not failed:
        return
    named = "; ".join(f"{one.name}: expected {one.expected}, found {one.found}" for one in failed[:_MOST_NAMED])
    raise ReleaseError(
        f"what backup {backup.id} brought back is not what it was made from: {named}",
        remedy="take another backup",
        record=f"backup {backup.id} is not good: {len(failed)} checks failed; nothing was replaced",
        failed_checks=[{"name": one.name, "expected": one.expected, "found": one.found} for one in failed],
    )


def _seen(have: Have) -> dict[str, Any]:
    return {"database": have.text, "kept": [one.name for one in have.kept]}
