# SPDX-License-Identifier: GPL-3.0-or-later
"""Record error shares as a real Prometheus tells them of stand-ins that misbehave, for the tests of the policy.

Usage: PYTHONPATH=tests:tests/stand_ins python tests/services_cases/record_error_share.py    takes eight minutes
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import random
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.endpoint import Endpoint
from app.server import Server
from app.settings import Fault, Settings
from services.debian import free_port
from services.prometheus import Prometheus

FILE = Path(__file__).parents[1] / "unit" / "plugins" / "module_utils" / "policy" / "recorded_error_share.csv"
STEP, SECONDS, RATE = 5, 480, 30
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


class Application:
    """A stand-in, and the load on it; ``follow`` makes it as bad as its plan says for that second."""

    def __init__(self, plan: Sequence[tuple[int, float]]) -> None:
        self._plan, self._over = plan, threading.Event()
        self._server = Server(Settings("1.0.0", port=free_port(), endpoints={"/": Endpoint()}))
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        threading.Thread(target=self._load, daemon=True).start()

    def follow(self, second: float) -> None:
        share = [share for since, share in self._plan if since <= second][-1]
        wavering = max(0.0, random.gauss(share, SPREAD)) if share else 0.0
        self._server.settings = replace(self._server.settings, fault=Fault(error_share=wavering))

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _load(self) -> None:
        while not self._over.wait(random.expovariate(RATE)):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{self.address}/", timeout=1).close()


def main() -> None:
    applications = {name: Application(plan) for name, plan in SHARES.items()}
    with Prometheus([one.address for one in applications.values()]) as prometheus:
        began = time.time()
        while (second := time.time() - began) < SECONDS:
            for one in applications.values():
                one.follow(second)
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
