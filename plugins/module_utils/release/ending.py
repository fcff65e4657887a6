# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""End a release: its ledger, then the index, then the lock; and lift the hold of a version."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from ..errors import Refused
from ..ledger.chain import Entry, now, root
from ..ledger.store import Store
from ..lock.decide import Want
from ..lock.keep import keep, observe
from . import machine
from .index import ROLLED_BACK, VERDICTS, Attempt, Index, ending
from .pin import pin
from .register import Register, index_of
from .resume import GO_BACK
from .run import Run
from .story import Story

if TYPE_CHECKING:
    from ..kube.client import KubeClient

END_OPTIONS: dict[str, dict[str, Any]] = {
    "verdict": {"type": "str", "choices": list(VERDICTS)},
    "seconds": {"type": "float"},
    **{name: {"type": "int", "default": 0} for name in ("requests", "lost", "wrong_version")},
    "images": {"type": "dict", "default": {}},
}
Report = dict[str, Any]


@dataclass(frozen=True)
class End:
    """How a release ended, as its ledger keeps it; ``images`` are those of each component that it left live.

    ``seconds`` of None are those since the run began that ends it, by the ledger.
    """

    verdict: str
    reason: str = ""
    seconds: float | None = 0.0
    requests: int = 0
    lost: int = 0
    wrong_version: int = 0
    images: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> End:
        """The options of release_run."""
        counts = {name: params[name] for name in ("seconds", "requests", "lost", "wrong_version", "images")}
        return cls(params["verdict"], params["reason"] or "", **counts)

    def report(self) -> dict[str, Any]:
        return dict(vars(self))


def end(client: KubeClient, run: Run, how: End) -> Report:
    """Write what is still missing of the end, and let go of the lock. The first verdict that was recorded stays.

    The head of the sealed ledger is signed before the index knows the end, so that a run that dies here leaves no
    head unsigned: the next one does what the index does not know of.
    """
    index = index_of(client, run.namespace, run.lease, run.who, run.token, os.path.dirname(run.mirror))
    attempt = Index.of(index.entries()).attempt(run.release)
    if attempt is None:
        raise Refused(
            f"Release {run.release} is not in the index, so it cannot end",
            where=index.store.where,
            remedy="give the run that release_run returned when the release began",
        )
    if client.dry_run:
        return _report(attempt, attempt.verdict or how.verdict, not attempt.verdict)
    own = Register(Store(client, run.namespace, run.release), run.who, run.token, run.mirror)
    if attempt.verdict:
        story = Story.of(own.entries())
        return {**_report(attempt, attempt.verdict, _let_go(client, run), story), **_pinned(run, own, story)}
    _lock(client, run, "renewed")
    story = _closed(own, how)
    pinned = _pinned(run, own, story)
    index.add(machine.INDEX_ENDED, _ended(attempt, story))
    own.warnings += index.warnings
    _let_go(client, run)
    return {**_report(attempt, story.verdict, True, story), **pinned}


def _pinned(run: Run, own: Register, story: Story) -> Report:
    """The head of the ledger, and what there is to warn of."""
    head = story.last.head if story.last else root(run.release)
    return {"head": pin(run, head, own.warnings.append), "warnings": own.warnings}


def _closed(own: Register, how: End) -> Story:
    """The story with its end; an earlier attempt to end it may have come as far as here."""
    story = Story.of(Entry.parse(text) for text in own.store.texts())
    if not story.verdict:
        took = _between(story.since, now()) if how.seconds is None else how.seconds
        story = story.after(own.add(machine.RELEASE_ENDS, replace(how, seconds=took).report()))
    return story if story.sealed else story.after(own.seal())


def _ended(attempt: Attempt, story: Story) -> dict[str, Any]:
    last = cast(Entry, story.last)
    return ending(attempt, story.verdict, float(story.ended["seconds"]), last.head.report())


def _let_go(client: KubeClient, run: Run) -> bool:
    """Release the lock, if it is still ours; whether it was."""
    with contextlib.suppress(Refused):
        return _lock(client, run, "released")
    return False


def _lock(client: KubeClient, run: Run, state: str) -> bool:
    want = Want(f"{run.namespace}/{run.lease}", state, run.who, str(uuid.uuid4()), run.ttl, run.token)
    return keep(client, want).plan.changes


def free(client: KubeClient, namespace: str, lease: str, index: Index) -> bool:
    """Let go of the lock for a run that died after its release had ended: it had nothing else left to do."""
    have, _now = observe(client, f"{namespace}/{lease}")
    if have is None or index.last is None or index.unfinished or have.token != index.began:
        return False
    return _let_go(client, Run(index.last.release, namespace, lease, have.token, have.holder, have.ttl))


def lift(client: KubeClient, namespace: str, lease: str, version: str, reason: str, who: str) -> Report:
    """Let a version be released again that failed before; nothing if it is not on hold."""
    known = Index.of(index_of(client, namespace, lease).entries())
    hold = known.hold(version)
    if hold and not client.dry_run:
        after = {"version": version, "reason": reason, "who": who}
        index_of(client, namespace, lease, who, known.fence).add(machine.INDEX_LIFTED, after)
    sentence = f"{version} is not on hold."
    if hold:
        sentence = f"{version} may be released again; release {hold.release} ended {hold.verdict} at {hold.since}."
    return {"changed": hold is not None, "sentence": sentence, "hold": hold.report() if hold else {}}


def _part(attempt: Attempt) -> str:
    return f", {' and '.join(attempt.alone)} alone," if attempt.alone else ""


def _took(attempt: Attempt, story: Story) -> str:
    """How long a run took that was there to go back, and after what time the traffic was; any other says nothing."""
    if story.verdict != ROLLED_BACK or not (attempt.takes_back or story.resumed == GO_BACK):
        return ""
    traffic = f", traffic after {_between(story.since, story.returned):.1f} s" if story.returned else ""
    return f" in {float(story.ended['seconds']):.1f} s{traffic}"


def _between(since: str, until: str) -> float:
    """Seconds; 0 if nobody knows since when."""
    took = datetime.fromisoformat(until) - datetime.fromisoformat(since) if since else timedelta()
    return round(took.total_seconds(), 2)


def _report(attempt: Attempt, verdict: str, changed: bool, story: Story | None = None) -> Report:
    ended = f"{verdict}{_part(attempt)}{_took(attempt, story or Story())}".rstrip(",")
    return {
        "changed": changed,
        "release": attempt.release,
        "verdict": verdict,
        "sentence": f"{attempt.kind.capitalize()} {attempt.release} ended: {ended}.",
    }
