# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a rollback policy as people write them: what is seen, for how long, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ReleaseError
from ..tor.expect import Expectation, ExpectError, OfBaseline
from ..tor.grammar import parse
from ..tor.mistakes import unknown
from ..window.inputs import duration
from .bands import mistakes_of_bands

NOTHING, WATCH, HOLD, ROLLBACK = "nothing", "watch", "hold", "rollback"
ALL, ANY, FAILED = "all", "any", "failed"
MOST_TIMES = 1000
KEYS = ("criterion", "when", "action", "after", "times", "component")

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """`after` is for how many seconds it has to hold, `times` at how many looks in a row.

    `expect` is what `when` says of the value, None where it is about the verdict. A rule with a `component` takes
    that one back alone.
    """

    when: str
    action: str
    criterion: str = ""
    component: str = ""
    after: float = 0.0
    times: int = 1
    expect: Expectation | None = None
    lasting: str = ""

    @property
    def waits(self) -> bool:
        return self.after > 0 or self.times > 1

    @property
    def about(self) -> str:
        if self.when == ANY:
            return "that a blocking criterion did not pass"
        if self.when == ALL:
            return "that no blocking criterion passed"
        return f"{self.criterion} {self.when}"

    @property
    def doing(self) -> str:
        return f"{self.action} of {self.component} alone" if self.component else self.action

    @property
    def text(self) -> str:
        """The whole rule, for whoever approves it; two rules of one policy never have the same."""
        return f"{self.about}{self.lasting}: {self.doing}"


def read_policy(given: Sequence[Given]) -> tuple[Rule, ...]:
    """The rules in their order; an error names every mistake, with its place."""
    mistakes = [f"policy[{place}]{told}" for place, rule in enumerate(given) for told in _mistakes(rule)]
    if not mistakes:
        rules = tuple(map(_rule, given))
        mistakes = [*_twice(rules), *_bands(rules)]
    if mistakes:
        remedy = "write each band once, as in 5 %..10 %, 10 %..20 % and > 20 %"
        raise ReleaseError("; ".join(mistakes), where="policy", remedy=remedy, mistakes=mistakes)
    return rules


def compares(rules: Sequence[Rule]) -> bool:
    """Whether any of them is about a multiple of a baseline."""
    return any(isinstance(rule.expect, OfBaseline) for rule in rules)


def rule_text(given: Given) -> str:
    return _rule(given).text


def _rule(given: Given) -> Rule:
    when, after, times = str(given["when"]), given.get("after"), given.get("times")
    lasting = f", for {after}" if after else ""
    return Rule(
        when,
        given["action"],
        given.get("criterion") or "",
        given.get("component") or "",
        duration("after", after or 0).total_seconds(),
        int(times or 1),
        None if when in (ALL, ANY, FAILED) else parse(when),
        lasting + (f", {times} times in a row" if times and int(times) > 1 else ""),
    )


def _mistakes(rule: Given) -> list[str]:
    mistakes = unknown(rule, KEYS)
    if rule.get("component") and rule.get("action") != ROLLBACK:
        mistakes.append(f".component: only {ROLLBACK} is of one component")
    if rule.get("action") not in (ROLLBACK, HOLD, WATCH):
        mistakes.append(f".action: {rule.get('action')!r} is none of {ROLLBACK}, {HOLD}, {WATCH}")
    return mistakes + _mistakes_of_when(rule) + _mistakes_of_time(rule)


def _mistakes_of_when(rule: Given) -> list[str]:
    if rule.get("when") in (ALL, ANY):
        about = rule.get("criterion")
        return [f".criterion: {rule['when']} is about every blocking criterion, not about {about}"] if about else []
    mistakes = [] if rule.get("criterion") else [f".criterion: missing, as when is neither {ALL} nor {ANY}"]
    if rule.get("when") != FAILED:
        try:
            parse(rule.get("when"))
        except ExpectError as exc:
            mistakes.append(f".when: {exc}")
    return mistakes


def _mistakes_of_time(rule: Given) -> list[str]:
    mistakes = []
    try:
        duration("after", rule.get("after") or 0)
    except ReleaseError as exc:
        mistakes.append(f".{exc.what}")
    times = rule.get("times")
    if times is not None and (isinstance(times, bool) or not str(times).isdigit() or not 0 < int(times) <= MOST_TIMES):
        mistakes.append(f".times: {times!r} is not a number of looks from 1 to {MOST_TIMES}")
    return mistakes


def _twice(rules: Sequence[Rule]) -> list[str]:
    texts = [rule.text for rule in rules]
    return [f"policy has {text!r} twice" for text in dict.fromkeys(texts) if texts.count(text) > 1]


def _bands(rules: Sequence[Rule]) -> list[str]:
    """The bands of one value, and of one component, are judged together."""
    together: dict[tuple[str, str], list[Expectation]] = {}
    for rule in rules:
        if rule.expect is not None:
            together.setdefault((rule.criterion, rule.component), []).append(rule.expect)
    return [told for (name, _alone), bands in together.items() for told in mistakes_of_bands(name, bands)]
