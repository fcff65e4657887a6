# SPDX-License-Identifier: GPL-3.0-or-later
"""A version that is live already is not released again, but what a dead run left is put in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .stage import StandIn, play

BEGIN = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.plan}
    - import_role: {name: runbook.release.approve}
    - import_role: {name: runbook.release.begin}
    - debug: {msg: "decided {{ release_context.decision }}"}
"""
KNOWN: dict[str, Any] = {
    "unfinished": {},
    "untold": "",
    "owner": {},
    "typical_seconds": 0.0,
    "holds": [],
    "releases": [],
}
LIVE = {"changed": False, "first": False, "awaits_traffic": False, "live": "blue", "target": "blue", "colours": {}}
DECIDED = {
    **{"decision": "nothing", "sentence": "1.6 is live already", "version": "1.6", "plan": "", "first": False},
    **{"weight": 0, "migrations": [], "starter": "", "approvals": [], "rolled": [], "alone": [], "run": {}},
}
SYSTEM = {
    "release_system": "shop",
    "release_version": "1.6",
    "release_environment": "prod",
    "release_cluster": {"namespace": "shop"},
    "release_approvals": {"before": {"lead": 1}, "signers": "/nowhere", "path": "/nowhere"},
    "release_components": [
        {
            "name": "web",
            "source": {"kind": "manifests", "path": "/srv/web"},
            "entry": {"kind": "service", "name": "web"},
            "urls": [{"url": "http://web.example/"}],
            "identity": {"json": "version"},
        }
    ],
}


@pytest.mark.parametrize(
    ("left", "begun"),
    [
        ({}, []),
        ({"untold": "shop-prod-1-6-20261125t190000z"}, [["release_run", False]]),
        ({"owner": {"holder": "bob@laptop"}}, [["release_run", False]]),
    ],
    ids=["nothing", "an end the index was not told", "a lock"],
)
def test_what_a_dead_run_left_is_put_in_order(tmp_path: Path, left: dict[str, Any], begun: list[Any]) -> None:
    (tmp_path / "play.yml").write_text(BEGIN)
    stand_ins = [
        StandIn("release_info", "version", {"": {**KNOWN, **left}}),
        StandIn("helm_bluegreen", "state", {"": LIVE, "staged": LIVE}),
        StandIn("release_run", "changes", {False: DECIDED}),
    ]
    said, found = play(tmp_path, tmp_path / "play.yml", {"shop": SYSTEM}, *stand_ins)
    assert [one for one in found if one[0] == "release_run"] == begun, said
    assert "decided nothing" in said
