# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An observation: looks at a system after its release, by a plan, and what follows from them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import ReleaseError
from ..window.inputs import duration
from .expect import ExpectError, NothingMeasured
from .grammar import parse
from .mistakes import unknown
from .moments import shown
from .verdict import FAIL, INSUFFICIENT, PASS, short

MOST_LOOKS = 500
MISSED = "missed"
NOTHING, WATCH, HOLD, ROLLBACK = "nothing", "watch", "hold", "rollback"
ALL, ANY, FAILED = "all", "any", "failed"

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """One look that was taken or missed; `at` is in seconds since the epoch, a finding is a verdict in short."""

    number: int
    at: float
    verdict: str
    findings: tuple[Given, ...] = ()

    @property
    def blocking(self) -> list[Given]:
        return [finding for finding in self.findings if finding["severity"] == "blocking"]


@dataclass(frozen=True)
class Standing:
    """Which look is due now, which were missed before it, and when the next one is due; 0 is no look."""

    due: int
    missed: tuple[int, ...]
    next: float | None
    over: bool


@dataclass(frozen=True)
class Decision:
    """What the rollback policy says."""

    action: str
    sentence: str


def looks(plan: Sequence[Given]) -> list[float]:
    """Seconds after the release: `{every, until}` goes on where the phase before ended, `{at}` is one look."""
    found: set[float] = set()
    reached = 0.0
    for place, phase in enumerate(plan):
        where = f"plan[{place}]"
        if phase.get("at") is not None and not phase.get("every") and not phase.get("until"):
            found.add(_seconds(f"{where}.at", phase["at"]))
            continue
        every, until = (_seconds(f"{where}.{field}", phase.get(field)) for field in ("every", "until"))
        if every <= 0 or until <= reached or (until - reached) / every > MOST_LOOKS:
            raise ReleaseError(
                f"every {phase['every']} until {phase['until']} has no looks, or more than {MOST_LOOKS}",
                where=where,
                remedy="write phases in the order of time, as in {every: 10m, until: 1h}",
            )
        found.update(reached + number * every for number in range(1, int((until - reached) / every + 1e-9) + 1))
        reached = until
    if not 0 < len(found) <= MOST_LOOKS:
        raise ReleaseError("The plan has no looks, or too many", where="plan", remedy=f"plan at most {MOST_LOOKS}")
    return sorted(found)


def standing(times: Sequence[float], ended: float, taken: Sequence[Look], now: float) -> Standing:
    """Of several looks that are due the newest is taken, the others were missed."""
    last = max((look.number for look in taken), default=0)
    newest = sum(ended + seconds <= now for seconds in times)
    over = last >= len(times)
    following = [ended + seconds for seconds in times[max(last, newest) :]]
    due = newest if newest > last else 0
    return Standing(due, tuple(range(last + 1, due)), following[0] if following and not over else None, over)


def taken_now(number: int, at: float, verdicts: Sequence[Given]) -> Look:
    """A look out of what tor_validate returned; one that measured nothing says nothing."""
    kept = ("name", "severity", "verdict", "observed", "unit", "threshold")
    findings = tuple({field: short(verdict.get(field)) for field in kept} for verdict in verdicts)
    blocking = [verdict["verdict"] for verdict in verdicts if verdict.get("severity") == "blocking"]
    if FAIL in blocking:
        return Look(number, at, FAIL, findings)
    passed = blocking and all(verdict == PASS for verdict in blocking)
    return Look(number, at, PASS if passed else INSUFFICIENT, findings)


def conclusion(taken: Sequence[Look]) -> tuple[str, str]:
    """The verdict over all looks: failed once is failed, and what was missed was not seen."""
    told = []
    for verdict, said in ((FAIL, "failed"), (INSUFFICIENT, "could not tell"), (MISSED, "was missed")):
        numbers = [str(look.number) for look in taken if look.verdict == verdict]
        told += [f"look {', '.join(numbers)} {said}"] if numbers else []
    passed = sum(look.verdict == PASS for look in taken)
    verdicts = {look.verdict for look in taken}
    verdict = FAIL if FAIL in verdicts else PASS if verdicts == {PASS} else INSUFFICIENT
    return verdict, "; ".join([f"{passed} of {len(taken)} looks passed", *told])


def decide(policy: Sequence[Given], taken: Sequence[Look]) -> Decision:
    """The first rule that holds at the newest look; one with `after` must have held for so long."""
    seen = [look for look in taken if look.verdict != MISSED]
    if not seen:
        return Decision(NOTHING, "nothing was seen yet")
    for rule in policy:
        if not holds(rule, seen[-1]):
            continue
        since = _held_since(rule, seen)
        after = _seconds("after", rule.get("after") or 0)
        if seen[-1].at - since < after:
            still = f"{rule['action']} when it still holds at {_clock(since + after)}"
            return Decision(HOLD, f"{_rule(rule)} holds since {_clock(since)}: {still}")
        return Decision(rule["action"], f"{_rule(rule)} holds since {_clock(since)}: {rule['action']}")
    if seen[-1].verdict == PASS:
        return Decision(NOTHING, "every blocking criterion passed")
    return Decision(WATCH, "no rule of the rollback policy is about this: look at the criteria that did not pass")


def holds(rule: Given, look: Look) -> bool:
    """Whether the look shows what the rule is about; that all did not pass needs one of them that was seen to fail."""
    if rule["when"] in (ALL, ANY):
        verdicts = [finding["verdict"] for finding in look.blocking]
        return (
            PASS not in verdicts and FAIL in verdicts if rule["when"] == ALL else any(one != PASS for one in verdicts)
        )
    found = [finding for finding in look.findings if finding["name"] == rule["criterion"]]
    if not found or found[0]["verdict"] not in (PASS, FAIL):
        return False
    if rule["when"] == FAILED:
        return bool(found[0]["verdict"] == FAIL)
    try:
        return parse(rule["when"]).judge(found[0]["observed"], found[0]["unit"] or None).holds
    except (ExpectError, NothingMeasured):
        return False


def check_policy(policy: Sequence[Given]) -> None:
    """Refuse rules that cannot be read."""
    for place, rule in enumerate(policy):
        where = f"policy[{place}]"
        mistakes = unknown(rule, ("criterion", "when", "action", "after"))
        if rule.get("action") not in (ROLLBACK, HOLD, WATCH):
            mistakes.append(f".action: {rule.get('action')!r} is none of {ROLLBACK}, {HOLD}, {WATCH}")
        mistakes += _mistakes_of_when(rule)
        if mistakes:
            raise ReleaseError("; ".join(where + mistake for mistake in mistakes), where=where)
        _seconds(f"{where}.after", rule.get("after") or 0)


def _mistakes_of_when(rule: Given) -> list[str]:
    if rule.get("when") in (ALL, ANY):
        return []
    mistakes = [] if rule.get("criterion") else [f".criterion: missing, as when is neither {ALL} nor {ANY}"]
    if rule.get("when") != FAILED:
        try:
            parse(rule.get("when"))
        except ExpectError as exc:
            mistakes.append(f".when: {exc}")
    return mistakes


def _seconds(where: str, given: Any) -> float:
    try:
        return duration(where, given).total_seconds()
    except ReleaseError as exc:
        raise ReleaseError(exc.what, where=where, remedy=exc.remedy) from exc


def _held_since(rule: Given, seen: Sequence[Look]) -> float:
    since = seen[-1].at
    for look in reversed(seen):
        if not holds(rule, look):
            break
        since = look.at
    return since


def _rule(rule: Given) -> str:
    if rule["when"] in (ALL, ANY):
        return "that a blocking criterion did not pass" if rule["when"] == ANY else "that no blocking criterion passed"
    return f"{rule['criterion']} {rule['when']}"


def _clock(at: float) -> str:
    return shown(datetime.fromtimestamp(at, UTC))
