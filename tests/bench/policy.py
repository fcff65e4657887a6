# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to follow a rollback policy: the decision out of 10,000 looks."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "build" / "collections"))

from ansible_collections.runbook.release.plugins.module_utils.policy.engine import Engine
from ansible_collections.runbook.release.plugins.module_utils.policy.rules import read_policy

if TYPE_CHECKING:
    from runner import Line

SAMPLES, ROUNDS, GOAL = 10_000, 20, 50.0
COMPONENTS = 16
BANDS = [
    {"when": "all", "action": "rollback"},
    {"criterion": "error share", "when": "> 20 %", "action": "rollback"},
    {"criterion": "error share", "when": "10 %..20 %", "action": "rollback", "after": "99d"},
    {"criterion": "error share", "when": "5 %..10 %", "action": "watch"},
    {"criterion": "health", "when": "failed", "times": 1000, "action": "rollback"},
]
ALONE = [
    {"criterion": f"health of {number}", "when": "failed", "action": "rollback", "component": str(number)}
    for number in range(COMPONENTS)
]
UP = {"name": "up", "severity": "blocking", "verdict": "pass", "observed": True, "unit": ""}
Look = list[dict[str, Any]]


def finding(name: str, verdict: str, observed: Any, unit: str = "") -> dict[str, Any]:
    return {"name": name, "severity": "blocking", "verdict": verdict, "observed": observed, "unit": unit}


def errors(percent: float) -> dict[str, Any]:
    return finding("error share", "fail" if percent >= 5 else "pass", round(percent, 2), "%")


def calm(chance: random.Random) -> Look:
    return [errors(chance.uniform(0, 1)), finding("health", "pass", True)]


def restless(chance: random.Random) -> Look:
    """In and out of every band but the last one, and of the health check as well."""
    sick = chance.random() < 0.3
    return [errors(chance.uniform(0, 20)), finding("health", "fail" if sick else "pass", not sick), UP]


def crowd(chance: random.Random) -> Look:
    return [*restless(chance), *(finding(f"health of {number}", "pass", True) for number in range(COMPONENTS))]


def took(policy: list[dict[str, Any]], looks: list[Look]) -> float:
    """Milliseconds of the processor from the rules as they are written to the decision."""
    began = time.process_time()
    engine = Engine(read_policy(policy))
    for second, findings in enumerate(looks):
        engine.see(float(second), findings)
    engine.decision()
    return 1000 * (time.process_time() - began)


def policy() -> Iterator[Line]:
    from runner import Line

    cases: tuple[tuple[str, Any, Callable[[random.Random], Look], float | None], ...] = (
        ("a good version", BANDS, calm, GOAL),
        ("in and out of bands", BANDS, restless, GOAL),
        (f"the same with {COMPONENTS} components", [*ALONE, *BANDS], crowd, None),
    )
    for title, rules, look, goal in cases:
        chance = random.Random(1)
        looks = [look(chance) for _sample in range(SAMPLES)]
        values = [took(rules, looks) for _round in range(ROUNDS)]
        yield Line(f"policy: decision on {SAMPLES} samples, {title}", values, "ms", goal)
