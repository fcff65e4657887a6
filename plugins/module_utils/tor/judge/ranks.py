# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mann-Whitney's test as Kayenta judges with it: whether the values of a canary lie above or below its baseline's.

z is Mann and Whitney's statistic ("On a test of whether one of two random variables is stochastically larger than the
other", Annals of Mathematical Statistics 18, 1947) with mid-ranks, corrected for ties and continuity. Inverting it
gives a confidence interval of the shift and Hodges and Lehmann's estimate ("Estimates of location based on rank tests",
Annals of Mathematical Statistics 34, 1963), the median of all differences. As in Kayenta the shift counts as one when
its interval at 98 % lies beyond a quarter of the estimate. Unlike there, fewer than 12 values say nothing, where chance
alone is called a shift in up to 14 of 100 cases. It is not made for looking at it again and again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

HIGH, LOW, SAME, NODATA = "high", "low", "same", "no data"
LEAST = 12
CONFIDENCE = 0.98
TOLERANCE = 0.25

_PRECISION = 1e-6


@dataclass(frozen=True)
class Shift:
    """By how much the canary lies above the baseline: estimate and interval; `ratio` is that of the means."""

    direction: str
    estimate: float = 0.0
    low: float = 0.0
    high: float = 0.0
    ratio: float = math.nan


def compare(canary: Sequence[float], baseline: Sequence[float], least: int = LEAST) -> Shift:
    """What is not a number is left out."""
    canary = [value for value in canary if not math.isnan(value)]
    baseline = [value for value in baseline if not math.isnan(value)]
    if min(len(canary), len(baseline)) < max(2, least):
        return Shift(NODATA)
    ratio = fmean(canary) / fmean(baseline) if fmean(baseline) else math.nan
    if sorted(canary) == sorted(baseline) or len({*canary, *baseline}) == 1:
        return Shift(SAME, ratio=ratio)
    if len(set(canary)) == len(set(baseline)) == 1:
        low = high = estimate = canary[0] - baseline[0]
    else:
        low, high, estimate = interval(canary, baseline)
    beyond = TOLERANCE * abs(estimate)
    direction = HIGH if low > beyond else LOW if high < -beyond else SAME
    return Shift(direction, estimate, low, high, ratio)


def z(canary: Sequence[float], baseline: Sequence[float], shift: float = 0.0) -> float:
    """The standardised statistic of `canary` less `shift` against `baseline`; not all values may be the same."""
    many, few = len(canary), len(baseline)
    both = many + few
    ranks, ties = _ranks([*(value - shift for value in canary), *baseline])
    surplus = math.fsum(ranks[:many]) - many * (many + 1) / 2 - many * few / 2
    variance = many * few / 12 * (both + 1 - sum(tie**3 - tie for tie in ties) / (both * (both - 1)))
    return (surplus - math.copysign(0.5, surplus) * (surplus != 0)) / math.sqrt(variance)


def interval(
    canary: Sequence[float], baseline: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """The ends of the confidence interval of the shift, and its estimate; z falls as the shift grows."""
    ends = min(canary) - max(baseline), max(canary) - min(baseline)
    wanted = NormalDist().inv_cdf((1 + confidence) / 2)
    found = (_solve(lambda shift: z(canary, baseline, shift), level, *ends) for level in (wanted, -wanted, 0.0))
    low, high, estimate = found
    return low, high, estimate


def _solve(falling: Callable[[float], float], level: float, low: float, high: float) -> float:
    if falling(low) <= level:
        return low
    if falling(high) >= level:
        return high
    while high - low > _PRECISION * max(1.0, abs(low), abs(high)):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > level else (low, middle)
    return (low + high) / 2


def _ranks(values: Sequence[float]) -> tuple[list[float], list[int]]:
    """Mid-ranks in the order of the values, and how many share each."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, first = [0.0] * len(values), [], 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for place in order[first : last + 1]:
            ranks[place] = (first + last) / 2 + 1
        ties.append(last - first + 1)
        first = last + 1
    return ranks, ties
