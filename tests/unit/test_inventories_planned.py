# SPDX-License-Identifier: GPL-3.0-or-later
"""Every host of the inventories can be planned: its variables pass, and its plan says what the inventory says.

The playbook `plan` of this checkout runs with stand-ins for the modules that ask a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .stage import ROOT, StandIn, play
from .test_inventories import ENVIRONMENTS, SYSTEMS, host

PLAYBOOK = ROOT / "playbooks" / "plan.yml"
NOTHING_BEFORE = {"unfinished": {}, "owner": {}, "untold": "", "typical_seconds": 0, "releases": [], "holds": []}
DIGEST = f"sha256:{'a' * 64}"
BEFORE, VERSION = "2.3.0", "2.4.0"

Given = Mapping[str, Any]


def rolls(variables: Given) -> bool:
    return bool(variables.get("release_strategy") == "rolling")


def rolled(variables: Given) -> dict[str, Any]:
    """What rollout would do to every workload of a host."""
    told = [
        {
            "kind": workload.get("kind", "Deployment"),
            "name": workload["name"],
            "before": {"app": f"{component['source']['image']}:{BEFORE}"},
            "after": {"app": f"{component['source']['image']}:{VERSION}"},
            "done": "changed",
            "pods": component.get("replicas", 1),
        }
        for component in variables["release_components"]
        for workload in component["workloads"]
    ]
    return {"changed": True, "digest": DIGEST, "plan": [], "workloads": told}


STAGED = {
    "changed": True,
    "awaits_traffic": True,
    "first": False,
    "live": "blue",
    "target": "green",
    "version": VERSION,
    "digest": DIGEST,
    "capacity": {},
    "colours": {"blue": {"version": BEFORE, "weight": 100}, "green": {"version": "", "weight": 0}},
    "plan": [],
}


def staged(component: Given) -> dict[str, Any]:
    """What helm_bluegreen would do to a component."""
    files = [{"name": name, "digest": DIGEST} for name in values_files(component)]
    return {**STAGED, "values_files": files}


def values_files(component: Given) -> list[str]:
    return [Path(path).name for path in component["source"].get("values_files", [])]


def hosts(environment: str, strategy: str) -> dict[str, Given]:
    found = {name: host(environment, name) for name in SYSTEMS}
    return {name: one for name, one in found.items() if one.get("release_strategy", "bluegreen") == strategy}


def plans(folder: Path, systems: Mapping[str, Given]) -> tuple[str, dict[str, Given]]:
    """What the playbook said, and the plan of each system."""
    there = {"release_namespace": {"create": False}}  # there is no cluster that could have one
    named = {name: {**one, **there, "release_plan_path": str(folder / "plans" / name)} for name, one in systems.items()}
    components = [one for variables in systems.values() for one in variables["release_components"]]
    in_place = {name: rolled(one) for name, one in systems.items() if rolls(one)}
    (folder / "plans").mkdir()
    said, _asked = play(
        folder,
        PLAYBOOK,
        named,
        StandIn("release_info", "system", dict.fromkeys(systems, NOTHING_BEFORE)),
        StandIn("helm_bluegreen", "name", {one["name"]: staged(one) for one in components}, only_checks=True),
        StandIn("rollout", "name", in_place, only_checks=True),
    )
    written = {path.parent.name: json.loads(path.read_text())["plan"] for path in folder.glob("plans/*/plan.json")}
    return said, written


def told(plan: Given) -> dict[str, Any]:
    """Of a plan what an inventory decides."""
    return {
        "environment": plan["environment"],
        "version": plan["version"],
        "components": [(one["name"], one["live"], one["changes"]) for one in plan["components"]],
        "values files": [[file["name"] for file in one["values"].get("files", [])] for one in plan["components"]],
        "gates": {gate: [one["name"] for one in criteria] for gate, criteria in plan["gates"].items() if criteria},
        "migrations": [one["name"] for one in plan["migrations"]],
        "backups": len(plan["backups"]),
        "windows": plan["windows"],
        "approvals": plan["approvals"],
        "surge": plan.get("rolling", {}).get("surge", ""),
    }


def declared(environment: str, variables: Given) -> dict[str, Any]:
    """The same of an inventory, over a version that runs."""
    live = BEFORE if rolls(variables) else f"blue {BEFORE}"
    gates = variables["release_gates"].items()
    return {
        "environment": environment,
        "version": VERSION,
        "components": [(one["name"], live, True) for one in variables["release_components"]],
        "values files": [values_files(one) for one in variables["release_components"]],
        "gates": {gate: [one["name"] for one in criteria] for gate, criteria in gates if criteria},
        "migrations": [one["name"] for one in variables["release_migrations"]],
        "backups": len(variables["release_databases"]),
        "windows": variables.get("release_windows", []),
        "approvals": {
            when: roles for when, roles in variables.get("release_approvals", {}).items() if isinstance(roles, dict)
        },
        "surge": str(variables.get("release_rolling", {}).get("surge", "")),
    }


@pytest.mark.parametrize("strategy", ["bluegreen", "rolling"])
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_plan_of_a_host_says_what_its_inventory_says(tmp_path: Path, environment: str, strategy: str) -> None:
    systems = hosts(environment, strategy)
    said, written = plans(tmp_path, systems)
    assert {name: told(plan) for name, plan in written.items()} == {
        name: declared(environment, variables) for name, variables in systems.items()
    }, said
