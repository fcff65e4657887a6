# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of a canary, by the counters a real Prometheus scrapes."""

from __future__ import annotations

import http.server
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import measure
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.verdict import Verdict

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.prometheus import Prometheus

RATES = {"old": (900, 1), "good": (100, 0), "broken": (100, 5), "slow": (100, 0)}
FAST = {"old": 0.99, "good": 0.99, "broken": 0.99, "slow": 0.7}


class Metrics(http.server.BaseHTTPRequestHandler):
    """Counters that grow with time: answers and bad ones a second, and how many of them are fast."""

    began = time.monotonic()

    def log_message(self, *_args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        seconds = time.monotonic() - self.began
        lines = [
            line
            for version, (answers, bad) in RATES.items()
            for line in (
                f'answers_total{{version="{version}",code="200"}} {int(seconds * (answers - bad))}',
                f'answers_total{{version="{version}",code="500"}} {int(seconds * bad)}',
                f'seconds_bucket{{version="{version}",le="0.5"}} {int(seconds * answers * FAST[version])}',
            )
        ]
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\n".join([*lines, ""]).encode())


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    threading.Thread(target=app.serve_forever, args=(0.01,), daemon=True).start()
    with Prometheus([f"127.0.0.1:{app.server_port}"]) as server:
        assert isinstance(server, Prometheus)
        yield server
    app.shutdown()
    app.server_close()


def judged(prometheus: Prometheus, canary: str, select: str = "error_share", **more: Any) -> Verdict:
    source = {
        "kind": "judge",
        "url": prometheus.url,
        "canary": canary,
        "baseline": "old",
        "since": time.time(),
        "interval": 1,
        "scrape": 0.4,
        "total": 'answers_total{version="$version"}',
        "bad": 'answers_total{version="$version",code="500"}',
        **more,
    }
    given = {name: value for name, value in source.items() if value is not None}
    (criterion,) = parse_criteria(
        [{"name": "it", "source": given, "select": select, "expect": '== "pass"', "timeout": 60}]
    )
    return measure(criterion, World(), time.monotonic() + 60)


@pytest.mark.parametrize(("canary", "verdict"), [("good", "pass"), ("broken", "fail")])
def test_it_waits_until_it_is_sure(prometheus: Prometheus, canary: str, verdict: str) -> None:
    found = judged(prometheus, canary)
    assert found.verdict == verdict, found.sentence


def test_a_bucket_tells_which_answers_are_fast(prometheus: Prometheus) -> None:
    fast = {"bad": None, "good": 'seconds_bucket{version="$version",le="0.5"}', "slower_than": "500 ms"}
    found = judged(prometheus, "slow", "slow_share", **fast)
    assert found.verdict == "fail", found.sentence
    assert "more than 500 ms in " in found.sentence
