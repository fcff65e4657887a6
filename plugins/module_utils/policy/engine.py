# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from a series of looks by a rollback policy. Pure.

It cannot flap. What is worse follows at once, what is better only after `CALM` seconds in which a rule did not hold.
A rule that has to last counts the seconds in which it held, and what a look saw counts until the next one: it acts when
it held for its time within twice that time, so a value that dips for a moment does not begin anew. A rollback of
everything is final. A look that could not measure what a rule is about changes nothing about that rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ..errors import ReleaseError
from ..tor.moments import shown
from ..tor.verdict import PASS, short
from .rules import ALL, ANY, HOLD, NOTHING, ROLLBACK, WATCH, Rule
from .watched import Captured, Given, Looker

CALM = 60.0
MOST_NUMBERS = 10
UNSAID = Rule(ANY, WATCH)
_ORDER = (ROLLBACK, HOLD, WATCH)


@dataclass(frozen=True)
class Decision:
    """``components`` are those that alone go back, all if there are none; ``rules`` and ``numbers`` it was made of.

    ``since`` is when the first of its rules began to hold, ``due`` when it acts if it goes on to, both in seconds
    since the epoch. Going on to look decides a hold that is ``pending``. The next look begins with ``standing``.
    """

    action: str
    sentence: str
    components: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    numbers: tuple[Given, ...] = ()
    since: float | None = None
    due: float | None = None
    pending: bool = False
    standing: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it another decision; a number that moves within its band does not."""
        return self.action, self.components, self.rules

    @property
    def keeps(self) -> bool:
        """Whether nothing goes forward meanwhile."""
        return self.action in (HOLD, ROLLBACK)

    def whole(self) -> Decision:
        """At a gate, where a release has not ended yet: it goes back with all its components."""
        if not self.components:
            return self
        sentence = f"{self.sentence}; a release that has not ended goes back with all its components"
        return replace(self, sentence=sentence, components=())

    def told(self) -> dict[str, Any]:
        """For a ledger and for people."""
        return {
            "action": self.action,
            "sentence": self.sentence,
            "components": list(self.components),
            "rules": list(self.rules),
            "numbers": [dict(one) for one in self.numbers],
            "since": _shown(self.since),
            "due": _shown(self.due),
        }

    def report(self) -> dict[str, Any]:
        """For whoever looks next."""
        return {**self.told(), "standing": dict(self.standing)}


@dataclass(slots=True)
class Stretch:
    """How long a rule stands: the seconds in which it held since then, and at how many looks in a row."""

    since: float
    held: float
    times: int
    last: float


@dataclass
class Engine:
    """`standing` is what earlier looks left, as `left` returned it; rules are known by their texts."""

    rules: Sequence[Rule]
    captured: Captured = lambda name: None
    standing: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rules = (*self.rules, UNSAID)
        self._looker = Looker(self._rules, self.captured)
        self._at, kept = _left(self.standing)
        self._stretches = {place: kept[rule.text] for place, rule in enumerate(self._rules) if rule.text in kept}
        self._whole = frozenset(
            place for place, rule in enumerate(self._rules) if rule.action == ROLLBACK and not rule.component
        )
        self._final: Decision | None = None
        self._findings: Sequence[Given] = ()

    def see(self, at: float, findings: Sequence[Given]) -> None:
        """One look, at so many seconds since the epoch; a clock that is behind another one stands still meanwhile."""
        if self._final:
            return
        at = max(at, self._at or at)
        seen = self._looker.look(findings)
        self._findings = findings
        before, self._at = self._at, at
        if seen.held or self._stretches:
            self._go_on(at, before, seen.held, seen.blind)
        if any(self._is_due(self._rules[place], self._stretches[place]) for place in seen.held & self._whole):
            self._settle()

    def decision(self) -> Decision:
        if self._final:
            return self._final
        if self._at is None:
            return Decision(NOTHING, "nothing was seen yet")
        chosen = self._chosen()
        if chosen:
            return self._of(*chosen)
        blocking = [one for one in self._findings if one["severity"] == "blocking"]
        if blocking and all(one["verdict"] == PASS for one in blocking):
            return Decision(NOTHING, "every blocking criterion passed")
        return Decision(NOTHING, "no rule of the rollback policy holds")

    def left(self) -> dict[str, Any]:
        """What the next look begins with, wherever it is taken."""
        kept = {
            self._rules[place].text: [one.since, round(one.held, 3), one.times, one.last]
            for place, one in self._stretches.items()
        }
        return {"at": self._at, "rules": kept} if self._at is not None else {}

    def _go_on(self, at: float, before: float | None, held: frozenset[int], blind: frozenset[int]) -> None:
        for place, one in list(self._stretches.items()):
            if one.times and one.last == before:
                one.held += at - one.last
            if place in blind:
                continue
            calm = False
            if place not in held:
                one.times = 0
                calm = at - one.last >= CALM
            if calm or _came_to_nothing(self._rules[place], one, at):
                del self._stretches[place]
        for place in held:
            standing = self._stretches.get(place)
            if standing is None:
                standing = self._stretches[place] = Stretch(at, 0.0, 0, at)
            standing.times += 1
            standing.last = at

    def _settle(self) -> None:
        """A rollback of everything stays what it was made of, whatever is seen afterwards."""
        chosen = self._chosen()
        if chosen and chosen[0] == ROLLBACK and not self._rules[chosen[1][0]].component:
            self._final = self._of(*chosen)

    def _chosen(self) -> tuple[str, list[int]] | None:
        """The strongest action, and the rules it is made of."""
        asked: dict[str, list[int]] = {}
        for place in sorted(self._stretches):
            asked.setdefault(self._asks(place), []).append(place)
        for action in _ORDER:
            if action in asked:
                return action, self._deciding(action, asked[action])
        return None

    def _deciding(self, action: str, places: list[int]) -> list[int]:
        """The first one alone, but all that send one component back, and all that hold."""
        if action == HOLD:
            return places
        if action == ROLLBACK and self._rules[places[0]].component:
            return [place for place in places if self._rules[place].component]
        return places[:1]

    def _asks(self, place: int) -> str:
        """What a rule that stands asks for now; one that lingers asks for no more than to look on."""
        rule, one = self._rules[place], self._stretches[place]
        if rule.waits:
            return rule.action if self._is_due(rule, one) else HOLD
        return WATCH if rule.action == ROLLBACK and one.last != self._at else rule.action

    def _is_due(self, rule: Rule, one: Stretch) -> bool:
        if one.last != self._at or one.times < rule.times:
            return False
        return one.held >= rule.after

    def _of(self, action: str, places: list[int]) -> Decision:
        rules = [self._rules[place] for place in places]
        own = [self._stretches[place] for place in places]
        dues = [due for rule, one in zip(rules, own, strict=True) if (due := self._due(rule, one)) is not None]
        components = tuple(dict.fromkeys(rule.component for rule in rules)) if action == ROLLBACK else ()
        told = [self._sentence(rule, one, action) for rule, one in zip(rules, own, strict=True)]
        return Decision(
            action,
            "; ".join(told),
            tuple(filter(None, components)),
            tuple(rule.text for rule in rules if rule is not UNSAID),
            self._numbers(rules),
            min(one.since for one in own),
            min(dues) if action == HOLD and dues else None,
            action == HOLD and bool(dues),
        )

    def _due(self, rule: Rule, one: Stretch) -> float | None:
        """When going on to look decides: the rule acts then, or is let go of."""
        at = self._at or one.last
        if one.last != at:
            return max(at, one.last + CALM)
        if not rule.waits or self._is_due(rule, one):
            return None
        return at + max(0.0, rule.after - one.held)

    def _sentence(self, rule: Rule, one: Stretch, action: str) -> str:
        if rule is UNSAID:
            return "no rule of the rollback policy is about this: look at the criteria that did not pass"
        since = f"{rule.about} holds since {_shown(one.since)}"
        if one.last != self._at:
            return f"{rule.about} held from {_shown(one.since)} until {_shown(one.last)}: {action}"
        if action != HOLD or not rule.waits or self._is_due(rule, one):
            return f"{since}: {rule.doing}"
        if one.times < rule.times:
            return f"{since}, {one.times} of {rule.times} times in a row: {rule.doing} when it goes on"
        return f"{since}: {rule.doing} when it still holds at {_shown(self._due(rule, one))}"

    def _numbers(self, rules: Sequence[Rule]) -> tuple[Given, ...]:
        """The values that the rules are about, of rules about all criteria those that did not pass."""
        names = {rule.criterion for rule in rules}
        general = any(rule.when in (ALL, ANY) for rule in rules)
        found = [
            one
            for one in self._findings
            if one["name"] in names or (general and one["severity"] == "blocking" and one["verdict"] != PASS)
        ]
        kept = ("name", "verdict", "observed", "unit", "threshold")
        return tuple({key: short(one.get(key)) for key in kept} for one in found[:MOST_NUMBERS])


def _left(standing: Mapping[str, Any]) -> tuple[float | None, dict[str, Stretch]]:
    """What an earlier look left: when it was, and its stretches by the texts of their rules."""
    try:
        kept = {
            str(text): Stretch(float(since), float(held), int(times), float(last))
            for text, (since, held, times, last) in (standing.get("rules") or {}).items()
        }
        return (float(standing["at"]) if standing.get("at") is not None else None), kept
    except (AttributeError, TypeError, ValueError) as exc:
        remedy = "give standing of the decision that tor_validate returned"
        raise ReleaseError("This is not what an earlier look left", where="standing", remedy=remedy) from exc


def _came_to_nothing(rule: Rule, one: Stretch, at: float) -> bool:
    """Whether within twice the time of a rule it did not hold for its time, so that it begins anew."""
    return one.held < rule.after and at - one.since >= 2 * rule.after


def _shown(at: float | None) -> str:
    return "" if at is None else shown(datetime.fromtimestamp(at, UTC))
