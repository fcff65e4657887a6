# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query to Prometheus, or to what speaks its HTTP API: at this moment, or over a range up to it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from ...errors import ReleaseError
from ..expect import ExpectError, NothingMeasured
from ..moments import SKEW
from .api import Api
from .base import Ask, Readings, World
from .measure import check_unit, finite, split

MOST_POINTS = 11_000
_POINTS = 60
_MATCHERS = r"""\{(?:[^{}"'`]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)*\}"""
_SELECTOR = re.compile(rf"[a-zA-Z_:][\w:]*\s*(?:{_MATCHERS})?|{_MATCHERS}", re.ASCII)
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Prometheus(Api):
    """Options, besides those of `Api`:

    `query`: PromQL; `range`: seconds back from now, or `since`: seconds since the epoch, make it a range query, with
    `step` seconds between two points (a sixtieth of the range, at least 1); `max_age`: seconds a sample may be old
    (120); `fresh`: selector of the series whose samples must be that young. An expression is always as young as the
    moment it is computed at, however old what it computes from: only a `query` that is a plain selector goes without.

    Selects: `value` is a plain number, `value in s` (or another unit, or `share`) says what the query yields;
    `series`, how many there are; `age` (time) of the oldest sample that counts. `samples` are values. An empty
    result, NaN, infinity, warnings (a partial answer) and samples that are too old are `insufficient`. Several
    series that differ are an error unless aggregated, and so is a clock more than 30 s away from the one here.
    """

    query: str
    range: float = 0.0
    since: float = 0.0
    step: float = 0.0
    max_age: float = 120.0
    fresh: str = ""

    selects: ClassVar[dict[str, str]] = {"value": "", "series": "", "age": "s"}

    @classmethod
    def check_select(cls, select: str) -> None:
        what, unit = split(select)
        if what not in cls.selects or (unit and what != "value"):
            raise ExpectError(f"{select!r} is none of value, value in UNIT, series, age")
        check_unit(select)

    @classmethod
    def unit_of(cls, select: str) -> str | None:
        what, unit = split(select)
        return unit if unit is not None else cls.selects.get(what)

    def check_options(self) -> list[str]:
        mistakes = super().check_options()
        if self.range and self.since:
            mistakes.append(".since: there is a range, too")
        mistakes += [f".{name}: is less than 0" for name in ("range", "since", "step") if getattr(self, name) < 0]
        if not self.fresh and not _SELECTOR.fullmatch(self.query.strip()):
            mistakes.append(".fresh: missing, name the series that the query computes from, as their age is not in it")
        if self.max_age <= 0:
            mistakes.append(".max_age: is not more than 0")
        if self.step and self.range / self.step > MOST_POINTS:
            mistakes.append(f".step: more than {MOST_POINTS} points, which Prometheus refuses")
        return mistakes

    @property
    def text(self) -> str:
        over = f" over {self.range:g} s" if self.range else f" since {self.since:.3f}" if self.since else ""
        return f"{self.query}{over} at {self.where}"

    def read(self, ask: Ask, world: World) -> Readings:
        result = self._range(ask, world) if self.range or self.since else self._instant(ask, world, self.query)
        series = list(_series(result))
        if not series:
            raise NothingMeasured("the query has no result: no series is there, or none matches")
        numbers = [finite(text) for _labels, points in series for _at, text in points]
        age = self._age(ask, world)
        evidence = {
            "series": [{"labels": labels, "last": points[-1][1]} for labels, points in series[:_SHOWN]],
            "age_s": age,
        }
        if ask.select == "series":
            return Readings([len(series)], len(series), evidence)
        return Readings([Fraction(str(age))] if ask.select == "age" else numbers, len(numbers), evidence)

    def _instant(self, ask: Ask, world: World, query: str) -> dict[str, Any]:
        sent = time.time()
        result = self._data(ask, world, "/api/v1/query", {"query": query})
        for _labels, points in _series(result):
            _check_clock(finite(points[0][0]), sent, time.time())
        return result

    def _range(self, ask: Ask, world: World) -> dict[str, Any]:
        """Up to the server's own now, so that a small difference of the clocks cuts nothing off."""
        now = finite(next(_series(self._instant(ask, world, "time()")))[1][0][1])
        start = self.since or now - self.range
        if start >= now:
            raise NothingMeasured("the range begins now or later")
        step = self.step or max(1.0, (now - start) / _POINTS)
        if (now - start) / step > MOST_POINTS:
            raise ReleaseError(f"the range has more than {MOST_POINTS} points", remedy="set a larger step")
        query = {"query": self.query, "start": f"{start:.3f}", "end": f"{now:.3f}", "step": f"{step:.3f}"}
        return self._data(ask, world, "/api/v1/query_range", query)

    def _age(self, ask: Ask, world: World) -> float:
        """Seconds since the oldest sample that counts was taken, by the clock of the server."""
        result = self._instant(ask, world, f"timestamp(\n{self.fresh or self.query}\n)")
        ages = [finite(at) - finite(text) for _labels, points in _series(result) for at, text in points]
        if not ages:
            raise NothingMeasured(f"{self.fresh or self.query} has no samples now")
        if max(ages) > self.max_age:
            raise NothingMeasured(f"a sample is {max(ages):.0f} s old, older than the {self.max_age:g} s of max_age")
        return round(max(ages), 3)

    def _data(self, ask: Ask, world: World, path: str, query: dict[str, str]) -> dict[str, Any]:
        answer = self.ask_json(ask, world, path, {**query, "timeout": f"{max(1, round(1000 * ask.left))}ms"})
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise ReleaseError("the answer is not one of Prometheus", where=self.where)
        if answer.get("warnings") or answer.get("isPartial"):
            raise NothingMeasured(f"the answer is not complete: {answer.get('warnings') or 'it is partial'}")
        data = answer.get("data")
        return data if isinstance(data, dict) else {}


def _series(data: dict[str, Any]) -> Iterator[tuple[dict[str, str], list[list[Any]]]]:
    """Labels and points of each series, whatever shape the result has."""
    result = data.get("result")
    try:
        match data.get("resultType"):
            case "scalar":
                yield {}, [_point(result)]
            case "vector":
                yield from ((one["metric"], [_point(one["value"])]) for one in result or [])
            case "matrix":
                yield from ((one["metric"], [_point(each) for each in one["values"]]) for one in result or [])
            case other:
                raise ReleaseError(f"the result is {other or 'of no type'}, not numbers", remedy="correct the query")
    except (KeyError, TypeError, AttributeError) as exc:
        raise ReleaseError("the result has no plain numbers, perhaps native histograms") from exc


def _point(given: Any) -> list[Any]:
    if not isinstance(given, list) or len(given) != 2:
        raise TypeError
    return given


def _check_clock(there: float, sent: float, received: float) -> None:
    """The server's now lies between the moments here at which it was asked and answered."""
    ahead = there - received if there > received else there - sent if there < sent else 0.0
    if abs(ahead) > SKEW:
        raise ReleaseError(
            f"the clock of the server is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the clock here",
            remedy="synchronise the clocks, then evaluate again",
        )
