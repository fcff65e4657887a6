# SPDX-License-Identifier: GPL-3.0-or-later
"""scale.yml: what is asked for, what is told before it, and what becomes of it when it does not become ready."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .stage import StandIn, play

SCALE = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.scale, tasks_from: check.yml}
    - import_role: {name: runbook.release.scale}
    - debug: {msg: "then: {{ release_context.tasks[0].verdict }} {{ release_context.tasks[0].why }}"}
    - debug: {msg: "failure: {{ release_context.failure.reason | default('none') }}"}
"""
SHOP: dict[str, Any] = {
    "release_system": "shop",
    "release_cluster": {"namespace": "shop"},
    "release_components": [{"name": "api", "replicas": 3, "entry": {"kind": "service", "name": "api"}}],
    "release_deadman": {"image": "registry.example/python:3"},
}
CHANGED = {
    "changed": True,
    "plan": ["scale Deployment api-blue from 3 to 5"],
    "room": "there is room for 2 more pods: ResourceQuota team and 3 nodes",
    "before": {"Deployment api-blue replicas": 3},
    "after": {"Deployment api-blue replicas": 5},
}


def scale(tmp_path: Path, key: str, results: dict[Any, Any], **asked: Any) -> tuple[str, list[Any]]:
    (tmp_path / "play.yml").write_text(SCALE)
    return play(tmp_path, tmp_path / "play.yml", {"shop": {**SHOP, **asked}}, StandIn("workload_change", key, results))


def test_baseline_now_and_then_are_told_before_it_is_done(tmp_path: Path) -> None:
    temporary = {"for": "2h", "reason": "a campaign"}
    text = json.dumps(temporary)
    asked = {"scale_component": "api", "scale_replicas": 5, "scale_for": "2h", "scale_reason": "a campaign"}
    said, found = scale(tmp_path, "temporary", {text: CHANGED}, **asked)
    assert found == [["workload_change", text], ["workload_change", text]], said
    assert "The baseline of api is 3 replicas." in said
    assert "It would scale Deployment api-blue from 3 to 5." in said
    assert "There is room for 2 more pods: ResourceQuota team and 3 nodes." in said
    assert "then: done scale Deployment api-blue from 3 to 5" in said


@pytest.mark.parametrize(
    "asked",
    [
        {"scale_component": "api"},
        {"scale_replicas": 5},
        {"scale_component": "api", "scale_replicas": 5, "scale_autoscaler": {"min": 1, "max": 2}},
        {"scale_component": "api", "scale_replicas": 5, "scale_back": "true"},
    ],
)
def test_what_is_not_one_thing_is_refused(tmp_path: Path, asked: dict[str, Any]) -> None:
    said, found = scale(tmp_path, "state", {}, **asked)
    assert "Nobody can tell what is to be scaled" in said
    assert found == []


@pytest.mark.parametrize(("own", "used"), [("", "registry.example/python:3"), ("registry.example/own:1", None)])
def test_the_image_of_the_job_is_its_own_or_the_dead_mans(tmp_path: Path, own: str, used: str | None) -> None:
    asked = {"scale_component": "api", "scale_replicas": 5, "scale_image": own}
    said, found = scale(tmp_path, "image", {used or own: CHANGED}, **asked)
    assert found == [["workload_change", used or own], ["workload_change", used or own]], said


def test_everything_goes_back(tmp_path: Path) -> None:
    back = {
        "changed": True,
        "plan": ["Deployment api-blue: replicas are 3 again"],
        "before": {},
        "after": {},
        "left": [],
    }
    said, found = scale(tmp_path, "everything", {True: back}, scale_back="true")
    assert found == [["workload_change", True], ["workload_change", True]], said
    assert "then: done Deployment api-blue: replicas are 3 again" in said


@pytest.mark.parametrize(
    ("failure", "then"),
    [({"evidence": {}}, [["workload_change", "reverted"]]), ({}, [])],
    ids=["not ready", "refused"],
)
def test_what_was_for_a_time_and_does_not_become_ready_is_put_back_at_once(
    tmp_path: Path, failure: dict[str, Any], then: list[Any]
) -> None:
    """What is refused has changed nothing, and what was temporary before stays."""
    script = tmp_path / "play.yml"
    failing = {"scaled": {"failed": True, "msg": "api is not ready.", "record": "api is not ready", **failure}}
    script.write_text(SCALE.replace("    - import_role: {name: runbook.release.scale, tasks_from: check.yml}\n", ""))
    asked = {"scale_component": "api", "scale_replicas": 5, "release_context": {"what": "scale api"}}
    host = {**SHOP, **asked, "scale_for": "2h"}
    said, found = play(tmp_path, script, {"shop": host}, StandIn("workload_change", "state", failing))
    assert found == [["workload_change", "scaled"], *then], said
    assert "then: failed api is not ready." in said
    assert "failure: api is not ready." in said
