# SPDX-License-Identifier: GPL-3.0-or-later
"""Error shares, and a policy over them: every 5 seconds the share of answers that were errors, in percent.

`simulated_error_share.csv` has those of 500 answers each (binomial, with a fixed seed); empty is a scrape that failed.
`recorded_error_share.csv` has what a real Prometheus told of stand-ins that misbehave under load, as
`tests/services_cases/record_error_share.py` writes it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.policy.engine import Decision, Engine
from ansible_collections.runbook.release.plugins.module_utils.policy.rules import read_policy

BEGAN = 1_795_000_000.0
MATRIX = [
    {"when": "all", "action": "rollback"},
    {"criterion": "errors", "when": "> 20 %", "action": "rollback"},
    {"criterion": "errors", "when": "10 %..20 %", "action": "rollback", "after": "5m"},
    {"criterion": "errors", "when": "5 %..10 %", "action": "watch"},
]
UP = {"name": "up", "severity": "blocking", "verdict": "pass", "observed": True, "unit": ""}


def finding(percent: float | None) -> dict[str, Any]:
    """The look at one scrape, with 5 % as what the criterion expects."""
    verdict = "error" if percent is None else "fail" if percent >= 5 else "pass"
    return {"name": "errors", "severity": "advisory", "verdict": verdict, "observed": percent, "unit": "%"}


def series_of(origin: str) -> dict[str, list[tuple[float, float | None]]]:
    """Those that were `simulated` or `recorded`, by their names."""
    series: dict[str, list[tuple[float, float | None]]] = {}
    with Path(__file__).with_name(f"{origin}_error_share.csv").open() as lines:
        for row in csv.DictReader(lines):
            percent = float(row["percent"]) if row["percent"] else None
            series.setdefault(row["series"], []).append((float(row["second"]), percent))
    return series


def replayed(series: Sequence[tuple[float, float | None]], policy: Any = None) -> Iterator[tuple[float, Decision]]:
    """Every decision that is another one than before, with the second it was made in."""
    engine, before = Engine(read_policy(MATRIX if policy is None else policy)), None
    for second, percent in series:
        engine.see(BEGAN + second, [finding(percent), UP])
        found = engine.decision()
        if before is None or found.key != before:
            before = found.key
            yield second, found
