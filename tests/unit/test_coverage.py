# SPDX-License-Identifier: GPL-3.0-or-later
"""Every requirement of the runbooks has a fate, and what it names is there."""

from __future__ import annotations

import importlib.util
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
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


@cache
def options() -> set[str]:
    """The variables of all roles."""
    found: set[str] = set()
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        found |= set(yaml.safe_load(path.read_text("utf-8"))["argument_specs"].get("main", {}).get("options", {}))
    return found


def is_there(name: str) -> bool:
    places = (
        ROOT / "plugins" / "modules" / f"{name}.py",
        ROOT / "plugins" / "filter" / f"{name}.py",
        ROOT / "playbooks" / f"{name}.yml",
        ROOT / "roles" / name / "tasks" / "main.yml",
    )
    return name in options() or any(place.is_file() for place in places)


def criteria_below(value: Any) -> Iterator[tuple[str, str]]:
    """Name and kind of source of all criteria below a value."""
    if isinstance(value, dict):
        if isinstance(value.get("source"), dict) and "expect" in value and "name" in value:
            yield value["name"], value["source"]["kind"]
        for below in value.values():
            yield from criteria_below(below)
    elif isinstance(value, list):
        for below in value:
            yield from criteria_below(below)


SOURCE_KINDS: dict[tuple[str, str], set[str]] = defaultdict(set)
for system, host in HOSTS.items():
    for environment in ("prod", "staging"):
        for path in (ROOT / "inventories" / environment / "host_vars" / host).glob("*.yml"):
            for name, kind in criteria_below(yaml.safe_load(path.read_text("utf-8"))):
                SOURCE_KINDS[system, name].add(kind)
CRITERIA = {system: {name for of, name in SOURCE_KINDS if of == system} for system in HOSTS}
SOURCES = {
    "reports": {"junit", "coverage", "k6", "licences", "sonarqube", "trivy"},
    "logs": {"alertmanager", "grafana", "logs", "opensearch"},
    "smoke": {"http", "service"},
    **{name: {name} for name in ("command", "exec", "file", "http", "kubernetes", "model", "prometheus", "redis")},
    **{name: {name} for name in ("service", "sql")},
}
"""The kinds of sources that each means is about."""


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


@pytest.mark.parametrize("name", MEANS)
def test_what_a_means_counts_on_is_in_make_test(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision 026: neither a scenario that only make thorough runs, nor a file that is thorough as a whole."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    import run

    scenarios = {path: f"molecule:{path.split('/')[1]}" for path in MEANS[name]["tests"] if path.startswith("molecule")}
    assert [path for path, step in scenarios.items() if step in run.ONLY_BY_NAME] == []
    marked = re.compile(r"^pytestmark = .*\bmark\.thorough\b", re.MULTILINE)
    assert [path for path in MEANS[name]["tests"] if marked.search((ROOT / path).read_text("utf-8"))] == []


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


def test_a_criterion_that_does_it_is_of_the_kind_that_is_named() -> None:
    """Of several criteria one, as some requirements are about two things."""
    of_another = {
        one: entry
        for one, entry in REQUIREMENTS.items()
        if entry.get("done") in SOURCES
        and not any(SOURCE_KINDS[GENERATOR.system_of(one), name] & SOURCES[entry["done"]] for name in entry["criteria"])
    }
    assert of_another == {}


def clauses_below(value: Any) -> Iterator[str]:
    """The ids that the clauses below a value name."""
    if isinstance(value, dict):
        yield from re.findall(r"[A-Z]+-\d{3}", str(value.get("clause", "")))
        for below in value.values():
            yield from clauses_below(below)
    elif isinstance(value, list):
        for below in value:
            yield from clauses_below(below)


def clauses_of(variable: str) -> set[str]:
    """What one variable of the five systems in production names."""
    paths = (path for host in HOSTS.values() for path in (ROOT / "inventories/prod/host_vars" / host).glob("*.yml"))
    return {one for path in paths for one in clauses_below(yaml.safe_load(path.read_text("utf-8")).get(variable))}


TASKS, ALERTS = "release_tasks", "release_alerts"
NAMED_BY = {
    **dict.fromkeys(("task", "remedy", "scaled", "drill", "database_work", "cache", "certificate", "rotation"), TASKS),
    "alerts": ALERTS,
}
"""What has to name the clause of a requirement that is done by a means."""


@pytest.mark.parametrize("variable", [TASKS, ALERTS])
def test_what_a_task_or_an_alert_does_is_the_clause_of_one(variable: str) -> None:
    clauses = clauses_of(variable)
    silent = [
        one for one, entry in REQUIREMENTS.items() if NAMED_BY.get(entry.get("done")) == variable and one not in clauses
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


def decided(path: Path) -> list[list[str]]:
    """The rows of a page of defects: the defect, what our version does, and where."""
    rows = [line for line in path.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return [row for row in cells if row[0] != "defect"]


def said_of(host: str) -> str:
    """Everything that a page about a system may name: its inventories, and what reads them."""
    inventories = [
        *(ROOT / "inventories").glob(f"*/host_vars/{host}/*.yml"),
        ROOT / "inventories/systems" / f"{host}.yml",
    ]
    code = [path for folder in ("plugins", "roles", "playbooks") for path in (ROOT / folder).rglob("*.*")]
    texts = [path.read_text("utf-8") for path in (*inventories, *code) if path.suffix in (".yml", ".py")]
    names = [str(path.relative_to(ROOT)) for path in (*inventories, *code, *(ROOT / "tests" / "unit").glob("*.py"))]
    roles = [path.name for path in (ROOT / "roles").iterdir()]
    return "\n".join((*texts, *names, *roles))


DEFECTS = {path.stem.rpartition("-")[2]: path for path in sorted((DOCS / "decisions").glob("01[1-5]-*.md"))}


@pytest.mark.parametrize("host", HOSTS.values())
def test_a_defect_is_decided_once_and_what_decides_it_is_there(host: str) -> None:
    rows = decided(DEFECTS[host])
    assert [row for row in rows if len(row) != 3 or not all(row)] == []
    assert len({row[0] for row in rows}) == len(rows) > 20
    known = said_of(host)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row[2])]
    lost = [name for name in named if name not in known and not all(part in known for part in name.split("."))]
    assert lost == []
