# SPDX-License-Identifier: GPL-3.0-or-later
"""A variable that nobody reads is refused before anything is done, for without it more is done than was meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.runbook.release.plugins.lookup.unread import LookupModule

from .stage import ROOT, StandIn, play

SHOP: dict[str, Any] = {
    "release_system": "shop",
    "release_environment": "prod",
    "release_cluster": {"namespace": "shop"},
    "release_components": [{"name": "api"}],
    "release_databases": [],
    "release_gates": {"observe": []},
}
ALL = ["maintenance_", "restore_", "rollback_", "scale_", "task_", "incident_"]


@pytest.mark.parametrize(
    ("playbook", "given", "meant"),
    [
        ("rollback", "rollback_component", "rollback_components"),
        ("restore", "restore_database", "restore_databases"),
        ("drill", "drill_databases", "restore_databases"),
        ("observe", "rollback_component", "rollback_components"),
        ("scale", "scale_fr", "scale_for"),
        ("maintenance", "maintenance_task task_witout", "maintenance_tasks task_without"),
        ("build", "task_witout", "task_without"),
        ("incident", "task_revison", "task_revision"),
    ],
)
def test_a_misspelt_variable_is_refused_before_anything_else(
    tmp_path: Path, playbook: str, given: str, meant: str
) -> None:
    undo = {"name": "undo", "workload": {"name": "api", "do": "undo", "revision": "{{ task_revision | default(0) }}"}}
    host = {**SHOP, "release_tasks": [undo], **dict.fromkeys(given.split(), "a")}
    asked = [StandIn(name, "state", {}) for name in ("release_run", "release_info", "release_incident")]
    said, found = play(tmp_path, ROOT / "playbooks" / f"{playbook}.yml", {"shop": host}, *asked)
    for wrong, right in zip(given.split(), meant.split(), strict=True):
        assert f"Unknown variable {wrong}: did you mean {right}?" in " ".join(said.split())
    assert found == []


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Any:
    lookup = LookupModule()
    monkeypatch.setattr(lookup, "set_options", lambda **_given: None)
    monkeypatch.setattr(lookup, "_loader", DataLoader(), raising=False)
    return lambda *prefixes, **variables: lookup.run(list(prefixes), variables)


def test_what_roles_declare_is_read_and_other_prefixes_are_for_others(look: Any) -> None:
    given = ["rollback_components", "rollback_alert", "rollback_version", "restore_databases", "task_consent"]
    assert look("rollback_", "restore_", "task_", **dict.fromkeys(given, "a"), scale_fr="2h") == []
    for path in (ROOT / "roles").glob("*/defaults/main.yml"):
        assert look(*ALL, **yaml.safe_load(path.read_text())) == [], path


def test_what_the_playbooks_and_the_readme_name_is_read(look: Any) -> None:
    named = rf"\b(?:{'|'.join(ALL)})[a-z_]+"
    read = [name for path in (ROOT / "playbooks").glob("*.yml") for name in re.findall(named, path.read_text())]
    typed = re.findall(rf"""-e ["']?\{{?({named})""", (ROOT / "README.md").read_text())
    assert {"maintenance_announce", "rollback_alert"} <= {*read}
    assert {"scale_for", "rollback_components", "incident_cause"} <= {*typed}
    assert look(*ALL, **dict.fromkeys(read + typed, "a")) == []


def test_what_the_inventory_refers_to_is_read(look: Any) -> None:
    tasks = [{"name": "explain", "report": {"statement": "{{ task_statement | default('SELECT 1') }}"}}]
    assert look("task_", task_statement="SELECT 2", release_tasks=tasks) == []
    said = look("task_", task_statment="SELECT 2", release_tasks=tasks)
    assert said == ["Unknown variable task_statment: did you mean task_statement?"]


def test_a_word_in_a_text_and_what_is_internal_to_a_role_is_no_reading(look: Any) -> None:
    internal = {"_scale_state": "{{ scale_undo }}", "note": "scale_undo was set"}
    (said,) = look("scale_", scale_undo=True, **internal)
    assert said.startswith("Unknown variable scale_undo: ")
