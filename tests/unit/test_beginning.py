# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role that begins a release asks for, and what it hands on to the stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .stage import StandIn, play

BEGIN = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.begin}
    - debug: {msg: "over {{ release_context.shift.steps | join(' and ') }} %"}
"""
FOUND = {
    "decision": "continue",
    "sentence": "it continues.",
    "version": "1.6",
    "plan": "sha256:aa",
    "first": False,
    "weight": 5,
    "migrations": [],
    "starter": "alice@example.com",
    "approvals": [],
    "rolled": [],
    "alone": [],
    "run": {},
}


def release(**more: Any) -> dict[str, Any]:
    return {
        "release_system": "shop",
        "release_version": "1.6",
        "release_cluster": {"namespace": "shop"},
        "release_components": [{"name": "web"}],
        "release_starter": "bob@example.com",
        "release_context": {
            "environment": "prod",
            "plan": {"digest": "sha256:aa", "inputs": {}, "plan": {"components": []}},
            "shift": {"steps": [5, 25, 100], "hold": 0, "drain": 0},
            "lock": {"ttl": 60},
            "first": False,
            "todo": ["web"],
            "resumed": True,
        },
        **more,
    }


@pytest.mark.parametrize(
    ("policy", "option", "asked", "steps"),
    [("continue", "resumed", True, "5 and 25 and 100"), ("forward", "starter", "bob@example.com", "100")],
)
def test_who_goes_on_says_so_and_forward_does_with_all_the_traffic_at_once(
    tmp_path: Path, policy: str, option: str, asked: Any, steps: str
) -> None:
    (tmp_path / "play.yml").write_text(BEGIN)
    stand_in = StandIn("release_run", option, {asked: FOUND})
    said, found = play(tmp_path, tmp_path / "play.yml", {"shop": release(release_resume=policy)}, stand_in)
    assert found == [["release_run", asked]], said
    assert f"over {steps} %" in said
