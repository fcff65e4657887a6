# SPDX-License-Identifier: GPL-3.0-or-later
"""How traffic goes back to a version that is too small: the role rollback, with stand-ins for what needs a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .stage import StandIn, play

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "runbook.release.rollback"}}],
    }
]
SMALL = {"failed": True, "msg": "blue is too small: 2 of 10 pods are ready. Do: say why with -e release_force"}
FULL = {"failed": True, "msg": "blue is not ready: exceeded quota"}


def back(folder: Path, *, switch: dict[str, Any], warm: dict[str, Any], **variables: Any) -> tuple[str, list[Any]]:
    """What was said, and what was done: every switch by its ``force``, every change of a colour by its state."""
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    host = {
        "release_system": "shop",
        "release_cluster": {"namespace": "shop"},
        "release_components": [
            {"name": "shop", "entry": {"kind": "httproute", "name": "shop"}, "urls": [], "identity": {}}
        ],
        **variables,
    }
    return play(
        folder,
        folder / "play.yml",
        {"shop": host},
        StandIn("traffic_switch", "force", switch),
        StandIn("helm_bluegreen", "state", {"warm": warm}),
        StandIn("evidence", "namespace", {}),
    )


def test_a_version_that_is_large_enough_gets_the_traffic_at_once(tmp_path: Path) -> None:
    said, done = back(tmp_path, switch={}, warm={})
    assert "failed=0" in said
    assert done == [["traffic_switch", ""], ["evidence", "shop"], ["helm_bluegreen", "retired"]]


def test_a_version_that_is_too_small_is_brought_up_first_and_not_measured_again(tmp_path: Path) -> None:
    """Its autoscaler may allow no more, and what is live may have grown meanwhile."""
    said, done = back(tmp_path, switch={"": SMALL}, warm={})
    assert "failed=0" in said
    (_refused, warmed, switched, *after) = done
    assert (warmed, switched[0], after[-1]) == (
        ["helm_bluegreen", "warm"],
        "traffic_switch",
        ["helm_bluegreen", "retired"],
    )
    assert switched[1], "it was measured again"


def test_a_version_that_cannot_be_brought_up_leaves_the_traffic_and_says_what_to_do(tmp_path: Path) -> None:
    said, done = back(tmp_path, switch={"": SMALL}, warm=FULL)
    assert "failed=1" in said
    assert done == [["traffic_switch", ""], ["helm_bluegreen", "warm"], ["traffic_switch", ""]]
    last = said[said.rindex("TASK") :]
    assert "release_force" in last
    assert "exceeded quota" in said


def test_with_a_reason_it_gets_the_traffic_though_it_cannot_be_brought_up(tmp_path: Path) -> None:
    said, done = back(tmp_path, switch={"": SMALL}, warm=FULL, release_force="the quota is full")
    assert "failed=0" in said
    assert done[:3] == [["traffic_switch", ""], ["helm_bluegreen", "warm"], ["traffic_switch", "the quota is full"]]
