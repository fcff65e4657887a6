# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters in the Prometheus text format."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    def __init__(self, version: str) -> None:
        self._version = version
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def record(self, path: str, code: int, seconds: float) -> None:
        with self._lock:
            self._requests[path, code] += 1
            self._buckets[bisect_left(BOUNDS, seconds)] += 1
            self._seconds += seconds

    def text(self) -> str:
        with self._lock:
            lines = ["# TYPE app_info gauge", f'app_info{{version="{self._version}"}} 1']
            lines.append("# TYPE http_requests_total counter")
            for (path, code), count in sorted(self._requests.items()):
                lines.append(f'http_requests_total{{path="{path}",code="{code}"}} {count}')
            lines.append("# TYPE http_request_duration_seconds histogram")
            total = 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), self._buckets, strict=True):
                total += count
                lines.append(f'http_request_duration_seconds_bucket{{le="{bound}"}} {total}')
            lines.append(f"http_request_duration_seconds_sum {self._seconds:.6f}")
            lines.append(f"http_request_duration_seconds_count {total}")
        return "\n".join(lines) + "\n"
