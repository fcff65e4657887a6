# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""All releases of one system in one environment, from a ledger of their own that is never sealed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..ledger.chain import Entry, root
from ..ledger.verify import verify
from .machine import INDEX_ACCEPTED, INDEX_BEGUN, INDEX_ENDED, INDEX_LIFTED
from .story import Story

if TYPE_CHECKING:
    from ..ledger.store import Store

RELEASED = "released"
ROLLED_BACK = "rolled back"
STOPPED = "stopped"
GIVEN_UP = "given up"
VERDICTS = (RELEASED, ROLLED_BACK, STOPPED, "failed", "restored", "done")
HOLDING = (ROLLED_BACK, "failed")
REMEMBERED = 10
RELEASE, RESTORE, TASKS = "release", "restore", "tasks"
KINDS = (RELEASE, RESTORE, TASKS)


def index_id(lease: str) -> str:
    """The id of the ledger that is the index."""
    return f"{lease}-index"


@dataclass(frozen=True)
class Attempt:
    """One release, one restore of the databases, or one run of tasks, as the index knows it.

    ``verdict`` and ``head`` are empty until it has ended, ``version`` is of a restore and of tasks. ``head`` is that of
    its sealed ledger, ``accepted`` the approvals of what it did, ``takes_back`` the release it takes back by hand, and
    ``alone`` the components of that which go back while its others stay.
    """

    number: int
    release: str
    version: str
    plan: str
    who: str
    began: str
    ended: str = ""
    verdict: str = ""
    seconds: float = 0.0
    head: Mapping[str, Any] = field(default_factory=dict)
    accepted: tuple[Mapping[str, str], ...] = ()
    kind: str = RELEASE
    takes_back: str = ""
    alone: tuple[str, ...] = ()

    @property
    def never_began(self) -> bool:
        """Whether it died before its ledger had an entry."""
        return bool(self.verdict) and self.head.get("number") == 0

    @property
    def title(self) -> str:
        """What it is, as the begin of a sentence."""
        if self.alone:
            return f"Release {self.release}, which takes {' and '.join(self.alone)} of {self.version} back alone"
        if self.kind != RELEASE:
            return f"{self.kind.capitalize()} {self.release}"
        return f"Release {self.release} of {self.version}"

    def report(self) -> dict[str, Any]:
        lists = {"accepted": [dict(one) for one in self.accepted], "alone": list(self.alone)}
        return {**vars(self), "head": dict(self.head), **lists}


@dataclass(frozen=True)
class Hold:
    """Why a version must not be released again by mistake."""

    version: str
    verdict: str
    release: str
    since: str

    def report(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Index:
    """Every release there was; ``fence`` is the newest fencing token any of them wrote with, ``began`` that which
    the newest began with.
    """

    attempts: tuple[Attempt, ...] = ()
    holds: tuple[Hold, ...] = ()
    fence: int = 0
    began: int = 0

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Index:
        index = cls()
        for entry in entries:
            began = entry.fence if entry.what == INDEX_BEGUN else index.began
            told = index.told(entry.what, entry.after or {}, entry.when, entry.who)
            index = replace(told, fence=entry.fence, began=began)
        return index

    def told(self, what: str, after: Mapping[str, Any], when: str, who: str) -> Index:
        """The index with one entry more."""
        if what == INDEX_BEGUN:
            begun = Attempt(
                len(self.attempts) + 1,
                after["release"],
                after["version"],
                after["plan"],
                after.get("who", who),
                when,
                kind=after.get("kind", RELEASE),
                takes_back=after.get("takes_back", ""),
                alone=tuple(after.get("alone") or ()),
            )
            return replace(self, attempts=(*self.attempts, begun))
        if what == INDEX_ENDED:
            return self._ended(after, when)
        if what == INDEX_LIFTED:
            return replace(self, holds=self._holds_but(after["version"]))
        if what == INDEX_ACCEPTED:
            return self._with(after["release"], accepted=tuple(after["approvals"]))
        return self

    def _ended(self, after: Mapping[str, Any], when: str) -> Index:
        release, version, verdict = after["release"], after["version"], after["verdict"]
        seconds, head, holds = float(after["seconds"]), after["head"], self.holds
        if version and verdict in HOLDING:
            holds = (*self._holds_but(version), Hold(version, verdict, release, when))
        elif verdict == RELEASED:
            holds = self._holds_but(version)
        known = self._with(release, ended=when, verdict=verdict, seconds=seconds, head=head)
        return replace(known, holds=holds)

    def _with(self, release: str, **told: Any) -> Index:
        """The index that knows more of one release."""
        return replace(
            self, attempts=tuple(replace(one, **told) if one.release == release else one for one in self.attempts)
        )

    def _holds_but(self, version: str) -> tuple[Hold, ...]:
        return tuple(hold for hold in self.holds if hold.version != version)

    @property
    def unfinished(self) -> Attempt | None:
        """The newest of all, when it has not ended."""
        return self.last if self.last and not self.last.verdict else None

    @property
    def last(self) -> Attempt | None:
        """The newest of all, whatever it is."""
        return self.attempts[-1] if self.attempts else None

    @property
    def newest(self) -> Attempt | None:
        """The newest release."""
        return next((one for one in reversed(self.attempts) if one.kind == RELEASE), None)

    @property
    def to_take_back(self) -> Attempt | None:
        """The newest release, but for one that took a part of that back, or was to take it back and never began."""
        found = [one for one in self.attempts if one.kind == RELEASE and not one.alone]
        return next((one for one in reversed(found) if not (one.takes_back and one.never_began)), None)

    def gone(self, release: str) -> set[str]:
        """The components of a release that were taken back alone."""
        back = [one for one in self.attempts if one.takes_back == release and one.verdict == ROLLED_BACK]
        return {name for one in back for name in one.alone}

    @property
    def standing(self) -> tuple[Attempt, ...]:
        """The newest release that was released, and what came after it but tasks: what people go back from."""
        released = [one.number for one in self.attempts if one.verdict == RELEASED]
        since = self.attempts[released[-1] - 1 if released else 0 :]
        return tuple(one for one in since if one.kind != TASKS)

    def attempt(self, release: str) -> Attempt | None:
        return next((one for one in self.attempts if one.release == release), None)

    def hold(self, version: str) -> Hold | None:
        return next((hold for hold in self.holds if hold.version == version), None)

    @property
    def typical_seconds(self) -> float:
        """What nine of the ten newest good releases took at most; 0 if there was none."""
        took = sorted([one.seconds for one in self.attempts if one.verdict == RELEASED][-REMEMBERED:])
        return took[math.ceil(0.9 * len(took)) - 1] if took else 0.0


def left(attempt: Attempt | None, story: Story) -> bool:
    """Whether these are tasks that somebody began and did not end: nobody goes on with them."""
    return attempt is not None and attempt.kind == TASKS and bool(story.begun) and not story.verdict


def mend(unfinished: Attempt, story: Story) -> dict[str, Any] | None:
    """What the index lacks, because whoever wrote it died: the end of a release that ended, or that never began."""
    if not story.begun:
        return ending(unfinished, STOPPED, 0.0, root(unfinished.release).report())
    if story.verdict and story.last:
        head = story.last.head.report() if story.sealed else {}
        return ending(unfinished, story.verdict, float(story.ended["seconds"]), head)
    return None


def ending(attempt: Attempt, verdict: str, seconds: float, head: Mapping[str, Any]) -> dict[str, Any]:
    """What the index says of the end of a release."""
    return {
        "release": attempt.release,
        "version": attempt.version,
        "verdict": verdict,
        "seconds": seconds,
        "head": dict(head),
    }


def read(store: Store) -> list[Entry]:
    """The entries of a ledger, none if there is none; a ledger that is not what was written is refused."""
    texts = store.texts()
    findings = verify(store.release, texts) if texts else []
    if findings:
        raise Refused(
            "The ledger is not what was written: " + "; ".join(found.sentence for found in findings),
            where=store.where,
            remedy="find out who changed it, and put back what a mirror of it has; nothing is released on its word",
            findings=[{"source": "cluster", **found.report()} for found in findings],
        )
    return [Entry.parse(text) for text in texts]
