# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of a canary: hard fails first, then evidence, and never a pass out of too little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .counts import Counts, Interval, Terms
from .evidence import BETTER, WORSE, Dispersion, RatioEvidence
from .objective import ShareEvidence

PASS, FAIL, INSUFFICIENT = "pass", "fail", "insufficient"
HOPELESS, WORSE_THAN_BASELINE, WORSE_THAN_OBJECTIVE = "hopeless", "worse than the baseline", "worse than the objective"
NEAR_BASELINE, WITHIN_LIMIT = "near the baseline", "within the limit"
TOO_FEW, UNDECIDED = "too few", "undecided"

BY_CHANCE = 3.0
"""Standard deviations above what is hopeless in which the share of one interval may be by chance."""


@dataclass(frozen=True)
class Ruling:
    """`because` is one of the words above; `seconds` since the first interval are what it took."""

    verdict: str
    because: str
    canary: Counts
    baseline: Counts
    seconds: float
    log_worse: float
    log_fine: float
    dispersion: float


class _Trial:
    """The evidence after some intervals."""

    def __init__(self, terms: Terms, history: Sequence[Counts], *, compared: bool) -> None:
        self.canary, self.baseline, self.newest = Counts(), Counts(), Counts()
        self.seconds = 0.0
        self.dispersion = Dispersion(history)
        self._terms, self._compared = terms, compared
        self._worse = RatioEvidence(terms.tolerated, WORSE)
        self._fine = RatioEvidence(terms.unacceptable, BETTER)
        self._share = ShareEvidence(terms.slo, terms.limit)

    def add(self, interval: Interval) -> None:
        """The dispersion is that of all before, so that no interval has a say in its own weight."""
        dispersion = self.dispersion.value
        self._worse.add(interval, dispersion)
        self._fine.add(interval, dispersion)
        self._share.add(interval.canary, dispersion)
        self.dispersion.add(interval.baseline if self._compared else interval.canary)
        self.canary += interval.canary
        self.baseline += interval.baseline
        self.newest = interval.canary
        self.seconds += self._terms.interval

    def failing(self) -> str:
        """Why it fails; empty if nothing is proven."""
        terms = self._terms
        if self.canary.total < terms.speaks_from:
            return ""
        if self.canary.share > terms.hopeless or self._broke:
            return HOPELESS
        if not self._compared:
            return WORSE_THAN_OBJECTIVE if self.log_worse >= terms.fails_at else ""
        excess = self.canary.share - self.baseline.share
        enough = self.baseline.total >= terms.speaks_from and excess >= terms.min_excess
        return WORSE_THAN_BASELINE if enough and self.log_worse >= terms.fails_at else ""

    @property
    def _broke(self) -> bool:
        """Whether the newest interval alone is hopeless, by more than chance makes of any of many intervals."""
        terms, newest = self._terms, self.newest
        if newest.total < terms.speaks_from:
            return False
        chance = math.sqrt(terms.hopeless * (1 - terms.hopeless) / newest.total)
        return newest.share > terms.hopeless + BY_CHANCE * chance

    def passing(self) -> str:
        """Why it passes; empty if nothing is proven."""
        terms = self._terms
        if self._compared and self._fine.log_e >= terms.passes_at:
            return NEAR_BASELINE
        return WITHIN_LIMIT if -self._share.log_e >= terms.passes_at else ""

    @property
    def has_enough(self) -> bool:
        heard = self.baseline.total >= self._terms.speaks_from or not self._compared
        return heard and self.canary.total >= self._terms.minimum

    @property
    def log_worse(self) -> float:
        return self._worse.log_e if self._compared else self._share.log_e

    @property
    def log_fine(self) -> float:
        return max(self._fine.log_e, -self._share.log_e) if self._compared else -self._share.log_e

    def ruled(self, verdict: str, because: str) -> Ruling:
        return Ruling(
            verdict,
            because,
            self.canary,
            self.baseline,
            self.seconds,
            self.log_worse,
            self.log_fine,
            self.dispersion.value,
        )


def judge(
    intervals: Sequence[Interval], terms: Terms, *, compared: bool = True, history: Sequence[Counts] = ()
) -> Ruling:
    """Rule on complete intervals, the first of which began after traffic moved; once failed is failed.

    Without a baseline (`compared` is false) the objective alone counts. `history` is what the baseline answered in
    intervals of the same length before.
    """
    trial = _Trial(terms, history, compared=compared)
    for interval in intervals:
        trial.add(interval)
        if because := trial.failing():
            return trial.ruled(FAIL, because)
    if not trial.has_enough:
        return trial.ruled(INSUFFICIENT, TOO_FEW)
    because = trial.passing()
    return trial.ruled(PASS if because else INSUFFICIENT, because or UNDECIDED)
