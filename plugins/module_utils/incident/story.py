# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What the ledger of an incident tells about it: where it stands, what is known, what is still in force. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..ledger.chain import SEAL, Entry

OPENED = "incident opened"
ASSESSED = "assessed"
ACKNOWLEDGED = "acknowledged"
SYMPTOMS = "symptoms judged"
EVIDENCE = "evidence kept"
REMEDY = "remedy"
UPDATE = "update"
TOLD = "told"
MITIGATED = "mitigated"
RESOLVED = "resolved"
REVIEWED = "reviewed"

STATES = ("opened", "acknowledged", "mitigated", "resolved", "reviewed")
REACHED = {OPENED: 0, ACKNOWLEDGED: 1, MITIGATED: 2, RESOLVED: 3, REVIEWED: 4}
BEGINS, DONE, FAILED, BACK = "begins", "done", "failed", "taken back"
MOMENTS = (BEGINS, DONE, FAILED, BACK)
PASSED = "pass"

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Moment:
    """When a state was reached, and by whom."""

    when: str
    who: str

    def report(self) -> dict[str, str]:
        return dict(vars(self))


@dataclass(frozen=True)
class Story:
    """An incident so far. ``facts`` are what people and alerts said of it, each as it was said last.

    ``reached`` maps a state to its moment, ``verdicts`` a symptom to what was judged last (``pass`` is gone), and
    ``standing`` a containment, or a temporary remedy, that is still in force to when it ends by itself (or nothing).
    """

    facts: Facts = field(default_factory=dict)
    reached: Mapping[str, Moment] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)
    judged: str = ""
    evidence: tuple[Facts, ...] = ()
    preserved: bool = False
    remedies: tuple[str, ...] = ()
    standing: Mapping[str, str] = field(default_factory=dict)
    containing: tuple[str, ...] = ()
    update: str = ""
    spoke: str = ""
    told: tuple[str, ...] = ()
    sealed: bool = False

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Story:
        story = cls()
        for entry in entries:
            story = story.after(entry.what, entry.after or {}, entry.when, entry.who)
        return story

    def after(self, what: str, after: Facts, when: str, who: str) -> Story:
        """The story with one entry more."""
        if what == SEAL:
            return replace(self, sealed=True)
        if what in REACHED:
            return self._reached(STATES[REACHED[what]], after, Moment(when, who))
        if what == ASSESSED:
            return replace(self, facts={**self.facts, **after})
        if what == SYMPTOMS:
            verdicts = {one["name"]: one["verdict"] for one in after["criteria"]}
            return replace(self, verdicts=verdicts, judged=when)
        if what == EVIDENCE:
            kept = (*self.evidence, {**after, "when": when})
            return replace(self, evidence=kept, preserved=self.preserved or bool(after["whole"]))
        if what.startswith(REMEDY):
            return self._remedied(after)
        if what == UPDATE:
            return replace(self, update=after["text"], spoke=when)
        if what == TOLD:
            return replace(self, told=tuple(dict.fromkeys((*self.told, *after["told"]))))
        return self

    def _reached(self, state: str, after: Facts, moment: Moment) -> Story:
        first = self.reached.get(state, moment)
        spoke = moment.when if state in ("opened", "resolved") else self.spoke
        return replace(self, facts={**self.facts, **after}, reached={**self.reached, state: first}, spoke=spoke)

    def _remedied(self, after: Facts) -> Story:
        task, standing, containing = after["task"], dict(self.standing), self.containing
        if after["moment"] == BEGINS and (after.get("contains") or after.get("back") or after.get("until")):
            standing[task] = after.get("until") or ""
        if after["moment"] == BEGINS and after.get("contains"):
            containing = (*containing, task)
        if after["moment"] in (BACK, FAILED):
            standing.pop(task, None)
            containing = tuple(one for one in containing if one != task)
        done = self.remedies if after["moment"] != DONE else (*self.remedies, task)
        return replace(self, standing=standing, containing=containing, remedies=done)

    @property
    def state(self) -> str:
        """Empty before it was opened."""
        return max(self.reached, key=STATES.index, default="")

    @property
    def open(self) -> bool:
        return self.state in ("opened", "acknowledged", "mitigated")

    @property
    def holding(self) -> list[str]:
        """The symptoms that are there, or of which nobody knows that they are gone."""
        return [name for name, verdict in self.verdicts.items() if verdict != PASSED]

    @property
    def status(self) -> str:
        """One of the four words that people outside are told."""
        if self.state in ("resolved", "reviewed"):
            return "Resolved"
        if self.state == "mitigated":
            return "Monitoring"
        return "Identified" if self.facts.get("cause") else "Investigating"

    def when(self, state: str) -> str:
        return self.reached[state].when if state in self.reached else ""
