# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers by interval, out of the log of a witness and out of counters that only grow."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...witness.lines import STREAM, Columns
from ...witness.log import answered_ok, version_of
from .counts import Counts, Interval

HISTORY = 360


@dataclass(frozen=True)
class Window:
    """Intervals of `seconds`, numbered from `since` on (epoch seconds); those before it have negative numbers."""

    since: float
    seconds: float

    @property
    def begins(self) -> float:
        """Where the history begins that is worth reading."""
        return max(0.0, self.since - HISTORY * self.seconds)

    def number(self, moment: float) -> int:
        return math.floor((moment - self.since) / self.seconds)


@dataclass
class Heard:
    """What was heard of every version, by the number of the interval in which a request began.

    `settled` is the number of the first interval of which some requests may not have ended. `latencies` are sums in
    milliseconds. Streams do not count, an answer that takes long is not a slow one.
    """

    answers: dict[str, dict[int, Counts]] = field(default_factory=lambda: defaultdict(dict))
    latencies: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    settled: int = 0

    def intervals(self, canary: str, baseline: str) -> list[Interval]:
        """Those since traffic moved that are complete."""
        ours, theirs = self.answers.get(canary, {}), self.answers.get(baseline, {}) if baseline else {}
        return [Interval(ours.get(place, Counts()), theirs.get(place, Counts())) for place in range(self.settled)]

    def history(self, version: str) -> list[Counts]:
        """What the version answered before."""
        known = self.answers.get(version, {}) if version else {}
        return [known[place] for place in sorted(known) if place < min(0, self.settled)]

    def means(self, version: str) -> list[float]:
        """The mean latency of each complete interval with answers, in milliseconds."""
        counts, sums = self.answers.get(version, {}), self.latencies.get(version, {})
        return [sums[place] / counts[place].total for place in sorted(sums) if 0 <= place < self.settled]

    def everything(self, version: str) -> Counts:
        """All since traffic moved, complete or not."""
        return sum((counts for place, counts in self.answers.get(version, {}).items() if place >= 0), Counts())


def from_log(parts: Iterable[Columns], window: Window, timeout: float, slower_ms: float | None, ended: float) -> Heard:
    """Bad is an error, or with `slower_ms` what took longer. A request ends `timeout` seconds after it began."""
    total: Counter[tuple[bytes, int]] = Counter()
    bad: Counter[tuple[bytes, int]] = Counter()
    taken: Counter[tuple[bytes, int]] = Counter()
    newest = -math.inf
    for part in parts:
        for place, start, took, is_error in _requests(part):
            key = (part.versions[place], window.number(start / 1000))
            total[key] += 1
            taken[key] += took
            bad[key] += is_error if slower_ms is None else took > slower_ms
        newest = max([newest, *part.starts])
    settled = max(newest / 1000 - timeout, ended)
    heard = Heard(settled=max(0, window.number(settled)) if math.isfinite(settled) else 0)
    for (version, number), count in total.items():
        name = version_of(version)
        heard.answers[name][number] = Counts(bad[version, number], count)
        heard.latencies[name][number] = taken[version, number]
    return heard


def _requests(part: Columns) -> Iterator[tuple[int, int, int, bool]]:
    """Place, start and duration in milliseconds, and whether it is an error."""
    errors = {outcome for outcome in set(part.outcomes) if not answered_ok(outcome.decode(errors="replace"))}
    stream = STREAM.encode()
    for place, (start, end, shape, outcome) in enumerate(
        zip(part.starts, part.ends, part.shapes, part.outcomes, strict=True)
    ):
        if shape != stream:
            yield place, start, end - start, outcome in errors


def increments(series: Sequence[Mapping[float, float]], grid: Sequence[float]) -> list[int]:
    """By how much counters grew between each two points of the grid, all series together.

    A counter that falls was reset and began again at 0; one that appears after the first point was born at 0.
    """
    grown = [0.0] * max(0, len(grid) - 1)
    for one in series:
        last = one.get(grid[0]) if grid else None
        for place, moment in enumerate(grid[1:]):
            value = one.get(moment)
            if value is not None:
                grown[place] += value - last if last is not None and value >= last else value
                last = value
    return [round(one) for one in grown]


def from_counters(total: Sequence[int], bad: Sequence[int]) -> list[Counts]:
    """Counters are read at slightly different moments: there are never more bad answers than answers."""
    return [Counts(min(one, other), other) for one, other in zip(bad, total, strict=True)]
