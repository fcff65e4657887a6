# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is expected of a value: `< 500 ms`, `>= 95 %`, `== "ok"`, `200..299`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from .units import NUMBER, SHARE, Quantity, UnitError, exactly, quantity, rounded

_COMPARISON = re.compile(r"(?P<operator><=|>=|==|!=|<|>)\s*(?P<operand>.+)", re.DOTALL)
_RANGE = re.compile(r"(?P<low>.+?)\s*\.\.\s*(?P<high>.+)")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>.*)(?P=quote)""", re.DOTALL)
_WORDS: dict[str, bool] = {"true": True, "false": False}
_ORDER: dict[str, Callable[[Fraction, Fraction], bool]] = {
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
    """`margin` is how far the value is on the good side of the threshold, negative on the bad one, in `unit`."""

    holds: bool
    observed: Any
    margin: int | float | None = None
    unit: str = ""


class Expectation(Protocol):
    """Something a value meets or does not."""

    @property
    def text(self) -> str:
        """As it was written."""

    def check_unit(self, unit: str) -> None:
        """Refuse a threshold that can never be compared with values of this unit."""

    def judge(self, value: Any, unit: str | None) -> Judgement:
        """`unit` is that of `value`; None takes a bare number to be in the unit of the threshold."""


@dataclass(frozen=True)
class Comparison:
    text: str
    relation: str
    threshold: Quantity

    def check_unit(self, unit: str) -> None:
        _comparable(self.threshold, unit)

    def judge(self, value: Any, unit: str | None) -> Judgement:
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

    def judge(self, value: Any, unit: str | None) -> Judgement:
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

    def judge(self, value: Any, unit: str | None) -> Judgement:
        if value is None:
            raise NothingMeasured("the value is null")
        if isinstance(self.wanted, bool):
            if not isinstance(value, bool):
                raise ExpectError(f"{_shown(value)} is neither true nor false")
        elif isinstance(value, dict | list | bool):
            raise ExpectError(f"{_shown(value)} is not text")
        else:
            value = str(value)
        return Judgement((value == self.wanted) is self.equal, value)


def parse(given: Any) -> Expectation:
    """Read an expectation; a bare number or truth value expects exactly that."""
    if isinstance(given, bool):
        return Same(str(given).lower(), given, equal=True)
    if isinstance(given, int | float):
        return _comparison(f"== {given}", "==", str(given))
    text = str(given or "").strip()
    comparison = _COMPARISON.fullmatch(text)
    if comparison:
        return _comparison(text, comparison["operator"], comparison["operand"].strip())
    interval = _RANGE.fullmatch(text)
    if interval:
        return _range(text, interval["low"], interval["high"])
    raise ExpectError(f'{text!r} is not an expectation; write for example < 500 ms, >= 95 %, == "ok" or 200..299')


def _comparison(text: str, relation: str, operand: str) -> Expectation:
    quoted = _QUOTED.fullmatch(operand)
    wanted = quoted["text"] if quoted else _WORDS.get(operand)
    if wanted is None:
        try:
            return Comparison(text, relation, quantity(operand))
        except UnitError as exc:
            raise ExpectError(f"{text!r}: {exc}; text needs quotes") from exc
    if relation not in ("==", "!="):
        raise ExpectError(f"{text!r}: text and truth values can be compared by == and != only")
    return Same(text, wanted, equal=relation == "==")


def _range(text: str, low: str, high: str) -> Expectation:
    try:
        end = quantity(high)
        start = quantity(low)
        start = start.within(end.unit) if start.unit else Quantity(start.number, end.unit)
    except UnitError as exc:
        raise ExpectError(f"{text!r}: {exc}") from exc
    if start.number > end.number:
        raise ExpectError(f"{text!r}: the range is empty")
    return Range(text, start, end)


def _comparable(threshold: Quantity, unit: str) -> None:
    try:
        if unit and threshold.dimension == NUMBER and Quantity(Fraction(1), unit).dimension != SHARE:
            raise UnitError(f"{threshold} has no unit; the measured value is in {unit}")
        Quantity(Fraction(1), unit).within(threshold.unit)
        if not unit and threshold.dimension == SHARE:
            raise UnitError(f"{threshold} is a share; the measured value is a count")
    except UnitError as exc:
        raise ExpectError(str(exc)) from exc


def _measured(value: Any, unit: str | None, wanted: str) -> Quantity:
    """The value in the unit of the threshold."""
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
        return Quantity(found.number, wanted if unit is None else unit).within(wanted)
    except UnitError as exc:
        if isinstance(value, str) and value.strip().lstrip("+-").lower() in ("nan", "inf", "infinity"):
            raise NothingMeasured(f"the value is {value}") from exc
        raise ExpectError(str(exc)) from exc


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
