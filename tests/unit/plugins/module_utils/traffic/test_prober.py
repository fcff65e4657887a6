# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.traffic.probe import Answer, Identity, Probe
from ansible_collections.runbook.release.plugins.module_utils.traffic.prober import Expectation, Prober, Series, Terms

from .world import says

WHOLE = Expectation("2.0", "1.0", whole=True)
SPLIT = Expectation("2.0", "1.0", whole=False)


def series(expectation: Expectation = WHOLE, connections: int = 3) -> tuple[Series, float]:
    """A series whose patch is long enough ago for answers to have any time since."""
    patched = time.monotonic() - 100
    return Series("http://shop", expectation, Terms(connections, 0, 30), patched), patched


def feed(target: Series, patched: float, *versions: str) -> None:
    for count, version in enumerate(versions, 1):
        error = "timed out" if version == "!" else ""
        target.add(Answer(patched + count, patched + count + 0.5, "" if error else version, error))


@pytest.mark.parametrize(
    ("expectation", "versions", "proven"),
    [
        (WHOLE, ["2.0"] * 3, True),
        (WHOLE, ["2.0"] * 2, False),
        (WHOLE, ["2.0", "2.0", "1.0", "2.0"], False),
        (WHOLE, ["1.0", "1.0", "2.0", "2.0", "2.0"], True),
        (WHOLE, ["2.0", "2.0", "!", "2.0"], False),
        (WHOLE, ["2.0", "2.0", "2.0", "3.0"], False),
        (SPLIT, ["1.0", "2.0", "1.0"], True),
        (SPLIT, ["1.0"] * 9, False),
        (SPLIT, ["2.0", "3.0", "1.0", "1.0"], False),
        (SPLIT, ["2.0", "!", "1.0", "1.0", "1.0"], True),
    ],
)
def test_a_row_of_the_right_answers_is_proof(expectation: Expectation, versions: list[str], proven: bool) -> None:
    target, patched = series(expectation)
    feed(target, patched, *versions)
    assert (target.missing() == "") is proven


def test_answers_are_in_the_order_they_were_asked_for() -> None:
    target, patched = series()
    for started, version in ((5, "2.0"), (6, "2.0"), (4, "1.0"), (3, "2.0"), (7, "2.0")):
        target.add(Answer(patched + started, patched + 10, version))
    assert target.missing() == ""


def test_a_row_has_to_last() -> None:
    patched = time.monotonic()
    target = Series("http://shop", WHOLE, Terms(1, 60, 90), patched)
    target.add(Answer(patched + 0.001, patched + 0.002, "2.0"))
    assert target.missing() == "http://shop has had 1 of 1 new connections in a row"


def test_what_is_missing_names_the_last_error() -> None:
    target, patched = series()
    feed(target, patched, "1.0", "!")
    said = "http://shop has had 0 of 3 new connections in a row, none answered by 2.0, last error: timed out"
    assert target.missing() == said


@pytest.mark.parametrize(
    ("expectation", "versions", "last"),
    [(WHOLE, ["1.0", "1.0", "2.0"], 2500), (WHOLE, ["2.0"], 0), (SPLIT, ["1.0", "2.0"], None)],
)
def test_when_the_other_version_answered_last(expectation: Expectation, versions: list[str], last: Any) -> None:
    target, patched = series(expectation)
    feed(target, patched, *versions)
    assert target.report()["last_old_ms"] == last


def test_a_report_counts_everything() -> None:
    target, patched = series()
    feed(target, patched, "1.0", "!", "2.0", "3.0")
    assert target.report() == {
        "url": "http://shop",
        "connections": 4,
        "failed": 1,
        "last_error": "timed out",
        "versions": {"1.0": 1, "2.0": 1, "3.0": 1},
        "last_old_ms": 1500,
    }


def test_every_url_is_asked_until_all_are_proven(application: Any) -> None:
    application.answer = lambda: says("2.0" if len(application.seen) > 20 else "1.0")
    probes = [Probe(Identity(header="x-version"), f"http://127.0.0.1:{application.port}/{path}") for path in "ab"]
    deadline = time.monotonic() + 20
    with Prober(probes, WHOLE, Terms(10, 0.1, 30), time.monotonic()) as prober:
        while prober.missing() and time.monotonic() < deadline:
            time.sleep(0.005)
        reports = prober.report()
    assert [report["url"][-1] for report in reports] == ["a", "b"]
    assert all(report["versions"]["2.0"] >= 10 and report["last_old_ms"] > 0 for report in reports)
    assert sum(report["versions"]["1.0"] for report in reports) == 20


def test_connections_are_spread_over_the_time(application: Any) -> None:
    application.answer = lambda: says("2.0")
    asking = Probe(Identity(header="x-version"), f"http://127.0.0.1:{application.port}/")
    began = time.monotonic()
    with Prober([asking], WHOLE, Terms(20, 0.4, 30), began) as prober:
        while prober.missing() and time.monotonic() < began + 20:
            time.sleep(0.005)
    assert time.monotonic() - began >= 0.4
    assert len(application.seen) <= 20 * (time.monotonic() - began) / 0.4 + 5
