# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria about a real Prometheus and a real Alertmanager."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.debian import free_port
from services.metrics import App
from services.prometheus import Alertmanager, Prometheus
from services_cases.live import MINUTE, judge


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    own = App()
    yield own
    own.close()


@pytest.fixture(scope="module")
def prometheus(app: App) -> Iterator[Prometheus]:
    nobody = f"127.0.0.1:{free_port()}"
    with Prometheus([app.address, nobody]) as server:
        assert isinstance(server, Prometheus)
        four_minutes_ago = int(1000 * (time.time() - 4 * MINUTE))
        app.expose(
            "latency_seconds 0.25 {now}\n"
            'requests_total{{pod="a"}} 10 {now}\n'
            'requests_total{{pod="b"}} 30 {now}\n'
            "share NaN {now}\n"
            "quantile +Inf {now}\n"
            f"pushed 7 {four_minutes_ago}\n"
        )
        yield server


class TestPrometheus:
    @pytest.mark.parametrize(
        ("query", "select", "expect", "verdict"),
        [
            ("latency_seconds", "value in s", "< 300 ms", "pass"),
            ("latency_seconds", "value in s", "< 200 ms", "fail"),
            ("sum(requests_total)", "value", "== 40", "pass"),
            ("scalar(latency_seconds)", "value in s", "< 300 ms", "pass"),
            ("requests_total", "value", ">= 0", "error"),
            ("requests_total", "series", "== 2", "pass"),
            ("requsts_total", "value", ">= 0", "insufficient"),
            ("sum(requsts_total)", "value", ">= 0", "insufficient"),
            ("share", "value in share", ">= 0 %", "insufficient"),
            ("quantile", "value in s", ">= 0 s", "insufficient"),
            ("sum(requests_total) / 0", "value", ">= 0", "insufficient"),
            ("sum(requests_total", "value", ">= 0", "error"),
            ('"text"', "value", ">= 0", "error"),
            ("requests_total[1m]", "value", ">= 0", "error"),
            ("pushed", "value", "== 7", "insufficient"),
            ("min(up)", "value", "== 1", "fail"),
        ],
    )
    def test_verdicts(self, prometheus: Prometheus, query: str, select: str, expect: str, verdict: str) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": query}
        found = judge(source if query.isidentifier() else {**source, "fresh": "up"}, select, expect)
        assert found.verdict == verdict, found.sentence

    def test_several_series_are_aggregated(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "requests_total"}
        assert judge(source, "value", "== 30", aggregate="max", samples=2).verdict == "pass"
        assert judge(source, "value", "== 30", aggregate="max", samples=3).verdict == "insufficient"

    def test_the_age_of_a_sample_is_that_of_the_sample(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "pushed", "max_age": 500}
        assert judge(source, "age", "> 200 s").verdict == "pass"
        assert judge(source, "value", "== 7").verdict == "pass"

    def test_an_expression_is_as_stale_as_what_it_is_computed_from(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "pushed * 2"}
        assert judge({**source, "fresh": "up"}, "value", "== 14").verdict == "pass"
        assert judge({**source, "fresh": "pushed"}, "value", "== 14").verdict == "insufficient"
        assert judge({**source, "fresh": "gone"}, "value", "== 14").verdict == "insufficient"

    def test_a_range(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "latency_seconds", "range": 10, "step": 1}
        assert judge(source, "value in s", "== 250 ms", aggregate="max").verdict == "pass"
        since = {**source, "range": 0, "since": time.time() - 5}
        assert judge(since, "value in s", "== 250 ms", aggregate="max").verdict == "pass"
        assert judge({**source, "query": "gone"}, "value", ">= 0", aggregate="max").verdict == "insufficient"

    def test_one_that_does_not_answer_is_an_error_at_the_deadline(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "up"}
        prometheus.freeze()
        try:
            found = judge(source, "value", ">= 0", timeout=0.5)
        finally:
            prometheus.thaw()
        assert found.verdict == "error", found
        assert "no complete answer within" in found.sentence, found
        assert judge(source, "series", "== 2").verdict == "pass"

    def test_one_that_is_down_is_an_error(self) -> None:
        source = {"kind": "prometheus", "url": f"http://127.0.0.1:{free_port()}", "query": "up"}
        assert judge(source, "value", ">= 0").verdict == "error"


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    with Alertmanager() as server:
        assert isinstance(server, Alertmanager)
        yield server


class TestAlertmanager:
    def test_alerts_silences_and_the_watchdog(self, alertmanager: Alertmanager) -> None:
        source = {"kind": "alertmanager", "url": alertmanager.url}
        assert judge(source, "firing", "== 0").verdict == "insufficient"
        slow = {"alertname": "Slow", "severity": "critical"}
        alertmanager.post("alerts", [{"labels": {"alertname": "Watchdog"}}])
        assert judge(source, "firing", "== 0").verdict == "pass"
        alertmanager.post("alerts", [{"labels": slow}, {"labels": {"alertname": "Full", "severity": "warning"}}])
        assert judge(source, "firing", "== 2").verdict == "pass"
        critical = {**source, "matchers": ['severity="critical"']}
        assert judge(critical, "firing", "== 0").observed == 1
        assert judge({**source, "since": time.time() + 10}, "firing", "== 0").verdict == "pass"
        assert judge({**source, "since": time.time() + MINUTE}, "firing", "== 0").verdict == "insufficient"
        matcher = {"name": "alertname", "value": "Slow", "isRegex": False, "isEqual": True}
        times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + more)) for more in (0, MINUTE)]
        silence = {"matchers": [matcher], "startsAt": times[0], "endsAt": times[1], "createdBy": "me", "comment": "x"}
        alertmanager.post("silences", silence)
        assert judge(critical, "firing", "== 0").verdict == "pass"
        assert judge(critical, "silenced", "== 1").verdict == "pass"
        assert judge(critical, "alerts", "== 1").verdict == "pass"

    def test_a_matcher_it_does_not_understand_is_an_error(self, alertmanager: Alertmanager) -> None:
        found = judge({"kind": "alertmanager", "url": alertmanager.url, "matchers": ["=x"]}, "firing", "== 0")
        assert found.verdict == "insufficient"  # the watchdog is looked for first
        source = {"kind": "alertmanager", "url": alertmanager.url, "matchers": ["=x"], "watchdog": ""}
        assert judge(source, "firing", "== 0").verdict == "error"
