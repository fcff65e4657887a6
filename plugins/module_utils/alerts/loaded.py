# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that a Prometheus has loaded, against those it should have."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import ReleaseError
from ..tor.sources.base import Ask, World
from ..tor.sources.prometheus import Prometheus
from ..tor.sources.registry import build, mistakes_in
from .rules import Rule

ANSWER = 10.0
"""Seconds an answer may take."""
PAUSE = 1.0

_ANY = "up"

Same = Callable[[str, str], bool]


@dataclass(frozen=True)
class Difference:
    alert: str
    what: str

    @property
    def sentence(self) -> str:
        return f"{self.alert} {self.what}"

    def report(self) -> dict[str, str]:
        return {"alert": self.alert, "what": self.what}


def server(given: Mapping[str, Any]) -> Prometheus:
    """The Prometheus at the place that is given as a source gives it."""
    options = {**given, "kind": "prometheus", "query": _ANY}
    if mistakes := mistakes_in(options):
        raise ReleaseError("; ".join(f"prometheus{mistake}" for mistake in mistakes), where="prometheus")
    return cast("Prometheus", build(options))


def differences(wanted: Rule, groups: Sequence[Mapping[str, Any]], same: Same) -> list[Difference]:
    """What the answer to `/api/v1/rules` has otherwise; `same` tells whether two expressions are one."""
    loaded: dict[str, list[Mapping[str, Any]]] = {}
    for group in groups:
        for rule in group["rules"] if group["name"] == wanted["name"] else ():
            loaded.setdefault(rule["name"], []).append(rule)
    found: list[Difference] = []
    for rule in wanted["rules"]:
        name = rule["alert"]
        found += [Difference(name, what) for what in _of_one(rule, loaded.pop(name, []), same)]
    return found + [Difference(name, "is loaded, and nobody asks for it any more") for name in loaded]


def _of_one(rule: Rule, loaded: Sequence[Mapping[str, Any]], same: Same) -> list[str]:
    if len(loaded) != 1:
        return ["is not loaded"] if not loaded else [f"is loaded {len(loaded)} times"]
    have = loaded[0]
    other = [field for field in ("labels", "annotations") if (have.get(field) or {}) != rule[field]]
    if float(have.get("duration") or 0) != float(rule.get("for", "0s").removesuffix("s")):
        other.append("for")
    if have["query"] != rule["expr"] and not same(have["query"], rule["expr"]):
        other.append("expr")
    said = [f"is loaded otherwise: {', '.join(other)}"] if other else []
    if have.get("health") == "err":
        said.append(f"cannot be evaluated: {have.get('lastError') or 'Prometheus does not say why'}")
    return said


def compare(source: Prometheus, world: World, wanted: Rule, patience: float) -> list[Difference]:
    """The differences there still are after so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        found = _now(source, world, wanted)
        if not found or time.monotonic() + PAUSE > deadline:
            return found
        time.sleep(PAUSE)


def _now(source: Prometheus, world: World, wanted: Rule) -> list[Difference]:
    groups = _asked(source, world, "/api/v1/rules", {"type": "alert"})
    try:
        return differences(
            wanted, groups["groups"], lambda one, two: _written(source, world, one) == _written(source, world, two)
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ReleaseError("the answer has no rules as Prometheus writes them", where=source.where) from exc


def _written(source: Prometheus, world: World, expression: str) -> str:
    """An expression as Prometheus writes it."""
    return str(_asked(source, world, "/api/v1/format_query", {"query": expression}))


def _asked(source: Prometheus, world: World, path: str, query: dict[str, str]) -> Any:
    ask = Ask("value", 1, time.monotonic() + ANSWER)
    answer = source.ask_json(ask, world, path, query)
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise ReleaseError("the answer is not one of Prometheus", where=source.where)
    return answer.get("data")
