# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which components say what their strategy cannot use, or lack what it needs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .heard import lost_name
from .order import after_of, mistakes
from .rolling import BLUEGREEN, IMAGE, KINDS, NOT_HELD, ROLLING, keys

JUDGED = ("step", "live", "observe")

Given = Mapping[str, Any]


def unfit(strategy: str, components: Sequence[Given], gates: Given, policy: Sequence[Given] = ()) -> list[str]:
    """One sentence for everything that does not fit; ``policy`` are the rules of release_rollback."""
    check = {BLUEGREEN: _of_colours, ROLLING: _in_place}[strategy]
    told = [f"Component {one['name']} {what}." for one in components for what in (*check(one), *_of_no_chart(one))]
    if strategy == ROLLING:
        told += [*_twice(components), *mistakes(after_of(components)), *_gates(gates)]
    return [*told, *_policy(strategy, components, policy), *_unmeasured(components, gates, policy)]


def _of_colours(component: Given) -> Iterator[str]:
    if not component.get("entry"):
        yield (
            f"has no entry, which release_strategy {BLUEGREEN} needs; what gets no traffic is named in workers of the "
            "component whose colour it follows"
        )
    for name in ("urls", "identity"):
        if not component.get(name):
            yield f"has no {name}, which release_strategy {BLUEGREEN} needs"
    for name in ("workloads", "after"):
        if component.get(name):
            yield f"has {name}, which only release_strategy {ROLLING} reads"


def _in_place(component: Given) -> Iterator[str]:
    kind = component["source"].get("kind")
    if not component.get("workloads"):
        yield f"has no workloads, which release_strategy {ROLLING} needs"
    for name in ("entry", "services", "port", "workers", "hand_over"):
        if component.get(name):
            yield f"has {name}, which only release_strategy {BLUEGREEN} reads"
    if bool(component.get("urls")) != bool(component.get("identity")):
        yield "has one of urls and identity, and a witness needs both"
    if kind not in KINDS:
        yield f"has a source of the kind {kind}, and release_strategy {ROLLING} takes {', '.join(KINDS)}"
    needed = "image" if kind == IMAGE else "path"
    if kind in KINDS and not component["source"].get(needed):
        yield f"has a source of the kind {kind} without {needed}"


def _of_no_chart(component: Given) -> Iterator[str]:
    source = component.get("source") or {}
    if source.get("values_files") and source.get("kind") != "helm":
        yield f"has values_files for a source of the kind {source.get('kind')}, and only a chart has values"


def _twice(components: Sequence[Given]) -> Iterator[str]:
    every = [key for one in components for key in keys(one)]
    for kind, name in sorted({key for key in every if every.count(key) > 1}):
        yield f"{kind} {name} is a workload of two components."


def _gates(gates: Given) -> Iterator[str]:
    for name in NOT_HELD:
        if gates.get(name):
            yield (
                f"release_gates.{name} has criteria, and release_strategy {ROLLING} never holds that gate: "
                "it changes what carries the traffic. Do: move them to preflight or live."
            )


def _policy(strategy: str, components: Sequence[Given], policy: Sequence[Given]) -> Iterator[str]:
    there = {one["name"] for one in components}
    alone = dict.fromkeys(str(rule["component"]) for rule in policy if rule.get("component"))
    for name in alone:
        if name not in there:
            yield f"release_rollback.policy takes {name} back, and no component is called so."
        elif strategy != ROLLING:
            yield f"release_rollback.policy takes {name} back alone, which only release_strategy {ROLLING} can."


def _unmeasured(components: Sequence[Given], gates: Given, policy: Sequence[Given]) -> Iterator[str]:
    """A rule about what nobody measures would never send anything back."""
    criteria = [one for gate in JUDGED for one in gates.get(gate) or []]
    criteria += [one for component in components for one in component.get("smoke") or []]
    there = {one.get("name") for one in criteria} | {lost_name(one["name"]) for one in components}
    gates_told = ", ".join(JUDGED)
    for name in dict.fromkeys(rule["criterion"] for rule in policy if rule.get("criterion")):
        if name not in there:
            yield f"release_rollback.policy is about {name}, and no criterion of the gates {gates_told} is called so."
