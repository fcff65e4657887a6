# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters of two versions in a Prometheus, read at the ends of intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ReleaseError
from ..expect import NothingMeasured
from ..judge.counts import Counts
from ..judge.heard import from_counters, increments
from .api import Api
from .base import Ask, World
from .measure import finite
from .prometheus import MOST_POINTS

VERSION = "$version"
QUERIES = ("total", "bad", "good", "value")


@dataclass(frozen=True, kw_only=True)
class Counters(Api):
    """Options, besides those of `Api`: PromQL selectors of counters, in which `$version` stands for the version:
    `total` of all answers, and `bad` ones or `good` ones (of slow answers the bucket of the histogram that ends where
    slow begins); `value`, an expression; `scrape`: seconds between two scrapes (15), in which nothing counts after
    `since`.
    """

    since: float = 0.0
    interval: float = 10.0
    total: str = ""
    bad: str = ""
    good: str = ""
    value: str = ""
    scrape: float = 15.0

    def check_options(self) -> list[str]:
        mistakes = super().check_options()
        if not self.since > 0:
            mistakes.append(".since: missing, or not after 1970")
        if not self.value and (not self.total or bool(self.bad) == bool(self.good)):
            mistakes.append(".total: give total and either bad or good, or value")
        for name in QUERIES:
            if getattr(self, name) and VERSION not in getattr(self, name):
                mistakes.append(f".{name}: needs {VERSION} where the version stands")
        if self.scrape < 0:
            mistakes.append(".scrape: is less than 0")
        return mistakes

    def counts(self, ask: Ask, world: World, version: str, grid: Sequence[float]) -> list[Counts]:
        """What the version answered between each two points of the grid."""
        if len(grid) < 2:
            return []
        total, chosen = (
            increments(self._series(ask, world, query, version, grid), grid)
            for query in (self.total, self.bad or self.good)
        )
        bad = chosen if self.bad else [max(0, both - good) for both, good in zip(total, chosen, strict=True)]
        return from_counters(total, bad)

    def values(self, ask: Ask, world: World, version: str) -> list[float]:
        """What `value` came to at the end of each interval since."""
        if not self.value or not version:
            raise ReleaseError("It is not said what may shift, and against whom", remedy="set value and baseline")
        grid = self.grid(self.since + self.scrape, self.server_now(ask, world))
        found = self._series(ask, world, self.value, version, grid) if grid else []
        return [value for one in found for value in one.values()]

    def grid(self, begins: float, ends: float) -> list[float]:
        """The ends of the intervals, to the millisecond, as Prometheus has them."""
        points = int((ends - begins) / self.interval) + 1 if ends >= begins else 0
        if points > MOST_POINTS:
            raise ReleaseError(f"more than {MOST_POINTS} intervals have passed", remedy="set a larger interval")
        return [round(begins + place * self.interval, 3) for place in range(points)]

    def server_now(self, ask: Ask, world: World) -> float:
        return finite(self._result(ask, world, "/api/v1/query", {"query": "time()"})[1])

    def _series(
        self, ask: Ask, world: World, query: str, version: str, grid: Sequence[float]
    ) -> list[dict[float, float]]:
        quoted = version.replace("\\", "\\\\").replace('"', '\\"')
        window = {"start": f"{grid[0]:.3f}", "end": f"{grid[-1]:.3f}", "step": f"{self.interval:.3f}"}
        found = self._result(ask, world, "/api/v1/query_range", {"query": query.replace(VERSION, quoted), **window})
        return [{round(float(at), 3): finite(value) for at, value in one["values"]} for one in found]

    def _result(self, ask: Ask, world: World, path: str, query: dict[str, str]) -> Any:
        answer = self.ask_json(ask, world, path, query)
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict) or "result" not in answer["data"]:
            raise ReleaseError("the answer is not one of Prometheus", where=self.where)
        if answer.get("warnings") or answer.get("isPartial"):
            raise NothingMeasured(f"the answer is not complete: {answer.get('warnings') or 'it is partial'}")
        return answer["data"]["result"]
