# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Begin a release, or go on with one that somebody left unfinished. Every moment to die in has its way on.

The order of writes is: lock; index ``begun``; ledger ``release begins``. An index that has begun a release whose ledger
is empty says that nothing was started. At the end it is: ledger ``release ends``; ``sealed``; index ``ended``; lock. A
ledger that has an end which the index does not know is a release that ended. The next run writes what is missing.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from ..errors import Refused, ReleaseError
from ..kube.transport import RUN_PATIENCE
from ..ledger.store import Store
from ..lock import decide as locking
from ..lock.holder import lease_name
from ..lock.keep import Outcome, keep, observe
from . import machine
from .ending import End, free
from .index import GIVEN_UP, RELEASE, TASKS, Attempt, Index, ending, left, mend, read
from .naming import release_id
from .pin import pin, require_signature
from .recorded import recorded
from .register import Register, index_of
from .resume import GO_BACK, JUDGE, NOTHING, START, Decision, Judged, Want, decide, gives_up, once_judged
from .run import Run
from .story import Story

if TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..lock.record import Record

Report = dict[str, Any]
BEGINS_NOTHING = (NOTHING, JUDGE)


@dataclass(frozen=True)
class Begin:
    """Who begins what; ``recorded`` is what the ledger keeps of it beside version and plan.

    ``judged`` is what is taken back by hand, if somebody judged that it may go back.
    """

    namespace: str
    lease: str
    who: str
    want: Want
    plan: str = ""
    recorded: Mapping[str, Any] = field(default_factory=dict)
    ttl: int = 60
    takeover: bool = False
    reason: str = ""
    mirror: str = ""
    signing_key: str = ""
    judged: Judged | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any], who: str) -> Begin:
        """The options of release_run."""
        lift, version = params["lift"] or "", params["version"] or ""
        return cls(
            namespace=params["namespace"],
            lease=lease_name(params["system"], params["environment"]),
            who=who,
            want=Want(
                version,
                params["resume"],
                params["inputs"],
                params["changes"],
                lift,
                params["kind"],
                params["resumed"],
                tuple(params["alone"]),
            ),
            plan=params["plan"],
            recorded=recorded(params),
            ttl=params["ttl"],
            takeover=params["takeover"],
            reason=params["reason"] or "",
            mirror=params["mirror"] or "",
            signing_key=params["signing_key"] or "",
            judged=Judged(**params["judged"]) if params["judged"] else None,
        )

    def lock(self, state: str, token: int | None = None) -> locking.Want:
        return locking.Want(
            f"{self.namespace}/{self.lease}",
            state,
            self.who,
            str(uuid.uuid4()),
            self.ttl,
            token,
            self.takeover and token is None,
            self.reason,
        )

    def run(self, release: str, token: int) -> Run:
        mirror = os.path.join(self.mirror, release) if self.mirror else ""
        return Run(release, self.namespace, self.lease, token, self.who, self.ttl, mirror, self.signing_key)


@dataclass(frozen=True)
class Seen:
    """What a run finds: all releases, and the ledger of the unfinished one; ``note`` says what had to be mended."""

    index: Index
    story: Story
    note: str = ""


def begin(client: KubeClient, asked: Begin) -> Report:
    """Take the lock, see what there is, decide and record; without the lock when there is nothing to do at all."""
    if client.dry_run:
        return foresee(client, asked)
    if not asked.want.changes:
        index = Index.of(index_of(client, asked.namespace, asked.lease).entries())
        if index.unfinished is None:
            freed = free(client, asked.namespace, asked.lease, index)
            return _report(asked, decide(index, Story(), asked.want), changed=freed)
    outcome = _locked(client, asked)
    held = cast("Record", outcome.after)
    try:
        return _begun(client.beside(patience=RUN_PATIENCE), asked, outcome, held)
    except BaseException:
        with contextlib.suppress(ReleaseError):
            keep(client, asked.lock("released", held.token))
        raise


def foresee(client: KubeClient, asked: Begin) -> Report:
    """What ``begin`` would decide; a living holder of the lock is named, and nothing is written."""
    seen = _seen(client, asked, Index.of(index_of(client, asked.namespace, asked.lease).entries()))
    attempt = seen.index.unfinished
    lacking = mend(attempt, seen.story) if attempt else None
    if attempt and left(attempt, seen.story):
        lacking = ending(attempt, GIVEN_UP, 0.0, {})
    if lacking:
        seen = _mended(seen, lacking, "")
    decision = _decided(seen, asked)
    asked, warnings = _remembering(client, asked, seen, decision)
    decision = _once_judged(decision, asked, seen)
    begins = decision.kind not in BEGINS_NOTHING
    have, now = observe(client, f"{asked.namespace}/{asked.lease}")
    if have and have.holder and not have.expired(now) and begins:
        owner = f"{have.holder} holds the lock, for another {have.remaining(now)} s without a renewal"
        decision = replace(decision, sentence=f"{decision.sentence}; but {owner}")
    return {
        **_report(asked, decision, seen.story, changed=begins, warnings=warnings),
        "version": _about(asked, seen.index),
    }


def _locked(client: KubeClient, asked: Begin) -> Outcome:
    """The lock in the hands of this run; nobody waits for a holder whose release has ended."""
    try:
        return keep(client, asked.lock("held"))
    except Refused as refused:
        index = Index.of(index_of(client, asked.namespace, asked.lease).entries())
        if not free(client, asked.namespace, asked.lease, index):
            if index.unfinished:
                refused.what += f", for {index.unfinished.title}"
            raise
    return keep(client, asked.lock("held"))


def _begun(client: KubeClient, asked: Begin, outcome: Outcome, held: Record) -> Report:
    index = index_of(client, asked.namespace, asked.lease, asked.who, held.token, asked.mirror)
    found = _seen(client, asked, Index.of(index.entries()))
    seen = _settled(client, asked, index, found, held)
    decision = _decided(seen, asked)
    if gives_up(seen.index.unfinished, asked.want):
        seen = _given_up(client, asked, index, seen, held)
    asked, warnings = _remembering(client, asked, seen, decision)
    decision = _once_judged(decision, asked, seen)
    if decision.kind in BEGINS_NOTHING:
        keep(client, asked.lock("released", held.token))
        report = _report(asked, decision, changed=seen is not found, warnings=warnings + index.warnings)
        return {**report, "version": _about(asked, seen.index)} if decision.kind == JUDGE else report
    attempt = seen.index.unfinished
    run = asked.run(attempt.release if attempt else _new_id(asked, seen.index, held), held.token)
    own = _own(client, run)
    began = attempt.began if attempt else _start(asked, seen.index, index, run, own)
    _note_whose(outcome, decision, seen.story, own)
    report = _report(asked, decision, seen.story, changed=True, warnings=warnings + index.warnings + own.warnings)
    return {
        **report,
        "version": _about(asked, seen.index),
        "began": datetime.fromisoformat(began).timestamp(),
        "run": run.report(),
        "taken_over": dict(outcome.plan.taken_over or {}),
    }


def _new_id(asked: Begin, index: Index, held: Record) -> str:
    taken = {attempt.release for attempt in index.attempts}
    about = _version(asked, index) if asked.want.kind == RELEASE else asked.want.kind
    return release_id(asked.lease, about, held.since, taken)


def _version(asked: Begin, index: Index) -> str:
    """What a release is about: the version that is asked for, else the one that is taken back; nothing else has one."""
    if asked.want.kind != RELEASE:
        return ""
    return asked.want.version or (index.to_take_back.version if index.to_take_back else "")


def _about(asked: Begin, index: Index) -> str:
    """The version of the release that begins or goes on."""
    return index.unfinished.version if index.unfinished else _version(asked, index)


def _seen(client: KubeClient, asked: Begin, index: Index) -> Seen:
    attempt = index.unfinished
    entries = read(Store(client, asked.namespace, attempt.release)) if attempt else []
    return Seen(index, Story.of(entries))


def _settled(client: KubeClient, asked: Begin, index: Register, found: Seen, held: Record) -> Seen:
    """What was found, after the end of a release is written that ended or never began, and of tasks that were left.

    The same if there is none of them.
    """
    attempt, story = found.index.unfinished, found.story
    if attempt is None:
        return found
    if left(attempt, story):
        return _given_up(client, asked, index, found, held)
    run = asked.run(attempt.release, held.token)
    if story.verdict and not story.sealed:
        story = story.after(_own(client, run).seal())
    lacking = mend(attempt, story)
    if lacking is None:
        return found
    if story.last:
        pin(run, story.last.head, index.warnings.append)
    return _mended(found, lacking, index.add(machine.INDEX_ENDED, lacking).when)


def _given_up(client: KubeClient, asked: Begin, index: Register, seen: Seen, held: Record) -> Seen:
    """The unfinished release has ended where it stands, and holds its version; tasks hold none."""
    attempt = cast(Attempt, seen.index.unfinished)
    run = asked.run(attempt.release, held.token)
    own = _own(client, run)
    how = End(GIVEN_UP if attempt.kind == TASKS else "failed", f"given up for {asked.want.title}")
    story = seen.story.after(own.add(machine.RELEASE_ENDS, how.report()))
    sealed = own.seal()
    pin(run, sealed.head, index.warnings.append)
    story = story.after(sealed)
    lacking = cast(Report, mend(attempt, story))
    return _mended(seen, lacking, index.add(machine.INDEX_ENDED, lacking).when)


def _mended(found: Seen, lacking: Report, when: str) -> Seen:
    """What was found, now that the index knows how its newest release ended."""
    index = found.index.told(machine.INDEX_ENDED, lacking, when, "")
    attempt = cast(Attempt, found.index.unfinished)
    if lacking["verdict"] == GIVEN_UP:
        note = f"; {attempt.title}, begun by {attempt.who}, is given up {found.story.stands}"
        return Seen(index, Story(), note)
    never = not found.story.begun
    ended = "died before it started anything" if never else f"had ended: {lacking['verdict']}"
    return Seen(index, Story(), f"; release {lacking['release']} {ended}")


def _decided(seen: Seen, asked: Begin) -> Decision:
    decision = decide(seen.index, seen.story, asked.want)
    return replace(decision, sentence=decision.sentence + seen.note)


def _remembering(client: KubeClient, asked: Begin, seen: Seen, decision: Decision) -> tuple[Begin, list[str]]:
    """What is asked, with what the release that goes on or is taken back migrated and rolled; and what to warn of.

    A ledger that does not say which they were leaves those that are asked, and the warning says so.
    """
    attempt = seen.index.unfinished or (seen.index.to_take_back if decision.kind == GO_BACK else None)
    if attempt is None or decision.kind in (START, NOTHING) or asked.want.kind != RELEASE:
        return asked, []
    story = seen.story if seen.index.unfinished else Story.of(read(Store(client, asked.namespace, attempt.release)))
    if story.rolled:
        asked = replace(asked, recorded={**asked.recorded, "rolled": list(story.rolled)})
    if "migrations" in story.begun:
        return replace(asked, recorded={**asked.recorded, "migrations": story.begun["migrations"]}), []
    said = f"The ledger of release {attempt.release} does not say which migrations it had"
    return asked, [f"{said}, so those of the inventory count as its own."]


def _once_judged(decision: Decision, asked: Begin, seen: Seen) -> Decision:
    found = Judged(_about(asked, seen.index), list(asked.recorded.get("migrations", ())))
    return once_judged(decision, asked.want, found, asked.judged)


def _own(client: KubeClient, run: Run) -> Register:
    return Register(Store(client, run.namespace, run.release), run.who, run.token, run.mirror)


def _start(asked: Begin, known: Index, index: Register, run: Run, own: Register) -> str:
    """When it began, as the index has it."""
    version, by_hand = _version(asked, known), not asked.want.version and asked.want.kind == RELEASE
    taken = known.to_take_back if by_hand else None
    if asked.want.version or asked.want.kind != RELEASE:
        require_signature(run)
    if asked.want.version and known.hold(version):
        index.add(machine.INDEX_LIFTED, {"version": version, "reason": asked.want.lift, "who": run.who})
    begun = {"release": run.release, "version": version, "plan": asked.plan, "kind": asked.want.kind}
    alone = {"alone": list(asked.want.alone)} if asked.want.alone else {}
    takes_back = taken.release if taken else ""
    began = index.add(machine.INDEX_BEGUN, {**begun, **alone, "takes_back": takes_back, "who": run.who}).when
    own.add(
        machine.RELEASE_BEGINS,
        {**asked.recorded, **alone, "version": version, "plan": asked.plan, "inputs": dict(asked.want.inputs)},
    )
    return began


def _note_whose(outcome: Outcome, decision: Decision, story: Story, own: Register) -> None:
    """Record from whom the release is taken over, and from whom it is resumed."""
    after = {"decision": decision.kind, "at": story.open}
    if taken := outcome.plan.taken_over:
        before = {"holder": taken["from"], "token": taken["token"]}
        own.add(machine.TAKEN_OVER, {**after, "why": taken["why"]}, before)
    if story.last:
        own.add(machine.RESUMED, after, {"holder": story.last.who, "token": story.last.fence})


def _report(
    asked: Begin,
    decision: Decision,
    story: Story | None = None,
    *,
    changed: bool = False,
    warnings: Sequence[str] = (),
) -> Report:
    """The result of the module; ``first``, ``plan``, ``inputs`` and who started are of when the release began."""
    story = story or Story()
    begun = {**asked.recorded, "plan": asked.plan, "inputs": asked.want.inputs, **story.begun}
    return {
        "changed": changed,
        "decision": decision.kind,
        "sentence": decision.sentence + ".",
        "run": {},
        "version": asked.want.version,
        "began": 0.0,
        "first": bool(begun.get("first")),
        "plan": str(begun["plan"]),
        "inputs": dict(begun["inputs"]),
        "migrations": list(begun.get("migrations", ())),
        "starter": str(begun.get("starter", "")),
        "approvals": list(begun.get("approvals", ())),
        "rolled": list(asked.recorded.get("rolled", ())),
        "alone": list(story.begun.get("alone", () if story.begun else asked.want.alone)),
        "proof": dict(begun.get("proof", {})),
        "weight": story.highest,
        "at": story.open,
        "taken_over": {},
        "warnings": list(warnings),
    }
