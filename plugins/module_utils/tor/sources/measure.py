# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`NAME in UNIT`: what is selected where only the one who asks knows its unit, as in `value in s`."""

from __future__ import annotations

import math
import re
from typing import Any

from ..expect import ExpectError, NothingMeasured
from ..units import UNITS
from .base import Source

_IN_UNIT = re.compile(r"(?P<what>.+?)\s+in\s+(?P<unit>[A-Za-z%/]+)", re.DOTALL)
_REGEX = re.compile(r"/.+/", re.DOTALL)


def split(select: str) -> tuple[str, str | None]:
    """What is selected, and its unit if one is named."""
    match = None if _REGEX.fullmatch(select) else _IN_UNIT.fullmatch(select)
    return (match["what"], match["unit"]) if match else (select, None)


def check_unit(select: str) -> None:
    """Refuse a unit nobody knows."""
    unit = split(select)[1]
    if unit is not None and unit not in UNITS:
        raise ExpectError(f"{select!r}: {unit!r} is not a known unit; known are {', '.join(filter(None, UNITS))}")


class Measured(Source):
    """A source in whose answers anything can be looked up, followed by `in UNIT` where a number has one."""

    @classmethod
    def check_select(cls, select: str) -> None:
        what, unit = split(select)
        check_unit(select)
        if unit is not None and what in cls.selects:
            raise ExpectError(f"{select!r}: what {what} is in is known")
        super().check_select(what)

    @classmethod
    def unit_of(cls, select: str) -> str | None:
        return split(select)[1] or super().unit_of(select)


def finite(number: Any) -> float:
    """A number that says something, from a number or its text."""
    try:
        found = float(number)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ExpectError(f"{str(number)[:80]!r} is not a number") from exc
    if not math.isfinite(found):
        raise NothingMeasured(f"the value is {number}")
    return found
