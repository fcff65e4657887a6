# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How expectations are written: `< 500 ms`, `200..299`, `== "ok"`, `within 1 h`, `<= 2 x baseline`, `in baseline`,
`>= v1.28`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from .expect import Comparison, Expectation, ExpectError, InBaseline, OfBaseline, Range, Same, Version, Within
from .units import TIME, Quantity, UnitError, quantity

_COMPARISON = re.compile(r"(?P<operator><=|>=|==|!=|<|>)\s*(?P<operand>.+)", re.DOTALL)
_RANGE = re.compile(r"(?P<low>.+?)\s*\.\.\s*(?P<high>.+)")
_WITHIN = re.compile(r"within\s+(?P<limit>.+)")
_MULTIPLE = re.compile(r"(?:(?P<factor>\d+(?:\.\d+)?)\s*x\s*)?baseline")
_VERSION = re.compile(r"v(?P<numbers>\d+(?:\.\d+)*)")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>.*)(?P=quote)""", re.DOTALL)
_WORDS: dict[str, bool] = {"true": True, "false": False}


def parse(given: Any) -> Expectation:
    """Read an expectation; a bare number or truth value expects exactly that."""
    if isinstance(given, bool):
        return Same(str(given).lower(), given, equal=True)
    if isinstance(given, int | float):
        return _comparison(f"== {given}", "==", str(given))
    text = str(given or "").strip()
    if " ".join(text.split()) == InBaseline.text:
        return InBaseline()
    comparison = _COMPARISON.fullmatch(text)
    if comparison:
        return _comparison(text, comparison["operator"], comparison["operand"].strip())
    age = _WITHIN.fullmatch(text)
    if age:
        return _within(text, age["limit"])
    interval = _RANGE.fullmatch(text)
    if interval:
        return _range(text, interval["low"], interval["high"])
    raise ExpectError(f'{text!r} is not an expectation; write for example < 500 ms, >= 95 %, == "ok" or 200..299')


def _comparison(text: str, relation: str, operand: str) -> Expectation:
    multiple = _MULTIPLE.fullmatch(operand)
    if multiple:
        return OfBaseline(text, relation, Fraction(multiple["factor"] or 1))
    version = _VERSION.fullmatch(operand)
    if version:
        return Version(text, relation, tuple(int(number) for number in version["numbers"].split(".")))
    return _of_value(text, relation, operand)


def _of_value(text: str, relation: str, operand: str) -> Expectation:
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


def _within(text: str, limit: str) -> Expectation:
    try:
        longest = quantity(limit)
    except UnitError as exc:
        raise ExpectError(f"{text!r}: {exc}") from exc
    if longest.dimension != TIME:
        raise ExpectError(f"{text!r}: {limit} is not a time; write for example within 1 h")
    return Within(text, longest)
