# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a criterion."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from .criterion import Criterion
from .expect import Judgement
from .sources.base import Readings

PASS, FAIL, INSUFFICIENT, ERROR = "pass", "fail", "insufficient", "error"
LONGEST, MOST_OBSERVED = 100, 2000
EXACT = 2**53 - 1


@dataclass(frozen=True)
class Verdict:
    """`sentence` is for people; everything it says is in the other fields.

    `by_chance` is a failure that going on to look may turn into a pass.
    """

    criterion: Criterion
    verdict: str
    sentence: str
    observed: Any = None
    unit: str = ""
    margin: int | float | None = None
    samples: int = 0
    source: str = ""
    evidence: Any = None
    at: str = ""
    seconds: float = 0.0
    by_chance: bool = False

    @property
    def blocks(self) -> bool:
        return self.verdict != PASS and self.criterion.blocking

    @property
    def settled(self) -> bool:
        """Whether it is known for the rest of a hold."""
        return (self.verdict == FAIL and not self.by_chance) or not self.criterion.source.repeatable

    def of(self, at: str, seconds: float) -> Verdict:
        return replace(self, at=at, seconds=round(seconds, 3))

    def report(self) -> dict[str, Any]:
        return {
            "name": self.criterion.name,
            "clause": self.criterion.clause,
            "severity": self.criterion.severity,
            "verdict": self.verdict,
            "observed": self.observed,
            "unit": self.unit,
            "threshold": self.criterion.expect.text,
            "margin": self.margin,
            "samples": self.samples,
            "sentence": self.sentence,
            "source": self.source,
            "evidence": self.evidence,
            "at": self.at,
            "seconds": self.seconds,
        }

    def record(self) -> dict[str, Any]:
        """What a ledger keeps of it."""
        return {
            "name": short(self.criterion.name),
            "verdict": self.verdict,
            "observed": short(self.observed),
            "threshold": short(self.criterion.expect.text),
        }


def judged(criterion: Criterion, judgement: Judgement, readings: Readings, source: str) -> Verdict:
    unit = f" {judgement.unit}" if judgement.unit and not judgement.unit.startswith("/") else judgement.unit
    observed = _cut(judgement.observed, MOST_OBSERVED)
    shown = f'"{_cut(observed, LONGEST)}"' if isinstance(observed, str) else observed
    threshold = f" ({judgement.threshold})" if judgement.threshold else ""
    sentence = f"{criterion.title}: {criterion.measure} is {shown}{unit}, expected {criterion.expect.text}{threshold}"
    if readings.remark:
        sentence += f": {readings.remark}"
    return Verdict(
        criterion,
        PASS if judgement.holds else FAIL,
        sentence + _remedy(criterion, judgement.holds),
        observed,
        judgement.unit,
        judgement.margin,
        readings.samples,
        source,
        readings.evidence,
    )


def insufficient(criterion: Criterion, why: str, samples: int = 0, source: str = "", evidence: Any = None) -> Verdict:
    sentence = f"{criterion.title}: {criterion.measure} is not known, {why}" + _remedy(criterion, False)
    return Verdict(criterion, INSUFFICIENT, sentence, samples=samples, source=source, evidence=evidence)


def error(criterion: Criterion, why: str, source: str = "") -> Verdict:
    sentence = f"{criterion.title}: {criterion.measure} could not be measured, {why}" + _remedy(criterion, False)
    return Verdict(criterion, ERROR, sentence, source=source)


def _remedy(criterion: Criterion, holds: bool) -> str:
    return "" if holds or not criterion.remedy else f" ({criterion.remedy})"


def short(value: Any) -> Any:
    """What fits into an entry of a ledger, and is the same when it is read again."""
    exact = isinstance(value, int) and abs(value) <= EXACT
    if value is None or exact or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _cut(str(value), LONGEST)


def _cut(value: Any, longest: int) -> Any:
    return value[:longest] + " …" if isinstance(value, str) and len(value) > longest else value
