# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of expectations, and what they make of a value. How they are written is in grammar."""

from __future__ import annotations

import hashlib
import math
import operator
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Protocol

from .moments import SKEW, like_a_moment, moment
from .units import NUMBER, SHARE, TIME, Quantity, UnitError, exactly, quantity, rounded

_VERSION = re.compile(r"\s*v?(?P<numbers>\d+(?:\.\d+)*)")
_FEW = 5
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class ExpectError(ValueError):
    """An expectation that cannot be read, or a value of a kind it does not speak of."""


class NothingMeasured(ValueError):
    """A value that looks like one but says nothing: null, NaN, infinite."""


@dataclass(frozen=True)
class Judgement:
    """`margin` is how far the value is on the good side of the threshold, negative on the bad one, in `unit`.

    `threshold` is what the text of the expectation came to, when that is more than the text says.
    """

    holds: bool
    observed: Any
    margin: int | float | None = None
    unit: str = ""
    threshold: str = ""


@dataclass(frozen=True)
class Reference:
    """What a value is compared with besides the threshold: the time (seconds since the epoch), and the baseline."""

    baseline: Callable[[], Quantity | frozenset[str] | None] = lambda: None
    now: Callable[[], float] = time.time


ALONE = Reference()


class Expectation(Protocol):
    """Something a value meets or does not."""

    @property
    def text(self) -> str:
        """As it was written."""

    def check_unit(self, unit: str) -> None:
        """Refuse a threshold that can never be compared with values of this unit."""

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        """`unit` is that of `value`; None takes a bare number to be in the unit of the threshold."""


@dataclass(frozen=True)
class Comparison:
    text: str
    relation: str
    threshold: Quantity

    def check_unit(self, unit: str) -> None:
        _comparable(self.threshold, unit)

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        found = _measured(value, unit, self.threshold.unit)
        holds = _ORDER[self.relation](found.number, self.threshold.number)
        return Judgement(holds, rounded(found.number), self._margin(found.number), self.threshold.unit)

    def _margin(self, found: Fraction) -> int | float | None:
        if self.relation in ("<", "<="):
            return rounded(self.threshold.number - found)
        if self.relation in (">", ">="):
            return rounded(found - self.threshold.number)
        return None


@dataclass(frozen=True)
class Range:
    """Both ends belong to it."""

    text: str
    low: Quantity
    high: Quantity

    def check_unit(self, unit: str) -> None:
        _comparable(self.high, unit)

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        found = _measured(value, unit, self.high.unit)
        margin = min(found.number - self.low.number, self.high.number - found.number)
        return Judgement(margin >= 0, rounded(found.number), rounded(margin), self.high.unit)


@dataclass(frozen=True)
class Same:
    """Equality of text or truth."""

    text: str
    wanted: str | bool
    equal: bool

    def check_unit(self, unit: str) -> None:
        raise ExpectError(f"{self.text} is not about a number, but the measured value is one")

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            raise NothingMeasured(f"the value is {'null' if value is None else value}")
        if isinstance(self.wanted, bool):
            if not isinstance(value, bool):
                raise ExpectError(f"{_shown(value)} is neither true nor false")
        elif isinstance(value, dict | list | bool):
            raise ExpectError(f"{_shown(value)} is not text")
        else:
            value = str(value)
        return Judgement((value == self.wanted) is self.equal, value)


@dataclass(frozen=True)
class OfBaseline:
    """A multiple of what the same criterion measured before the release."""

    text: str
    relation: str
    factor: Fraction

    def check_unit(self, unit: str) -> None:
        """A baseline has the unit of the value."""

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        baseline = beside.baseline()
        if baseline is None:
            raise NothingMeasured("there is no baseline of it; capture one before the release")
        if isinstance(baseline, frozenset):
            raise ExpectError("its baseline is of kinds; capture it again")
        threshold = Quantity(baseline.number * self.factor, baseline.unit)
        judgement = Comparison(self.text, self.relation, threshold).judge(value, unit)
        return Judgement(judgement.holds, judgement.observed, judgement.margin, judgement.unit, str(threshold))


@dataclass(frozen=True)
class InBaseline:
    """Nothing of a kind that was not there before the release."""

    text: str = "in baseline"

    def check_unit(self, unit: str) -> None:
        raise ExpectError(f"{self.text} is about kinds, but the measured value is a number")

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        known = beside.baseline()
        if known is None:
            raise NothingMeasured("there is no baseline of it; capture one before the release")
        if not isinstance(known, frozenset):
            raise ExpectError("its baseline is a number; capture it again")
        new = [one for one in kinds_in(value) if one not in known]
        told = f"not there before: {', '.join(new[:_FEW])}; the evidence has what they say" if new else ""
        return Judgement(not new, len(new), -len(new), "", told)


@dataclass(frozen=True)
class AnyKinds:
    """What a baseline of kinds is captured by."""

    text: str = "any kinds"

    def check_unit(self, unit: str) -> None:
        """Kinds have none."""

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        return Judgement(True, kinds_in(value))


def kinds_in(value: Any) -> list[str]:
    """The kinds by their digests: what was written is no business of a ledger."""
    if not isinstance(value, list | tuple):
        raise ExpectError(f"{_shown(value)} is no list of kinds")
    return [kind_digest(one) for one in value]


def kind_digest(kind: Any) -> str:
    return hashlib.sha256(str(kind).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Within:
    """An age, or a point in time that is not longer ago."""

    text: str
    limit: Quantity

    def check_unit(self, unit: str) -> None:
        _comparable(self.limit, unit)

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        age = _age(value, unit, beside.now()).within(self.limit.unit)
        margin = self.limit.number - age.number
        return Judgement(margin >= 0, rounded(age.number), rounded(margin), self.limit.unit)


@dataclass(frozen=True)
class Version:
    """The parts of a version that are written are compared: 1.28.3 is `== v1.28`, not `> v1.28`."""

    text: str
    relation: str
    wanted: tuple[int, ...]

    def check_unit(self, unit: str) -> None:
        raise ExpectError(f"{self.text} is about a version, but the measured value is a number")

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        if value is None:
            raise NothingMeasured("the value is null")
        match = _VERSION.match(value) if isinstance(value, str) else None
        if match is None:
            raise ExpectError(f"{_shown(value)} is not a version")
        found = tuple(int(number) for number in match["numbers"].split("."))
        padded = (*found, *[0] * len(self.wanted))[: len(self.wanted)]
        return Judgement(_ORDER[self.relation](padded, self.wanted), value)


@dataclass(frozen=True)
class AnyNumber:
    """What a baseline is captured by: whatever number was measured."""

    text: str = "a number"

    def check_unit(self, unit: str) -> None:
        """Any will do."""

    def judge(self, value: Any, unit: str | None, beside: Reference = ALONE) -> Judgement:
        found = _measured(value, unit, None)
        return Judgement(True, rounded(found.number), unit=found.unit)


def _comparable(threshold: Quantity, unit: str) -> None:
    try:
        if unit and threshold.dimension == NUMBER and Quantity(Fraction(1), unit).dimension != SHARE:
            raise UnitError(f"{threshold} has no unit; the measured value is in {unit}")
        Quantity(Fraction(1), unit).within(threshold.unit)
        if not unit and threshold.dimension == SHARE:
            raise UnitError(f"{threshold} is a share; the measured value is a count")
    except UnitError as exc:
        raise ExpectError(str(exc)) from exc


def _measured(value: Any, unit: str | None, wanted: str | None) -> Quantity:
    """The value in the unit of the threshold, or in its own if there is none."""
    if value is None:
        raise NothingMeasured("the value is null")
    if isinstance(value, float) and not math.isfinite(value):
        raise NothingMeasured(f"the value is {value}")
    try:
        if isinstance(value, str):
            found = quantity(value)
            unit = found.unit or unit
        elif isinstance(value, int | float | Fraction) and not isinstance(value, bool):
            found = Quantity(exactly(value))
        else:
            raise UnitError(f"{_shown(value)} is not a number")
        own = Quantity(found.number, (wanted or "") if unit is None else unit)
        return own if wanted is None else own.within(wanted)
    except UnitError as exc:
        if isinstance(value, str) and value.strip().lstrip("+-").lower() in ("nan", "inf", "infinity"):
            raise NothingMeasured(f"the value is {value}") from exc
        raise ExpectError(str(exc)) from exc


def _age(value: Any, unit: str | None, now: float) -> Quantity:
    """How long ago; what lies in the future by more than clocks may differ says nothing."""
    there = _there(value) if not unit else None
    age = _measured(value, unit, None) if there is None else Quantity(exactly(round(now - there.timestamp(), 3)), "s")
    if age.dimension != TIME:
        raise ExpectError(f"{_shown(value)} is neither a time nor an age with a unit")
    if age.base < -SKEW:
        raise NothingMeasured(f"it lies {rounded(-age.base)} s in the future, so the clocks differ")
    return Quantity(max(age.number, Fraction(0)), age.unit)


def _there(value: Any) -> datetime | None:
    """The point in time that this is, if it is meant to be one."""
    text = str(value)
    try:
        if isinstance(value, datetime) or (not isinstance(value, bool) and like_a_moment(text)):
            return moment(text)
    except ValueError as exc:
        raise ExpectError(str(exc)) from exc
    return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
