# SPDX-License-Identifier: GPL-3.0-or-later
"""Record error shares as a real Prometheus tells them of stand-ins that misbehave, for the tests of the policy.

Usage: PYTHONPATH=tests:tests/stand_ins python tests/services_cases/record_error_share.py    takes eight minutes
"""

from __future__ import annotations

import csv
import json
import math
import random
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from app.settings import Fault
from services.prometheus import Prometheus
from services_cases.application import Application

FILE = Path(__file__).parents[1] / "unit" / "plugins" / "module_utils" / "policy" / "recorded_error_share.csv"
STEP, SECONDS = 5, 480
SPREAD = 0.02
SHARES = {
    "errors stay between": [(0, 0.0), (60, 0.14)],
    "it recovers in time": [(0, 0.0), (60, 0.14), (210, 0.0)],
    "a broken version": [(0, 0.0), (60, 0.4)],
}
"""From which second on what share of the answers are errors."""
QUERY = (
    '100 * (sum(rate(http_requests_total{instance="%(at)s",status=~"5.."}[15s])) or vector(0))'
    ' / sum(rate(http_requests_total{instance="%(at)s"}[15s]))'
)


def fault(plan: Sequence[tuple[int, float]], second: float) -> Fault:
    """How bad it is in that second."""
    share = [share for since, share in plan if since <= second][-1]
    return Fault(error_share=max(0.0, random.gauss(share, SPREAD)) if share else 0.0)


def main() -> None:
    applications = {name: Application() for name in SHARES}
    with Prometheus([one.address for one in applications.values()]) as prometheus:
        began = time.time()
        while (second := time.time() - began) < SECONDS:
            for name, one in applications.items():
                one.fault = fault(SHARES[name], second)
            time.sleep(1)
        rows = [
            (name, second, percent)
            for name, one in applications.items()
            for second, percent in recorded(prometheus.url, QUERY % {"at": one.address}, began)
        ]
    for one in applications.values():
        one.close()
    with FILE.open("w", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows([("series", "second", "percent"), *rows])


def recorded(url: str, query: str, began: float) -> list[tuple[int, str]]:
    """The share at every step; empty where Prometheus has none."""
    span = {"start": began + 15, "end": began + SECONDS, "step": STEP}
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{urllib.parse.urlencode({'query': query, **span})}") as told:
        found = json.load(told)["data"]["result"]
    values = {round(at - began): float(value) for at, value in (found[0]["values"] if found else [])}
    known = {second: value for second, value in values.items() if not math.isnan(value)}
    return [(second, f"{known[second]:.2f}" if second in known else "") for second in range(15, SECONDS + 1, STEP)]


if __name__ == "__main__":
    main()
