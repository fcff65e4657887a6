# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of measured values and thresholds, compared exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

NUMBER, SHARE, TIME = "number", "share", "time"

# A unit is a dimension and how many of the dimension's base it is.
UNITS: dict[str, tuple[str, Fraction]] = {
    "": (NUMBER, Fraction(1)),
    "share": (SHARE, Fraction(1)),
    "%": (SHARE, Fraction(1, 100)),
    "ns": (TIME, Fraction(1, 10**9)),
    "us": (TIME, Fraction(1, 10**6)),
    "ms": (TIME, Fraction(1, 1000)),
    "s": (TIME, Fraction(1)),
    "min": (TIME, Fraction(60)),
    "h": (TIME, Fraction(3600)),
    "d": (TIME, Fraction(86400)),
    "W": ("power", Fraction(1)),
    "kW": ("power", Fraction(1000)),
    "MW": ("power", Fraction(10**6)),
    "mV": ("voltage", Fraction(1, 1000)),
    "V": ("voltage", Fraction(1)),
    "kV": ("voltage", Fraction(1000)),
    "B": ("bytes", Fraction(1)),
    "kB": ("bytes", Fraction(10**3)),
    "MB": ("bytes", Fraction(10**6)),
    "GB": ("bytes", Fraction(10**9)),
    "TB": ("bytes", Fraction(10**12)),
    "KiB": ("bytes", Fraction(2**10)),
    "MiB": ("bytes", Fraction(2**20)),
    "GiB": ("bytes", Fraction(2**30)),
    "TiB": ("bytes", Fraction(2**40)),
    "/s": ("rate", Fraction(1)),
    "/min": ("rate", Fraction(1, 60)),
    "/h": ("rate", Fraction(1, 3600)),
}

_QUANTITY = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(?P<unit>\S*)")


class UnitError(ValueError):
    """A number without a known unit, or a unit of another kind than the one it is compared with."""


@dataclass(frozen=True)
class Quantity:
    """A number as written, and its unit."""

    number: Fraction
    unit: str = ""

    @property
    def dimension(self) -> str:
        return UNITS[self.unit][0]

    @property
    def base(self) -> Fraction:
        return self.number * UNITS[self.unit][1]

    def within(self, unit: str) -> Quantity:
        """The same quantity in another unit; a plain number may stand for a share."""
        dimension, factor = UNITS[unit]
        if self.dimension != dimension and {self.dimension, dimension} != {NUMBER, SHARE}:
            raise UnitError(f"{self} is a {self.dimension}, not a {dimension}")
        return Quantity(self.base / factor, unit)

    def __str__(self) -> str:
        unit = {"share": "", "/s": "/s", "/min": "/min", "/h": "/h"}.get(
            self.unit, f" {self.unit}" if self.unit else ""
        )
        return f"{rounded(self.number)}{unit}"


def quantity(text: str) -> Quantity:
    """`500 ms`, `95%`, `1e3`: a number and, if it has one, its unit."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise UnitError(f"{text!r} is not a number with or without a unit")
    if match["unit"] not in UNITS or match["unit"] == "share":
        known = ", ".join(unit for unit in UNITS if unit not in ("", "share"))
        raise UnitError(f"{match['unit']!r} is not a known unit; known are {known}")
    return Quantity(exactly(match["number"]), match["unit"])


def exactly(number: str | int | float | Fraction) -> Fraction:
    """A float means what it prints as: 0.1 is a tenth."""
    if isinstance(number, Fraction):
        return number
    try:
        return Fraction(Decimal(str(number)))
    except (InvalidOperation, ValueError, OverflowError) as exc:
        raise UnitError(f"{number!r} is not a finite number") from exc


def rounded(number: Fraction) -> int | float:
    """For people and JSON: whole, or six significant digits."""
    if number.denominator == 1:
        return int(number)
    return float(f"{float(number):.6g}")
