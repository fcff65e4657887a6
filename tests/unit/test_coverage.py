# SPDX-License-Identifier: GPL-3.0-or-later
"""Every requirement of the runbooks has a fate, and what it names is there."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SHARED = ROOT.parent / "shared" / "requirements"
HOSTS = {"PEA": "pea", "SOL": "solar", "TEEI": "teei", "NOVA": "novacron", "PIQ": "predictiq"}


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate_coverage", DOCS / "generate_coverage.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()
COVERED = GENERATOR.coverage()
REQUIREMENTS = COVERED["requirements"]
KINDS = GENERATOR.kinds()
MEANS = COVERED["means"]
PARTS = COVERED["parts"]


def options() -> set[str]:
    specs = yaml.safe_load((ROOT / "roles" / "plan" / "meta" / "argument_specs.yml").read_text("utf-8"))
    return set(specs["argument_specs"]["main"]["options"])


def is_there(name: str) -> bool:
    places = (
        ROOT / "plugins" / "modules" / f"{name}.py",
        ROOT / "plugins" / "filter" / f"{name}.py",
        ROOT / "playbooks" / f"{name}.yml",
        ROOT / "roles" / name / "tasks" / "main.yml",
    )
    return name in options() or any(place.is_file() for place in places)


def named_criteria(value: Any) -> Iterator[str]:
    """The names of all criteria below a value."""
    if isinstance(value, dict):
        if "expect" in value and "name" in value:
            yield value["name"]
        for below in value.values():
            yield from named_criteria(below)
    elif isinstance(value, list):
        for below in value:
            yield from named_criteria(below)


CRITERIA = {
    system: {
        name
        for environment in ("prod", "staging")
        for path in (ROOT / "inventories" / environment / "host_vars" / host).glob("*.yml")
        for name in named_criteria(yaml.safe_load(path.read_text("utf-8")))
    }
    for system, host in HOSTS.items()
}


def test_every_requirement_has_a_fate_and_nothing_else_has() -> None:
    assert sorted(REQUIREMENTS) == sorted(KINDS)
    assert len(KINDS) == 989


@pytest.mark.skipif(not SHARED.is_dir(), reason="the requirements are not beside this checkout")
def test_the_ids_and_kinds_are_those_of_the_requirements() -> None:
    asked = {
        one["id"]: one["kind"]
        for path in SHARED.glob("*.yml")
        for one in yaml.safe_load(path.read_text("utf-8"))["requirements"]
    }
    assert asked == KINDS


def test_each_has_one_status() -> None:
    allowed = {*GENERATOR.STATUSES, "criteria"}
    wrong = {
        one: entry
        for one, entry in REQUIREMENTS.items()
        if set(entry) - allowed or len(set(entry) & set(GENERATOR.STATUSES)) != 1
    }
    assert wrong == {}


def test_what_is_done_names_its_means_and_every_means_is_used() -> None:
    used = {entry["done"] for entry in REQUIREMENTS.values() if "done" in entry}
    assert used == set(MEANS)


@pytest.mark.parametrize("name", MEANS)
def test_variables_roles_modules_and_tests_of_a_means_are_there(name: str) -> None:
    assert [by for by in MEANS[name]["by"] if not is_there(by)] == []
    assert MEANS[name]["tests"]
    assert [path for path in MEANS[name]["tests"] if not (ROOT / path).is_file()] == []


def test_criteria_stand_in_the_inventories_of_their_system() -> None:
    missing = {
        one: lost
        for one, entry in REQUIREMENTS.items()
        if (lost := set(entry.get("criteria", [])) - CRITERIA[GENERATOR.system_of(one)])
    }
    assert missing == {}


def test_what_a_criterion_does_names_the_criterion() -> None:
    by_criterion = {name for name, one in MEANS.items() if "release_gates" in one["by"]} - {"clauses"}
    silent = [
        one for one, entry in REQUIREMENTS.items() if entry.get("done") in by_criterion and not entry.get("criteria")
    ]
    assert silent == []


def test_what_is_planned_waits_for_a_part_that_says_it_is_of_its_kind() -> None:
    planned = {one: entry["planned"] for one, entry in REQUIREMENTS.items() if "planned" in entry}
    assert set(planned.values()) <= set(PARTS)
    wrong = {one for one, part in planned.items() if KINDS[one] not in PARTS[part]["kinds"]}
    assert wrong == set()


def test_a_part_claims_no_kind_it_does_not_need() -> None:
    needed = {
        part: {KINDS[one] for one, entry in REQUIREMENTS.items() if entry.get("planned") == part} for part in PARTS
    }
    assert {part: set(one["kinds"]) for part, one in PARTS.items()} == needed


def test_only_reasons_of_some_length_excuse_what_is_not_built() -> None:
    reasons = {
        one: entry.get("policy") or entry.get("declined")
        for one, entry in REQUIREMENTS.items()
        if {"policy", "declined"} & set(entry)
    }
    assert [one for one, reason in reasons.items() if len(str(reason)) < 25] == []


def test_the_page_is_made_of_the_data() -> None:
    assert (DOCS / "coverage.md").read_text("utf-8") == GENERATOR.page(COVERED, KINDS)


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("01[0-5]-*.md")), ids=lambda path: path.stem)
def test_pages_of_defects_name_parts_requirements_and_files_that_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    parts = {part.strip() for said in re.findall(r"planned: ([\w, -]+?) \|", text) for part in said.split(",")}
    assert parts <= set(PARTS)
    assert set(re.findall(r"\b(?:PEA|SOL|TEEI|NOVA|PIQ)-\d{3}\b", text)) <= set(KINDS)
    assert [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not (path.parent / link).exists()] == []
