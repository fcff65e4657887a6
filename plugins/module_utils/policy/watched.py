# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of a policy hold at one look. Pure.

A finding is a verdict in short: `name`, `severity`, `verdict`, `observed` and `unit`, and whatever else it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..tor.expect import Expectation, ExpectError, NothingMeasured, Reference
from ..tor.units import Quantity
from ..tor.verdict import FAIL, PASS
from .bands import Band, Stretches, band_of, comparable, widened
from .rules import ALL, ANY, FAILED, Rule

Given = Mapping[str, Any]
Places = tuple[int, ...]
Captured: TypeAlias = Callable[[str], "Quantity | frozenset[str] | None"]
_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Seen:
    """By their places the rules that hold, and those nothing is known of, as what they are about was not measured."""

    held: frozenset[int]
    blind: frozenset[int]


class Watched:
    """The rules about one criterion; bands are looked up, everything else is judged each time."""

    def __init__(self, rules: Sequence[tuple[int, Rule]], baseline: Quantity | frozenset[str] | None) -> None:
        self.places = frozenset(place for place, _rule in rules)
        self._failed = tuple(place for place, rule in rules if rule.when == FAILED)
        bands = [(place, band_of(rule.expect, baseline)) for place, rule in rules if rule.expect]
        self._bands = _together([(place, band) for place, band in bands if band], dict(rules))
        known = {place for place, _band in self._bands}
        self._others = [(place, rule.expect) for place, rule in rules if rule.expect and place not in known]
        self._reference = Reference(lambda: baseline)
        self._stretches: dict[str, Stretches] = {}

    def held(self, finding: Given) -> Places:
        observed = finding["observed"]
        held = self._failed if finding["verdict"] == FAIL else ()
        if self._bands and isinstance(observed, (int, float)):
            held += self._by_unit(finding.get("unit") or "").held(observed)
        if self._others:
            held += tuple(place for place, expected in self._others if self._judged(expected, finding))
        return held

    def _by_unit(self, unit: str) -> Stretches:
        if unit not in self._stretches:
            self._stretches[unit] = Stretches([one for one in self._bands if comparable(one[1], unit)], unit)
        return self._stretches[unit]

    def _judged(self, expected: Expectation, finding: Given) -> bool:
        try:
            return expected.judge(finding["observed"], finding.get("unit") or None, self._reference).holds
        except (ExpectError, NothingMeasured):
            return False


class Looker:
    """Reads a look, as often as there are looks: what can be worked out once is."""

    def __init__(self, rules: Sequence[Rule], captured: Captured) -> None:
        names = dict.fromkeys(rule.criterion for rule in rules if rule.criterion)
        self._watched = {
            name: Watched([(at, rule) for at, rule in enumerate(rules) if rule.criterion == name], captured(name))
            for name in names
        }
        self._all = tuple(place for place, rule in enumerate(rules) if rule.when == ALL)
        self._any = tuple(place for place, rule in enumerate(rules) if rule.when == ANY)
        self._named = frozenset(place for one in self._watched.values() for place in one.places)

    def look(self, findings: Sequence[Given]) -> Seen:
        held: list[int] = []
        measured: list[Watched] = []
        blocking: set[str] = set()
        for finding in findings:
            verdict = finding["verdict"]
            if finding["severity"] == "blocking":
                blocking.add(verdict)
            watched = self._watched.get(finding["name"])
            if watched is not None and verdict in (PASS, FAIL):
                measured.append(watched)
                held += watched.held(finding)
        if blocking and blocking != {PASS}:
            held += self._any
            held += self._all if FAIL in blocking and PASS not in blocking else ()
        return Seen(frozenset(held) if held else _NONE, self._blind(measured))

    def _blind(self, measured: Sequence[Watched]) -> frozenset[int]:
        if len(measured) == len(self._watched):
            return _NONE
        return self._named.difference(*(one.places for one in measured))


def _together(bands: Sequence[tuple[int, Band]], rules: Mapping[int, Rule]) -> list[tuple[int, Band]]:
    """The bands of one component are widened together."""
    found: list[tuple[int, Band]] = []
    for component in dict.fromkeys(rules[place].component for place, _band in bands):
        own = [(place, band) for place, band in bands if rules[place].component == component]
        found += zip((place for place, _band in own), widened([band for _place, band in own]), strict=True)
    return found
