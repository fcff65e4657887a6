# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence about the ratio of two bad shares that may be looked at as often as one likes.

Given that K answers of an interval are bad, and that the canary gave the share q of all its answers, a canary r times
as bad as its baseline has Binomial(K, t(r)) of them, t(r) = r q / (r q + 1 - q): the conditional test of two Poisson
rates (Przyborowski and Wilenski, Biometrika 31, 1940), which needs no knowledge of either rate. The likelihood ratio
of r against r0, multiplied over intervals, has mean 1 under r0 and at most 1 on its far side, whatever q was in each
interval; and so has a mixture over several r. Such an e-process exceeds 1/alpha with probability alpha at most, at any
time ever (Ville 1939; Ramdas, Gruenwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid
inference", Statistical Science 38, 2023).

Bad answers come in bursts. Where their variance is phi times what independence gives, the quasi-likelihood is the
likelihood to the power 1/phi (Wedderburn, Biometrika 61, 1974); a power below 1 keeps the mean at most 1 (Jensen).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .counts import Counts, Interval

WORSE = (1.5, 2.0, 3.0, 5.0, 10.0)
BETTER = (0.25, 0.375, 0.5, 0.625)

_ONE_SIDED = 1.645


class RatioEvidence:
    """`log_e` is the evidence that the canary is on the alternatives' side of `ratio`: above it, or below it."""

    def __init__(self, ratio: float, alternatives: Sequence[float]) -> None:
        self.log_e = 0.0
        self._ratio = ratio
        self._alternatives = [ratio * factor for factor in alternatives]
        self._logs = [-math.log(len(alternatives))] * len(alternatives)

    def add(self, interval: Interval, dispersion: float = 1.0) -> None:
        """`dispersion` must not depend on this interval."""
        canary, baseline = interval.canary, interval.baseline
        if not (canary.total and baseline.total and canary.bad + baseline.bad):
            return
        share = canary.total / (canary.total + baseline.total)
        for place, alternative in enumerate(self._alternatives):
            on_canary, on_baseline = gains(share, self._ratio, alternative)
            self._logs[place] += (canary.bad * on_canary + baseline.bad * on_baseline) / dispersion
        highest = max(self._logs)
        self.log_e = highest + math.log(math.fsum(math.exp(log - highest) for log in self._logs))


def gains(share: float, ratio: float, alternative: float) -> tuple[float, float]:
    """What a bad answer of the canary, and one of the baseline, add to the log-likelihood of `alternative`."""
    expected, other = odds_share(share, ratio), odds_share(share, alternative)
    return math.log(other / expected), math.log((1 - other) / (1 - expected))


def odds_share(share: float, ratio: float) -> float:
    """The share of bad answers that are the canary's, when it gives `share` of all and is `ratio` times as bad."""
    return ratio * share / (ratio * share + 1 - share)


class Dispersion:
    """Pearson's estimate of phi from k counts seen so far: X2 / (k - 1), X2 = sum (b - p n)2 / (n p (1 - p)).

    Independent answers give 1, with the standard deviation sqrt(2 / (k - 1)); what chance alone gives in 19 of 20 cases
    is taken for 1, so that the evidence about them loses nothing.
    """

    def __init__(self, history: Sequence[Counts] = ()) -> None:
        self._bad = self._total = self._seen = 0
        self._squares = 0.0
        for counts in history:
            self.add(counts)

    def add(self, counts: Counts) -> None:
        if counts.total:
            self._bad += counts.bad
            self._total += counts.total
            self._seen += 1
            self._squares += counts.bad**2 / counts.total

    @property
    def value(self) -> float:
        if self._seen < 2 or not 0 < self._bad < self._total:
            return 1.0
        share = self._bad / self._total
        found = (self._squares / share - self._bad) / (1 - share) / (self._seen - 1)
        return found if found > 1 + _ONE_SIDED * math.sqrt(2 / (self._seen - 1)) else 1.0
