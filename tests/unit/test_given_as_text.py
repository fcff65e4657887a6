# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever gives a variable with -e name=value gives a text, and "false" is a text that is not empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
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
