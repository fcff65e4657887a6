# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bands of a measured value: whether they fit together, and in which of them a value is. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from ..tor.expect import Comparison, Expectation, OfBaseline, Range
from ..tor.units import SHARE, Quantity, UnitError, rounded

_OPEN_DOWN, _OPEN_UP = ("<", "<="), (">", ">=")


@dataclass(frozen=True)
class Band:
    """Values from `low` to `high` in base units, None for no end; an end belongs to it or not."""

    low: Fraction | None
    high: Fraction | None
    low_in: bool
    high_in: bool
    text: str
    unit: str = ""

    def holds(self, value: Fraction) -> bool:
        above = self.low is None or value > self.low or (self.low_in and value == self.low)
        return above and (self.high is None or value < self.high or (self.high_in and value == self.high))


def band_of(expect: Expectation, baseline: Quantity | frozenset[str] | None = None) -> Band | None:
    """None for what is no band of numbers: equality, versions, ages, and multiples of a baseline nobody captured."""
    if isinstance(expect, Range):
        return Band(expect.low.base, expect.high.base, True, True, expect.text, expect.high.unit)
    if isinstance(expect, OfBaseline) and isinstance(baseline, Quantity):
        return _half(expect.relation, Quantity(baseline.number * expect.factor, baseline.unit), expect.text)
    if isinstance(expect, Comparison):
        return _half(expect.relation, expect.threshold, expect.text)
    return None


def _half(relation: str, threshold: Quantity, text: str) -> Band | None:
    if relation in _OPEN_UP:
        return Band(threshold.base, None, relation == ">=", False, text, threshold.unit)
    if relation in _OPEN_DOWN:
        return Band(None, threshold.base, False, relation == "<=", text, threshold.unit)
    return None


def mistakes_of_bands(name: str, expected: Sequence[Expectation]) -> list[str]:
    """Bands that overlap, leave something out between them, or end where worse values begin.

    One stretch may be without a band, the good one. An edge may belong to two bands.
    """
    of_baseline = [one for one in expected if isinstance(one, OfBaseline)]
    others = [one for one in expected if not isinstance(one, OfBaseline)]
    multiples = [band for one in of_baseline if (band := band_of(one, Quantity(Fraction(1))))]
    bands = [band for one in others if (band := band_of(one))]
    return [*_mistakes(name, multiples, " x baseline"), *_mistakes(name, bands)]


def _mistakes(name: str, bands: Sequence[Band], times: str = "") -> list[str]:
    if not bands:
        return []
    if mixed := _mixed(bands):
        return [f"{name} is compared in {mixed[0].text} and in {mixed[1].text}, which are of different kinds"]
    ordered = sorted(bands, key=_from)
    told = [
        f"the bands {low.text} and {high.text} of {name} overlap"
        for low, high in _neighbours(ordered)
        if low.high is None or (high.low is None or high.low < low.high)
    ]
    if told:
        return told
    return _missing(name, ordered, times)


def _missing(name: str, ordered: Sequence[Band], times: str) -> list[str]:
    """All stretches without a band but the good one; below and above count as well as between."""
    lowest, highest = ordered[0], ordered[-1]
    between = [
        f"no rule says what follows from {name} between {_shown(low.high, low, times)} and "
        f"{_shown(high.low, high, times)}, between the bands {low.text} and {high.text}"
        for low, high in _neighbours(ordered)
        if _apart(low, high)
    ]
    below, above = _leaves_below(lowest), _leaves_above(highest)
    if below and above:
        between.append(
            f"no rule says what follows from {name} below {lowest.text} nor above {highest.text}, "
            "and only one of both can be good"
        )
    return between if below or above else between[1:]


def good_side(bands: Sequence[Band]) -> tuple[bool, bool]:
    """Whether values below all bands are good, and whether those above all are."""
    ordered = sorted(bands, key=_from)
    return _leaves_below(ordered[0]), _leaves_above(ordered[-1])


def widened(bands: Sequence[Band]) -> list[Band]:
    """Each band with everything that is worse: what is above 20 % has been above 10 % for as long.

    Bands with good values between them are widened away from those.
    """
    if not bands:
        return []
    ordered = sorted(bands, key=_from)
    below, above = good_side(ordered)
    good_at = 0 if below else len(ordered) if above else _first_gap(ordered)
    if good_at is None:
        return list(bands)
    upwards = set(ordered[good_at:])
    return [
        replace(band, high=None, high_in=False) if band in upwards else replace(band, low=None, low_in=False)
        for band in bands
    ]


class Stretches:
    """Between which edges a value lies, by one bisection; `held` is what holds there, by places of `bands`."""

    def __init__(self, bands: Sequence[tuple[int, Band]], unit: str) -> None:
        factor = Quantity(Fraction(1), unit).base
        ends = {end for _place, band in bands for end in (band.low, band.high) if end is not None}
        exact = sorted(ends)
        self._edges = [float(end / factor) for end in exact]
        middles = [_middle(exact, place) for place in range(len(exact) + 1)]
        points = [value for place, end in enumerate(exact) for value in (middles[place], end)] + [middles[-1]]
        self._held = [tuple(place for place, band in bands if band.holds(value)) for value in points]

    def held(self, value: float) -> tuple[int, ...]:
        place = bisect_left(self._edges, value)
        on_edge = place < len(self._edges) and self._edges[place] == value
        return self._held[2 * place + on_edge]


def _middle(ends: Sequence[Fraction], place: int) -> Fraction:
    """Some value between two neighbouring edges."""
    if not ends:
        return Fraction(0)
    if place == 0:
        return ends[0] - 1
    return ends[-1] + 1 if place == len(ends) else (ends[place - 1] + ends[place]) / 2


def comparable(band: Band, unit: str) -> bool:
    try:
        Quantity(Fraction(1), unit).within(band.unit)
    except UnitError:
        return False
    return True


def _mixed(bands: Sequence[Band]) -> tuple[Band, Band] | None:
    return next(((bands[0], band) for band in bands[1:] if not comparable(band, bands[0].unit)), None)


def _neighbours(ordered: Sequence[Band]) -> Iterator[tuple[Band, Band]]:
    return pairwise(ordered)


def _from(band: Band) -> tuple[bool, Fraction, bool, bool, Fraction]:
    return band.low is not None, band.low or Fraction(0), not band.low_in, band.high is None, band.high or Fraction(0)


def _apart(low: Band, high: Band) -> bool:
    if low.high is None or high.low is None:
        return False
    return high.low > low.high or (high.low == low.high and not low.high_in and not high.low_in)


def _first_gap(ordered: Sequence[Band]) -> int | None:
    return next((place for place, pair in enumerate(_neighbours(ordered), 1) if _apart(*pair)), None)


def _leaves_below(lowest: Band) -> bool:
    """Nothing that is measured is below 0, unless a rule speaks of it."""
    return lowest.low is not None and (lowest.low > 0 or (lowest.low == 0 and not lowest.low_in))


def _leaves_above(highest: Band) -> bool:
    if highest.high is None:
        return False
    whole = Quantity(Fraction(1), highest.unit)
    return not (whole.dimension == SHARE and (highest.high > 1 or (highest.high == 1 and highest.high_in)))


def _shown(end: Fraction | None, band: Band, times: str) -> str:
    value = Quantity((end or Fraction(0)) / Quantity(Fraction(1), band.unit).base, band.unit)
    return f"{rounded(value.number)}{times}" if times else str(value)
