# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""New connections through every URL, evenly spaced, until enough in a row came to the right version."""

from __future__ import annotations

import threading
import time
from bisect import insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .probe import Answer, Probe

WORKERS = 4


@dataclass(frozen=True)
class Terms:
    """How much proof is enough; `grace` is how long the API server may be away without that counting as time taken."""

    connections: int
    seconds: float
    timeout: float
    grace: float = 0.0


@dataclass(frozen=True)
class Expectation:
    """Who may answer: `target`, and beside it `other` while that still has weight."""

    target: str
    other: str
    whole: bool

    def is_good(self, version: str) -> bool:
        return version == self.target or (not self.whole and version == self.other)


class Series:
    """The answers of one URL since the patch."""

    def __init__(self, url: str, expectation: Expectation, terms: Terms, patched: float) -> None:
        self.url = url
        self._expectation = expectation
        self._terms = terms
        self._patched = patched
        self._lock = threading.Lock()
        self._versions: Counter[str] = Counter()
        self._good: list[float] = []
        self._broken = patched
        self._last_old: float | None = None
        self._failed = 0
        self._last_error = ""

    def add(self, answer: Answer) -> None:
        good = not answer.error and self._expectation.is_good(answer.version)
        with self._lock:
            self._count(answer)
            if good and answer.started > self._broken:
                insort(self._good, answer.started)
            elif not good:
                self._broken = max(self._broken, answer.started)
                self._good = [started for started in self._good if started > self._broken]

    def _count(self, answer: Answer) -> None:
        if answer.error:
            self._failed += 1
            self._last_error = answer.error
            return
        self._versions[answer.version] += 1
        if answer.version == self._expectation.other:
            self._last_old = max(self._last_old or 0.0, answer.ended)

    def missing(self) -> str:
        """What this URL still owes; empty when it is proven."""
        with self._lock:
            row = len(self._good)
            lasted = time.monotonic() - self._good[0] if self._good else 0.0
            seen = self._versions[self._expectation.target] > 0
        if row >= self._terms.connections and lasted >= self._terms.seconds and seen:
            return ""
        wanted = f"{self._terms.connections} new connections in a row"
        detail = "" if seen else f", none answered by {self._expectation.target}"
        error = f", last error: {self._last_error}" if self._last_error else ""
        return f"{self.url} has had {row} of {wanted}{detail}{error}"

    def report(self) -> dict[str, Any]:
        with self._lock:
            return {
                "url": self.url,
                "connections": self._versions.total() + self._failed,
                "failed": self._failed,
                "last_error": self._last_error,
                "versions": dict(self._versions),
                "last_old_ms": self._last_old_ms(),
            }

    def _last_old_ms(self) -> int | None:
        """While the other version still has weight, it has not answered last."""
        if not self._expectation.whole:
            return None
        return 0 if self._last_old is None else round((self._last_old - self._patched) * 1000)


class Prober:
    """Asks every URL until it is left."""

    def __init__(self, probes: Sequence[Probe], expectation: Expectation, terms: Terms, patched: float) -> None:
        self.series = [Series(probe.url, expectation, terms, patched) for probe in probes]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(probe, series, pace), daemon=True)
            for probe, series in zip(probes, self.series, strict=True)
            for pace in [_Pace(terms.seconds / terms.connections)]
            for _worker in range(min(WORKERS, terms.connections))
        ]

    def __enter__(self) -> Prober:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()

    def missing(self) -> list[str]:
        return [text for series in self.series if (text := series.missing())]

    def report(self) -> list[dict[str, Any]]:
        return [series.report() for series in self.series]

    def _work(self, probe: Probe, series: Series, pace: _Pace) -> None:
        while not self._stop.wait(pace.next()):
            series.add(probe.ask())


class _Pace:
    """Hands out evenly spaced start times to the workers of one URL."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._slot = 0.0

    def next(self) -> float:
        """Seconds until the next start."""
        with self._lock:
            now = time.monotonic()
            self._slot = max(now, self._slot + self._interval)
            return self._slot - now
