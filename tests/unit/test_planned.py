# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release looks at before its first change: roles of this checkout, with stand-ins for what needs a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .stage import StandIn, play

PLANNED = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.deploy, tasks_from: planned.yml}
"""
BUDGETS = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.verify, tasks_from: budgets.yml}
"""
PLAN = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.plan}
"""
IMAGE = "r.example/shop"
ROLLS = {"name": "web", "source": {"kind": "image", "image": IMAGE}, "workloads": [{"name": "web"}]}


def system(planned: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "release_system": "shop",
        "release_version": "1.6",
        "release_cluster": {"namespace": "shop"},
        "release_context": {"components": {"web": planned}},
        **more,
    }


def colours(blue: int) -> dict[str, Any]:
    weights = {"blue": ("1.5", blue), "green": ("1.4", 100 - blue)}
    return {
        "first": False,
        "live": "blue",
        "colours": {name: {"version": version, "weight": weight} for name, (version, weight) in weights.items()},
    }


@pytest.mark.parametrize(
    ("now", "ends", "told"),
    [(100, "failed=0", ""), (0, "failed=1", "web was planned with blue 1.5, and now it is green 1.4.")],
)
def test_a_release_by_colours_does_not_begin_beside_another_one_than_was_planned(
    tmp_path: Path, now: int, ends: str, told: str
) -> None:
    (tmp_path / "play.yml").write_text(PLANNED)
    host = system(colours(100), release_components=[{"name": "web", "entry": {"kind": "service", "name": "web"}}])
    stand_in = StandIn("helm_bluegreen_info", "name", {"web": colours(now)})
    said, found = play(tmp_path, tmp_path / "play.yml", {"shop": host}, stand_in)
    assert (found, ends in said, told in said) == ([["helm_bluegreen_info", "web"]], True, True), said


@pytest.mark.parametrize(
    ("now", "ends", "told"),
    [("1.5", "failed=0", ""), ("1.5.1", "failed=1", "web was planned with 1.5, and now it is 1.5.1.")],
)
def test_what_rolls_does_not_begin_over_another_version_than_was_planned_and_only_looks(
    tmp_path: Path, now: str, ends: str, told: str
) -> None:
    (tmp_path / "play.yml").write_text(PLANNED)
    planned = {"first": False, "live": "1.5", "colours": {}}
    host = system(planned, release_components=[ROLLS], release_strategy="rolling")
    workload = {
        "kind": "Deployment",
        "name": "web",
        "before": {"web": f"{IMAGE}:{now}"},
        "after": {},
        "done": "changed",
    }
    looked = {"changed": True, "workloads": [workload], "plan": [], "digest": "sha256:aa"}
    stand_in = StandIn("rollout", "state", {"released": looked}, only_checks=True)
    said, found = play(tmp_path, tmp_path / "play.yml", {"shop": host}, stand_in)
    assert (found, ends in said, told in said) == ([["rollout", "released"]], True, True), said


def test_what_rolls_is_released_over_a_release_that_is_given_up_wherever_that_stands(tmp_path: Path) -> None:
    """It has no sides of which one would have to be free."""
    (tmp_path / "play.yml").write_text(PLAN)
    images = {"web": f"{IMAGE}:1.6"}
    workload = {"kind": "Deployment", "name": "web", "before": images, "after": images, "done": "nothing"}
    looked = {"changed": False, "workloads": [workload], "plan": [], "digest": "sha256:aa"}
    given_up = {"version": "1.5", "kind": "release", "way": "forward", "sentence": "1.5 stands."}
    host = system({}, release_components=[ROLLS], release_strategy="rolling", release_resume="forward")
    said, found = play(
        tmp_path,
        tmp_path / "play.yml",
        {"shop": host},
        StandIn(
            "release_info",
            "system",
            {"shop": {"unfinished": given_up, "owner": "", "untold": "", "typical_seconds": 0}},
        ),
        StandIn("helm_bluegreen_info", "name", {}),
        StandIn("rollout", "state", {"released": looked}, only_checks=True),
    )
    assert (found, "failed=0" in said) == ([["release_info", "shop"], ["rollout", "released"]], True), said


def test_systems_of_both_strategies_can_be_planned_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAN)
    images = {"web": f"{IMAGE}:1.6"}
    workload = {"kind": "Deployment", "name": "web", "before": images, "after": images, "done": "nothing"}
    looked = {"changed": False, "workloads": [workload], "plan": [], "digest": "sha256:aa"}
    staged = {**colours(100), "awaits_traffic": False, "target": "blue", "digest": "sha256:aa", "plan": []}
    by_colours = {
        "name": "api",
        "source": {"kind": "manifests", "path": "."},
        "entry": {"kind": "service", "name": "api"},
    }
    hosts = {
        "shop": system(
            {}, release_components=[{**by_colours, "urls": [{"url": "http://a"}], "identity": {"json": "v"}}]
        ),
        "club": system({}, release_system="club", release_components=[ROLLS], release_strategy="rolling"),
    }
    nothing = {"unfinished": {}, "owner": "", "untold": "", "typical_seconds": 0}
    said, found = play(
        tmp_path,
        tmp_path / "play.yml",
        hosts,
        StandIn("release_info", "system", {"shop": nothing, "club": nothing}),
        StandIn("helm_bluegreen", "name", {"api": staged}, only_checks=True),
        StandIn("rollout", "name", {"club": looked}, only_checks=True),
    )
    asked = sorted(one for one in found if one[0] != "release_info")
    assert (asked, said.count("failed=0")) == ([["helm_bluegreen", "api"], ["rollout", "club"]], 2), said


@pytest.mark.parametrize(("over", "ends"), [("stop", "failed=1"), ("warn", "failed=0")])
def test_no_traffic_moves_after_a_stage_that_took_longer_than_its_budget(tmp_path: Path, over: str, ends: str) -> None:
    (tmp_path / "play.yml").write_text(BUDGETS)
    host = system({}, release_budgets={"backup": {"longest": "10m", "over": over}})
    began = {"plan": 0.0, "backup": 100.0, "deploy": 824.0}
    shift = {"steps": [100], "hold": 0, "drain": 0}
    host["release_context"] |= {"at": began, "shift": shift, "first": False}
    said, _found = play(tmp_path, tmp_path / "play.yml", {"shop": host})
    assert ends in said, said
    assert ("backup took 12 min 4 s, and its budget is 10 min. No traffic was moved." in said) == (over == "stop"), said
