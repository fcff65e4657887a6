# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value out of many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from .expect import ExpectError, NothingMeasured
from .units import UnitError, exactly

Numbers = Sequence[Fraction]


def _rank(percent: int) -> Callable[[Numbers], Fraction]:
    """Nearest rank: always a value that was measured."""
    return lambda numbers: sorted(numbers)[max(0, math.ceil(percent * len(numbers) / 100) - 1)]


_NUMERIC: dict[str, Callable[[Numbers], Fraction]] = {
    "avg": lambda numbers: Fraction(sum(numbers)) / len(numbers),
    "sum": lambda numbers: Fraction(sum(numbers)),
    "min": min,
    "max": max,
    "p50": _rank(50),
    "p90": _rank(90),
    "p95": _rank(95),
    "p99": _rank(99),
}
COUNT = "count"
AGGREGATES = (COUNT, "last", *_NUMERIC)


def aggregate(values: Sequence[Any], how: str) -> Any:
    """`how` may be empty when there is one value."""
    if how == COUNT:
        return len(values)
    if not values:
        raise NothingMeasured("there is no value")
    if how == "last":
        return values[-1]
    if how:
        return _NUMERIC[how]([_number(value) for value in values])
    if len(values) > 1 and any(value != values[0] for value in values):
        raise ExpectError(f"there are {len(values)} different values where one was expected: set aggregate")
    return values[0]


def _number(value: Any) -> Fraction:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise NothingMeasured(f"one of the values is {value}")
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise ExpectError(f"{value!r} is not a number")
    try:
        return exactly(value)
    except UnitError as exc:
        raise ExpectError(str(exc)) from exc
