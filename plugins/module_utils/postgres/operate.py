# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of pg_backup: observe, decide, apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import Refused, ReleaseError
from ..release.journal import Book
from . import age, facts, swap
from .decide import PRESENT, PRUNED, VERIFIED, Have, Plan, Request, decide
from .manifest import Manifest, Proof, reaches
from .retention import Keep
from .server import DumpOptions, Server
from .store.base import DELETED, Store, valid_id

if TYPE_CHECKING:
    from .crypt import Encryptor

MOST_NAMED = 20


@dataclass
class Outcome:
    """What a run did, or in check mode would do."""

    request: Request
    plan: Plan
    have: Have
    backup: Manifest | None = None
    changed: bool = False
    swept: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """The result of the module."""
        return {
            "changed": self.changed,
            "plan": self.plan.sentences(self.request),
            "id": self.backup.id if self.backup else self.request.id,
            "backup": age.report(self.backup, self._now(self.backup)) if self.backup else None,
            "taken": self.plan.take,
            "swept": self.swept,
            "deleted": self.deleted,
            "retained": self.retained,
            "kept": [{"id": one.id, "why": one.why} for one in self.plan.retention if isinstance(one, Keep)],
        }

    def _now(self, backup: Manifest) -> datetime:
        """The newest moment this run knows of; what was there was read before the backup was made."""
        return max([self.have.now, backup.finished_at, *([backup.proof.at] if backup.proof else [])])

    def diff(self) -> dict[str, Any]:
        """Backups of the database before and after, a line each."""
        before = [_line(one) for one in self.have.own]
        gone = {one.id for one in self.plan.drops} - set(self.retained)
        after = [_line(one) for one in self.have.own if one.id not in gone and not self._replaces(one)]
        if self.plan.take or self.plan.prove or self.plan.pin:
            after.append(_line(self.backup) if self.backup and not self.request.check else self._expected())
        return {"before": "".join(sorted(before)), "after": "".join(sorted(after))}

    def _replaces(self, one: Manifest) -> bool:
        return bool(self.plan.changes and self.plan.backup and one.id == self.plan.backup.id)

    def _expected(self) -> str:
        id = self.plan.backup.id if self.plan.backup else self.request.id
        level = self.plan.prove or (self.plan.backup.level if self.plan.backup else "none")
        pin = self.plan.pin or (self.plan.backup.pinned if self.plan.backup else "")
        return _text(id, level, pin)


def operate(
    store: Store, server: Server | None, request: Request, book: Book | None = None, scratch: Server | None = None
) -> Outcome:
    """Bring the backups of one database to the wanted state, as one step of the release's book.

    The book names the backup to return to also when it was there already.
    ``scratch`` is the server that a proof restores into, if that is another one.
    """
    book = book or Book()
    have = observe(store, server, request)
    plan = decide(have, request)
    outcome = Outcome(request, plan, have, plan.backup)
    if request.check:
        outcome.changed = plan.changes
        if plan.take:
            _ready(_needed(server), request)
        return outcome
    if not plan.changes and request.state != PRESENT:
        return outcome
    with book.step(title(request), seen(have), plan.sentences(request)) as done:
        if plan.changes:
            _apply(store, server, outcome, book, scratch)
        done(_record(outcome))
    return outcome


def observe(store: Store, server: Server | None, request: Request) -> Have:
    identity = server.identity() if server else None
    named = store.find(valid_id(request.id)) if request.id else None
    backups = tuple(one for one in store.backups() if one.database == request.database)
    swapped = swap.swapped(server, request.database) if server and request.younger_than is not None else None
    return Have(datetime.now(UTC), identity, named, backups, swapped)


def title(request: Request) -> str:
    """What the ledger calls it."""
    verbs = {PRESENT: "back up", VERIFIED: "verify a backup of", PRUNED: "prune the backups of"}
    return f"{verbs[request.state]} {request.database}"


def seen(have: Have) -> dict[str, Any]:
    """What the ledger keeps of what there was."""
    found = age.newest(have.own)
    return {"backups": len(have.own), "newest": found.id if found else "", "level": found.level if found else "none"}


def _apply(store: Store, server: Server | None, outcome: Outcome, book: Book, scratch: Server | None) -> None:
    request, plan = outcome.request, outcome.plan
    outcome.swept = store.sweep()
    if plan.take:
        outcome.backup = _take(store, _needed(server), request)
        outcome.changed = True
    if plan.pin and outcome.backup:
        _amend(store, outcome, lambda now: replace(now, pinned=plan.pin))
    if plan.prove and outcome.backup:
        book.check()
        _prove(store, scratch or _needed(server), outcome)
    for drop in plan.drops:
        book.check()
        (outcome.deleted if store.delete(drop.id) == DELETED else outcome.retained).append(drop.id)
    outcome.changed = outcome.changed or bool(outcome.deleted)


def _take(store: Store, server: Server, request: Request) -> Manifest:
    from . import take

    with server.locked(request.database):
        if store.find(request.id):
            raise Refused(
                f"another run has just made backup {request.id}", where=store.where, remedy="run again to use it"
            )
        known = facts.observe(server, request.database)
        if known.refusals:
            raise _unreadable(known.refusals, request.database, server.where)
        options = DumpOptions(
            request.database,
            server.compression(request.compression),
            request.jobs,
            request.stall,
            request.lock_timeout,
        )
        wish = take.Wish(request.id, request.release, request.format, options, request.pin)
        return take.take(server, store, wish, known, _encryptor(request))


def _ready(server: Server, request: Request) -> None:
    """What would stand in the way, for check mode."""
    known = facts.observe(server, request.database)
    if known.refusals:
        raise _unreadable(known.refusals, request.database, server.where)
    server.program("pg_dump")
    server.compression(request.compression)
    _encryptor(request)


def _encryptor(request: Request) -> Encryptor | None:
    if not request.recipients:
        return None
    from .crypt import Encryptor

    encryptor = Encryptor(request.recipients)
    encryptor.prove()
    return encryptor


def _prove(store: Store, server: Server, outcome: Outcome) -> None:
    from .proof import prove

    request, before = outcome.request, _backup(outcome)
    found = prove(server, store, before, outcome.plan.prove, identity=request.identity_file, jobs=request.jobs)
    _amend(store, outcome, lambda now: replace(now, proof=found) if _replaces(found, now.proof) else now)
    recorded = _backup(outcome).proof
    if recorded and not recorded.holds:
        raise _disproven(before, recorded, store.where, taken=outcome.plan.take)


def _replaces(found: Proof, recorded: Proof | None) -> bool:
    """One that failed always counts; one that holds neither hides a younger failure, nor a proof to a higher level."""
    if recorded is None or not found.holds:
        return True
    return reaches(found.level, recorded.level) if recorded.holds else found.at > recorded.at


def _amend(store: Store, outcome: Outcome, change: Callable[[Manifest], Manifest]) -> None:
    """Change what the manifest says now: hours after it was read, another run may have amended the rest."""
    known = store.the(_backup(outcome).id)
    outcome.backup = change(known)
    if outcome.backup != known:
        store.amend(known.id, outcome.backup)
        outcome.changed = True


def _unreadable(refusals: Sequence[str], database: str, where: str) -> Refused:
    return Refused(
        f"{database} cannot be backed up whole: {'; '.join(refusals[:MOST_NAMED])}",
        where=where,
        remedy="run the statements as an administrator, then again; nothing was written",
        refusals=list(refusals),
    )


def _disproven(manifest: Manifest, proof: Proof, where: str, *, taken: bool) -> ReleaseError:
    failed = [check for check in proof.checks if not check.ok]
    named = "; ".join(f"{one.name}: expected {one.expected}, found {one.found}" for one in failed[:MOST_NAMED])
    origin = "the backup that was just made" if taken else "the backup"
    return ReleaseError(
        f"backup {manifest.id} is not good, level {proof.level} fails: {named}",
        where=where,
        remedy=f"do not go back to it; {origin} is kept with this finding, the database itself was not touched",
        record=f"backup {manifest.id} is not good, {len(failed)} checks of level {proof.level} failed",
        failed_checks=[{"name": one.name, "expected": one.expected, "found": one.found} for one in failed],
    )


def _backup(outcome: Outcome) -> Manifest:
    if outcome.backup is None:
        raise AssertionError("nothing to prove")
    return outcome.backup


def _needed(server: Server | None) -> Server:
    if server is None:
        raise Refused("there is no server to work with", remedy="give the option server")
    return server


def _record(outcome: Outcome) -> dict[str, Any]:
    """What the ledger keeps of what was done."""
    record: dict[str, Any] = {"plan": outcome.plan.sentences(outcome.request)}
    if outcome.backup:
        record |= {"backup": outcome.backup.id, "level": outcome.backup.level, "bytes": outcome.backup.size}
    if outcome.plan.drops:
        record |= {"deleted": outcome.deleted, "retained": outcome.retained}
    return record


def _line(manifest: Manifest) -> str:
    return _text(manifest.id, manifest.level if age.sound(manifest) else "none, its proof failed", manifest.pinned)


def _text(id: str, level: str, pinned: str) -> str:
    return f"{id}: level {level}" + (f", pinned: {pinned}" if pinned else "") + "\n"
