# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever gives a variable with -e name=value gives a text, and "false" is a text that is not empty."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .stage import ROOT, StandIn, play
from .test_maintaining import BEGUN

OF_PLAYBOOKS = {"init_replace"}
INTERNAL = {"plan_written"}
"""Given by a playbook to the role that it imports."""

CHOOSES = re.compile(r"\b(if|and|or|not|ternary)\b")


def switches() -> set[str]:
    """What the roles declare as a bool, and what only a playbook reads."""
    found = set(OF_PLAYBOOKS)
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            found |= {name for name, option in entry.get("options", {}).items() if option["type"] == "bool"}
    return found - INTERNAL


def conditions(part: Any) -> Iterator[str]:
    """What is decided by: the conditions of tasks, and templates that choose."""
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from conditions(value)
    for key in ("when", "that", "failed_when", "changed_when", "until"):
        if isinstance(part, dict) and key in part:
            yield from map(str, part[key] if isinstance(part[key], list) else [part[key]])
    for value in part.values() if isinstance(part, dict) else ():
        if isinstance(value, str):
            yield from (one for one in re.findall(r"\{\{(.*?)\}\}", value, re.DOTALL) if CHOOSES.search(one))


def test_a_switch_is_read_as_one_wherever_something_is_decided_by_it() -> None:
    known = switches()
    assert {"release_takeover", "scale_back", "maintenance_announce"} <= known
    name = re.compile(rf"\b({'|'.join(sorted(known))})\b(?! *(\| *default\([^)]*\) *)?\| *bool)")
    files = [*(ROOT / "roles").glob("*/tasks/**/*.yml"), *(ROOT / "roles").glob("*/vars/*.yml")]
    bare = {
        f"{path.relative_to(ROOT)}: {condition}"
        for path in [*files, *(ROOT / "playbooks").glob("*.yml")]
        for condition in conditions(yaml.safe_load(path.read_text()))
        if name.search(re.sub(r"'[^']*'", "''", condition))
    }
    assert bare == set()


NAMED = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.restore, tasks_from: check.yml}
    - import_role: {name: runbook.release.begin, tasks_from: back.yml}
"""


@pytest.mark.parametrize("name", ["shop", "shop, of others"])
def test_a_text_where_names_are_asked_for_is_one_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "play.yml").write_text(NAMED)
    store = {"server": {"host": "db"}, "store": {"path": "/nowhere"}}
    host = {
        "release_system": "shop",
        "release_environment": "prod",
        "release_cluster": {"namespace": "shop"},
        "release_strategy": "rolling",
        "release_components": [{"name": one} for one in ("shop", name)],
        "release_databases": [{"name": one, **store} for one in ("sho", *{"shop", name})],
        "restore_databases": name,
        "rollback_components": name,
    }
    said, found = play(
        tmp_path,
        tmp_path / "play.yml",
        {"shop": host},
        StandIn("pg_restore", "database", {name: {"backup": "b1"}}),
        StandIn("release_run", "alone", {json.dumps([name]): {**BEGUN, "run": {}}}),
    )
    assert found == [["pg_restore", name], ["release_run", json.dumps([name])]], said
