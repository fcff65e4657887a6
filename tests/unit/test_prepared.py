# SPDX-License-Identifier: GPL-3.0-or-later
"""No release begins while those who would be called are placeholders, or a Secret has no source: the role preflight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .stage import play

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "runbook.release.preflight"}}],
    }
]


def said(folder: Path, contact: str, **more: Any) -> str:
    host = {
        "release_strategy": "rolling",
        "release_witness": {"rate": 0},
        "release_cluster": {"namespace": "shop"},
        "release_components": [],
        "release_incidents": {"escalation": [{"role": "Security Lead", "contact": contact}]},
        **more,
    }
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    return play(folder, folder / "play.yml", {"shop": host})[0]


@pytest.mark.parametrize("contact", ["[Email/Phone]", "TBD"])
def test_a_placeholder_among_the_contacts_is_refused(tmp_path: Path, contact: str) -> None:
    told = said(tmp_path, contact)
    assert "failed=1" in told
    assert f"release_incidents.escalation Security Lead.contact is still '{contact}'" in told


def test_a_contact_that_is_one_is_not(tmp_path: Path) -> None:
    assert "failed=0" in (told := said(tmp_path, "security@shop.example.com")), told


@pytest.mark.parametrize(("without", "failed"), [({}, 1), ({"rotate": "nobody keeps a value here"}, 0)])
def test_a_secret_that_no_task_could_fill_is_refused_unless_the_task_is_left_out(
    tmp_path: Path, without: dict[str, str], failed: int
) -> None:
    rotate = {"name": "rotate", "secret": {"name": "database"}}
    told = said(tmp_path, "security@shop.example.com", release_tasks=[rotate], task_without=without)
    assert f"failed={failed}" in told
    assert ("Task rotate fills the Secret database" in told) == bool(failed), told
