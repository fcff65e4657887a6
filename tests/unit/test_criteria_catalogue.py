# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.policy.rules import read_policy
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.observation import looks

from .deceived import deceived

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "criteria"


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate_criteria", FOLDER / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()
CATALOGUES = GENERATOR.catalogues()
GATES = [(name, gate) for name, one in CATALOGUES.items() for gate in one["release_gates"]]


def test_every_runbook_has_a_catalogue() -> None:
    assert len(CATALOGUES) == 5
    assert sum(len(criteria) for one in CATALOGUES.values() for criteria in one["release_gates"].values()) > 150


@pytest.mark.parametrize(("name", "gate"), GATES)
def test_every_criterion_can_be_read_and_names_its_clause(name: str, gate: str) -> None:
    criteria = CATALOGUES[name]["release_gates"][gate]
    assert gate in GENERATOR.GATES
    assert len(parse_criteria(criteria)) == len(criteria)
    assert [one["name"] for one in criteria if not one.get("clause")] == []
    assert len({one["name"] for one in criteria}) == len(criteria)


@pytest.mark.parametrize("name", CATALOGUES)
def test_every_criterion_can_measure_what_it_says(name: str) -> None:
    gates = CATALOGUES[name]["release_gates"]
    assert [one["name"] for criteria in gates.values() for one in criteria if deceived(one)] == []
    early = [*gates.get("preflight", []), *gates.get("staged", [])]
    assert [one["name"] for one in early if "baseline" in str(one["expect"])] == []
    asked = [str(one["source"].get("service", "")) for one in gates.get("staged", [])]
    assert [service for service in asked if service.endswith(("-blue", "-green"))] == []


@pytest.mark.parametrize("name", CATALOGUES)
def test_looks_and_rules_can_be_read_and_are_about_criteria_that_are_there(name: str) -> None:
    catalogue = CATALOGUES[name]
    policy = catalogue["release_rollback"]["policy"]
    observed = {one["name"] for one in catalogue["release_gates"]["observe"]}
    assert looks(catalogue["release_observation"])
    read_policy(policy)
    assert {rule["criterion"] for rule in policy if rule.get("criterion")} <= observed


@pytest.mark.parametrize("name", CATALOGUES)
def test_notes_are_about_criteria_that_are_there(name: str) -> None:
    named = {one["name"] for criteria in CATALOGUES[name]["release_gates"].values() for one in criteria}
    assert set(CATALOGUES[name]["criteria_notes"]) <= named


@pytest.mark.parametrize("name", CATALOGUES)
def test_what_the_runbook_asks_has_one_place(name: str) -> None:
    catalogue = CATALOGUES[name]
    criteria = [one for gate in catalogue["release_gates"].values() for one in gate]
    evaluated = {part for one in criteria for part in re.findall(r"[A-Z]+-\d{3}", str(one["clause"]))}
    covered = [part for ids in catalogue["criteria_covers"].values() for part in ids]
    without = [part for one in catalogue["criteria_without"] for part in one["of"]]
    assert set(catalogue["criteria_covers"]) <= {one["name"] for one in criteria}
    assert all(len(one["reason"].split()) > 3 for one in catalogue["criteria_without"])
    assert sorted({*covered} & {*without}) == sorted(evaluated & {*without}) == []
    assert len(without) == len({*without})


@pytest.mark.parametrize("name", CATALOGUES)
def test_what_production_asks_is_not_called_a_thing_nobody_can_ask(name: str) -> None:
    files = (FOLDER.parents[1] / "inventories" / "prod" / "host_vars" / name).glob("*.yml")
    clauses = [clause for path in files for clause in re.findall(r"clause: *\"?([A-Z0-9, -]+)", path.read_text())]
    asked = {part for clause in clauses for part in re.findall(r"[A-Z]+-\d{3}", clause)}
    denied = [one for one in CATALOGUES[name]["criteria_without"] if "inventories/prod" not in one["reason"]]
    assert sorted(asked & {part for one in denied for part in one["of"]}) == []


@pytest.mark.parametrize("name", CATALOGUES)
def test_pages_are_made_of_the_data(name: str) -> None:
    assert (FOLDER / f"{name}.md").read_text() == GENERATOR.page(name, CATALOGUES[name])


def test_no_threshold_is_lost() -> None:
    """Figures the runbooks state, each held by some criterion."""
    stated = [
        "< 10 %",
        "< 100 kW",
        "> 0.95",
        "< 2 V",
        "< 3 V",
        "> 0.90",
        "< 500 ms",
        "< 1000 ms",
        "< 0.1 %",
        ">= 555",
        "> 80 %",
        "within 1 h",
        "> 30 d",
        "< 1 h",
        "< 2 s",
        "<= 10 /min",
        "<= 2 x baseline",
        "<= 3",
        ">= 70 %",
    ]
    held = {
        str(one["expect"])
        for catalogue in CATALOGUES.values()
        for criteria in catalogue["release_gates"].values()
        for one in criteria
    }
    assert [one for one in stated if one not in held] == []
