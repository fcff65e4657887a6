# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An observation: looks at a system after its release, by a plan. Pure; what follows from them is said by policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ReleaseError
from ..window.inputs import duration
from .verdict import FAIL, INSUFFICIENT, PASS, short

MOST_LOOKS = 500
MISSED = "missed"

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """One look that was taken or missed; `at` is in seconds since the epoch, a finding is a verdict in short."""

    number: int
    at: float
    verdict: str
    findings: tuple[Given, ...] = ()


@dataclass(frozen=True)
class Standing:
    """Which look is due now, which were missed before it, and when the next one is due; 0 is no look."""

    due: int
    missed: tuple[int, ...]
    next: float | None
    over: bool


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


def _seconds(where: str, given: Any) -> float:
    try:
        return duration(where, given).total_seconds()
    except ReleaseError as exc:
        raise ReleaseError(exc.what, where=where, remedy=exc.remedy) from exc
