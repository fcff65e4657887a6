# SPDX-License-Identifier: GPL-3.0-or-later
"""How the version before a release gives up its pods with time, with stand-ins for what needs a cluster."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from .stage import StandIn, play

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.include_role": {"name": "runbook.release.shift", "tasks_from": "retire.yml"}},
            {"ansible.builtin.debug": {"msg": "left {{ release_context | default({}) }}"}},
        ],
    }
]
RUN = {"release": "shop-prod-tasks", "namespace": "shop", "lease": "shop-prod", "token": 7, "who": "bob"}
BEGUN: dict[str, Any] = {
    **{"decision": "start", "sentence": "tasks begin", "version": "", "plan": "", "first": False, "began": 1.0},
    **{"weight": 0, "migrations": [], "starter": "", "approvals": [], "rolled": [], "alone": [], "run": RUN},
}
KEEP = {"until": "24h", "removed": "25h"}
LOOKS = ["release_info", "shop"]
LARGER = {"plan": ["scale Deployment/shop-blue to 1"], "changed": True}


def after(hours: float, **known: Any) -> dict[str, Any]:
    """What is known so many hours after a release."""
    ended = datetime.fromtimestamp(time.time() - 3600 * hours, UTC).isoformat()
    released = {"release": "one", "kind": "release", "verdict": "released", "alone": [], "ended": ended}
    return {"releases": [released], "unfinished": {}, **known}


def host(folder: Path, system: str, **variables: Any) -> dict[str, Any]:
    return {
        "release_system": system,
        "release_environment": "prod",
        "release_record": str(folder / "records"),
        "release_cluster": {"namespace": "shop"},
        "release_components": [{"name": "shop", "entry": {"kind": "httproute", "name": "shop"}}],
        "release_rollback": {"keep_warm": KEEP},
        **variables,
    }


def retire(
    folder: Path, hours: float, *, larger: Any = None, begun: Any = None, fails: bool = False, **variables: Any
) -> tuple[str, Any]:
    """What was said, and what was asked so many hours after a release."""
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    return play(
        folder,
        folder / "play.yml",
        {"shop": host(folder, "shop", **variables)},
        StandIn("release_info", "system", {"shop": after(hours)}),
        StandIn(
            "helm_bluegreen", "state", {state: larger or LARGER for state in ("retired", "absent")}, only_checks=fails
        ),
        StandIn("release_run", "state", {"begun": begun or BEGUN}),
        StandIn("workload_change", "state", {}),
    )


@pytest.mark.parametrize(("hours", "state"), [(2, "retired"), (30, "absent")])
def test_what_is_overdue_is_done_under_a_lock_of_its_own_which_is_given_back(
    tmp_path: Path, hours: float, state: str
) -> None:
    said, done = retire(tmp_path, hours)
    does, begins = ["helm_bluegreen", state], [["release_run", "begun"], ["workload_change", "reverted"]]
    assert done == [LOOKS, does, *begins, LOOKS, does, ["release_run", "ended"]], said
    assert "failed=0" in said
    assert "left {}" in said, "a release that begins in the same play finds no run"


def test_what_fails_gives_the_lock_back_and_is_said(tmp_path: Path) -> None:
    said, done = retire(tmp_path, 2, fails=True)
    assert done[-1] == ["release_run", "ended"], said
    assert "failed=1" in said


def test_one_that_is_small_enough_needs_no_lock(tmp_path: Path) -> None:
    said, done = retire(tmp_path, 2, larger={"plan": [], "changed": False})
    assert done == [LOOKS, ["helm_bluegreen", "retired"]], said
    assert "changed=0" in said


def test_nothing_is_taken_from_a_version_that_may_be_needed(tmp_path: Path) -> None:
    back = {"release": "two", "kind": "release", "verdict": "rolled back", "ended": "2026-01-01T00:00:00Z"}
    known = {
        "within_the_first_hour": after(0.5),
        "a_release_is_unfinished": after(30, unfinished={"release": "two"}),
        "nothing_was_released": after(30, releases=[]),
        "the_newest_went_back": after(30, releases=[back]),
        "no_time_is_said": after(30),
    }
    hosts = {name: host(tmp_path, name) for name in known}
    hosts["no_time_is_said"]["release_rollback"] = {"policy": []}
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY))
    looks_only = (StandIn(name, "state", {}) for name in ("helm_bluegreen", "release_run"))
    said, done = play(tmp_path, tmp_path / "play.yml", hosts, StandIn("release_info", "system", known), *looks_only)
    assert sorted(done) == sorted(["release_info", name] for name in known), said


def test_while_somebody_else_has_the_lock_it_is_left_to_the_next_run(tmp_path: Path) -> None:
    taken = {"failed": True, "msg": "alice@laptop has held it for 20 s"}
    said, done = retire(tmp_path, 2, begun=taken)
    assert done == [LOOKS, ["helm_bluegreen", "retired"], ["release_run", "begun"]], said
    assert "left to the next run: alice@laptop has held it" in said
    assert "failed=0" in said


def test_a_run_that_has_the_lock_uses_it_and_keeps_it(tmp_path: Path) -> None:
    said, done = retire(tmp_path, 2, release_context={"run": RUN})
    does = ["helm_bluegreen", "retired"]
    assert done == [LOOKS, does, LOOKS, does], said
    assert "shop-prod-tasks" in said.partition("left ")[2]
