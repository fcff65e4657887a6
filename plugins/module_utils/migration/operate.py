# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One run of pg_migrate: observe, decide, apply; nobody else migrates or backs up the database meanwhile."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ReleaseError
from ..release import machine
from ..release.journal import Book
from . import revision, shape
from .busy import busy
from .decide import Have, Plan, Want, decide
from .history import BASE
from .kinds.base import Kind, Work
from .progress import Progress
from .revision import Revision, Source

if TYPE_CHECKING:
    from ..postgres.server import Server


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``kind`` is what migrates, and ``progress`` what tells how far it is."""

    server: Server
    database: str
    source: Source
    kind: Kind
    want: Want
    progress: Progress | None = None
    check: bool = False

    @property
    def where(self) -> str:
        return f"database {self.database} at {self.server.where}"


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    before: Revision
    after: Revision
    plan: Plan
    changed: bool
    known: bool
    log: str
    seconds: float
    progress: list[dict[str, Any]]

    def report(self) -> dict[str, Any]:
        return {
            "changed": self.changed,
            "before": self.before.report(),
            "after": self.after.report(),
            "pending": list(self.plan.revisions),
            "known": self.known,
            "plan": self.plan.sentences(),
            "progress": self.progress,
            "seconds": round(self.seconds, 2),
        }

    def diff(self) -> dict[str, str]:
        expected = self.after.text if self.after != self.before else ", ".join(self.plan.goal or ()) or self.after.text
        return {"before": f"{self.before.text}\n", "after": f"{expected}\n"}


def title(want: Want) -> str:
    """What the ledger calls it, the name as one word."""
    word = "-".join(want.name.split())
    return machine.unmigrate(word) if want.state == "downgraded" else machine.migrate(word)


def operate(request: Request, book: Book) -> Outcome:
    """Bring the schema to the wanted revision; with state checked, or in check mode, only say what that takes."""
    started, only_look = time.monotonic(), request.check or request.want.state == "checked"
    locked = contextlib.nullcontext() if only_look else request.server.locked(request.database)
    with locked:
        have = _observe(request)
        plan, log, after = decide(have, request.want), "", have.revision
        if plan.acts and not only_look:
            with book.step(title(request.want), have.revision.report(), plan.sentences()) as done:
                log, after = _apply(request, plan, book.check)
                done({**after.report(), "backup": request.want.backup})
    changed = plan.acts and request.want.state != "checked"
    told = request.progress.last if request.progress else []
    return Outcome(have.revision, after, plan, changed, have.history is not None, log, time.monotonic() - started, told)


def _observe(request: Request) -> Have:
    """First whether it runs already: what ends from then on is in the revision, or is waited for."""
    underway = request.kind.underway()
    found = revision.read(request.server, request.database, request.source)
    sessions = [] if underway else busy(request.server, request.database)
    return Have(request.where, found, request.kind.history(), sessions)


def _apply(request: Request, plan: Plan, check: Callable[[], None]) -> tuple[str, Revision]:
    """What was said meanwhile, and the revision reached."""
    expands = request.want.klass == "expand" and request.want.state == "migrated"
    before = shape.read(request.server, request.database) if expands else None

    def look() -> None:
        check()
        if request.progress:
            request.progress.look()

    try:
        log = request.kind.carry_out(Work(plan, before, look))
    except ReleaseError as error:
        raise _with_revision(request, error) from error
    reached = revision.read(request.server, request.database, request.source)
    _check_reached(request, plan, reached, log)
    if before is not None:
        _check_expanded(request, before, reached, log)
    return log, reached


def _with_revision(request: Request, error: ReleaseError) -> ReleaseError:
    """The same failure, with what the database says about it now."""
    with contextlib.suppress(ReleaseError):
        error.details["after"] = now = revision.read(request.server, request.database, request.source).report()
        dirty = ", and dirty" if now["dirty"] else ""
        error.what = f"{error.what.rstrip('.')}. The schema is at {now['revision'] or 'none'} now{dirty}"
    return error


def _check_reached(request: Request, plan: Plan, reached: Revision, log: str) -> None:
    missed = plan.goal is not None and sorted(reached.current) != sorted(plan.goal)
    if not (missed or reached.dirty):
        return
    wanted = ", ".join(plan.goal or ()) or BASE
    what = f"is dirty: {reached.dirty}" if reached.dirty else f"is at {reached.text}, and not at {wanted}"
    raise ReleaseError(
        f"Migration {request.want.name} ended, and the schema {what}",
        where=request.where,
        remedy="read what it said. No version that needs the new schema may get traffic",
        after=reached.report(),
        log=log,
    )


def _check_expanded(request: Request, before: shape.Shape, reached: Revision, log: str) -> None:
    lost = shape.contractions(request.server, request.database, before)
    if lost:
        raise ReleaseError(
            f"Migration {request.want.name} is declared expand, but {'; '.join(lost)}. It is done: the version before"
            " may fail from now on",
            where=request.where,
            remedy="take it back with state=downgraded, or declare it contract and fix forward",
            lost=lost,
            after=reached.report(),
            log=log,
        )
