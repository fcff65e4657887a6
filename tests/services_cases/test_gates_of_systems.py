# SPDX-License-Identifier: GPL-3.0-or-later
"""What production holds its releases to, by what a real Prometheus knows of stand-ins that behave well or do not."""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.baseline import Baseline
from ansible_collections.runbook.release.plugins.module_utils.tor.capture import baseline_of, capture
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stand_ins"))

from app.settings import Fault
from services.prometheus import Prometheus
from services_cases.application import Application
from unit.test_inventories import SYSTEMS, host

ERRORS, DURATIONS = re.compile(r'status=~"5\.\."'), re.compile("http_request_duration_seconds")
OF = re.compile(r'http_request\w+\{(\w+)="([^"]+)"')
FAULTS = {
    "good": Fault(),
    "broken": Fault(error_share=0.5),
    "slow": Fault(latency=4.0),
    "mute": Fault(mute=True),
}
USERS, ENOUGH, PATIENCE = 60, 60, 90
Entry = dict[str, Any]


def asked(system: str, which: re.Pattern[str]) -> list[Entry]:
    """The criteria of all gates about what Prometheus knows of that, by names of which each is one."""
    return [
        {**entry, "name": f"{gate}: {entry['name']}", "source": dict(entry["source"])}
        for gate, entries in host("prod", system)["release_gates"].items()
        for entry in entries
        if entry["source"]["kind"] == "prometheus" and which.search(entry["source"]["query"])
    ]


def labels_of(system: str) -> Mapping[str, str]:
    found = {match for one in asked(system, ERRORS) for match in OF.findall(one["source"]["query"])}
    assert len(found) == 1, "its application is called so everywhere"
    return dict(found)


@pytest.fixture(scope="module")
def known() -> Iterator[Mapping[str, Prometheus]]:
    """By fault the Prometheus that has seen enough of the applications that have it, one of each system."""
    labels = [labels_of(system) for system in SYSTEMS]
    with ExitStack() as stack:
        servers = {}
        for name, fault in FAULTS.items():
            own = stack.enter_context(closing(Application(fault, USERS)))
            servers[name] = stack.enter_context(Prometheus([own.address], labels=labels))
        for name, server in servers.items():
            seen_enough(server, "-min(up)" if name == "mute" else 'min(increase(http_requests_total{path="/"}[5m]))')
        yield servers


def seen_enough(server: Prometheus, query: str) -> None:
    least, until = 0 if query.startswith("-") else ENOUGH, time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{server.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}") as told:
            found = json.load(told)["data"]["result"]
        if found and float(found[0]["value"][1]) >= least:
            return
        time.sleep(0.2)
    pytest.fail(f"{query} was not {least} within {PATIENCE} s")


def verdicts(server: Prometheus, entries: list[Entry], baseline: Baseline | None = None) -> dict[str, str]:
    gate = evaluate(parse_criteria(at(server, entries)), World(baseline=baseline or Baseline()))
    return {one.criterion.name: one.verdict for one in gate.verdicts}


def at(server: Prometheus, entries: list[Entry]) -> list[Entry]:
    """The same, asked of that server."""
    own = {"kind": "prometheus", "url": server.url}
    return [
        {**entry, "source": {**own, **{name: entry["source"][name] for name in ("query", "fresh")}}}
        for entry in entries
    ]


def before(server: Prometheus, entries: list[Entry]) -> Baseline:
    compared = [entry for entry in entries if "baseline" in entry["expect"]]
    return (
        Baseline.parse(baseline_of(capture(parse_criteria(at(server, compared)), World()))) if compared else Baseline()
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_holds_its_releases_to_errors_and_durations(system: str) -> None:
    blocking = [one["name"] for one in asked(system, ERRORS) if one.get("severity") != "advisory"]
    assert {name.partition(":")[0] for name in blocking} >= {"live"}
    assert asked(system, DURATIONS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_behaves_well_passes(known: Mapping[str, Prometheus], system: str) -> None:
    entries = [*asked(system, ERRORS), *asked(system, DURATIONS)]
    found = verdicts(known["good"], entries, before(known["good"], entries))
    assert set(found.values()) == {"pass"}, found


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("fault", "about"), [("broken", ERRORS), ("slow", DURATIONS)])
def test_what_does_not_fails_for_exactly_that(
    known: Mapping[str, Prometheus], system: str, fault: str, about: re.Pattern[str]
) -> None:
    entries = [*asked(system, ERRORS), *asked(system, DURATIONS)]
    found = verdicts(known[fault], entries, before(known["good"], entries))
    failed = {name for name, verdict in found.items() if verdict == "fail"}
    assert failed == {one["name"] for one in asked(system, about)}, found


@pytest.mark.parametrize("system", SYSTEMS)
def test_of_what_nothing_is_known_nothing_passes(known: Mapping[str, Prometheus], system: str) -> None:
    entries = [*asked(system, ERRORS), *asked(system, DURATIONS)]
    found = verdicts(known["mute"], entries, before(known["good"], entries))
    assert set(found.values()) == {"insufficient"}, found
