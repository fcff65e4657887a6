# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters and gauges in the Prometheus text format."""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    def __init__(self, version: str, gauges: Mapping[str, float]) -> None:
        self._gauges = {f'app_info{{version="{version}"}}': 1.0, **gauges}
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def record(self, path: str, status: int, seconds: float) -> None:
        with self._lock:
            self._requests[path, status] += 1
            self._buckets[bisect_left(BOUNDS, seconds)] += 1
            self._seconds += seconds

    def text(self) -> str:
        with self._lock:
            lines = [*self._gauge_lines(), *self._request_lines(), *self._duration_lines()]
        return "\n".join(lines) + "\n"

    def _gauge_lines(self) -> Iterator[str]:
        for name, value in {**self._gauges, "process_resident_memory_bytes": resident_memory()}.items():
            yield f"# TYPE {name.partition('{')[0]} gauge"
            yield f"{name} {value:g}"

    def _request_lines(self) -> Iterator[str]:
        yield "# TYPE http_requests_total counter"
        for (path, status), count in sorted(self._requests.items()):
            yield f'http_requests_total{{path="{path}",status="{status}"}} {count}'

    def _duration_lines(self) -> Iterator[str]:
        yield "# TYPE http_request_duration_seconds histogram"
        total = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self._buckets, strict=True):
            total += count
            yield f'http_request_duration_seconds_bucket{{le="{bound}"}} {total}'
        yield f"http_request_duration_seconds_sum {self._seconds:.6f}"
        yield f"http_request_duration_seconds_count {total}"


def resident_memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
