# SPDX-License-Identifier: GPL-3.0-or-later
"""How traffic goes back to a version that is too small: the role rollback, with stand-ins for what needs a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from .stage import ROOT, StandIn, play

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "runbook.release.rollback"}}],
    }
]
SMALL = {"failed": True, "msg": "blue is too small: 2 of 10 pods are ready. Do: say why with -e release_force"}
FULL = {"failed": True, "msg": "blue is not ready: exceeded quota"}


def back(
    folder: Path,
    *,
    switch: dict[str, Any],
    warm: dict[str, Any],
    evidence: dict[str, Any] | None = None,
    **variables: Any,
) -> tuple[str, list[Any]]:
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
        StandIn("evidence", "namespace", {"shop": evidence or {}}),
    )


def test_a_version_that_is_large_enough_gets_the_traffic_at_once(tmp_path: Path) -> None:
    said, done = back(tmp_path, switch={}, warm={})
    assert "failed=0" in said
    assert done == [
        ["traffic_switch", ""],
        ["evidence", "shop"],
        ["helm_bluegreen", "handed_over"],
        ["helm_bluegreen", "retired"],
    ]


def test_a_full_disk_under_the_evidence_does_not_keep_the_work_from_going_back(tmp_path: Path) -> None:
    said, done = back(tmp_path, switch={}, warm={}, evidence={"failed": True, "msg": "No space left on device"})
    assert "failed=1" in said
    assert done == [["traffic_switch", ""], ["evidence", "shop"], ["helm_bluegreen", "handed_over"]]


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


@pytest.mark.parametrize("steps", [[], [{"name": "0043-drop-price", "class": "contract"}]])
@pytest.mark.parametrize("rolled", [[], ["shop"]])
def test_what_rolled_goes_back_if_the_migrations_it_began_with_allow_it(
    tmp_path: Path, rolled: list[str], steps: list[dict[str, str]]
) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY))
    host = {
        "release_system": "shop",
        "release_cluster": {"namespace": "shop"},
        "release_strategy": "rolling",
        "release_migrations": [{"name": "0044-of-another-day", "class": "expand"}],
        "release_components": [
            {"name": "web", "source": {"kind": "image", "image": "r.example/web"}, "workloads": [{"name": "web"}]}
        ],
        "release_context": {"failure": {"reason": "it answers 500"}, "database_steps": steps, "at": {"deploy": 2.0}},
    }
    known = {"unfinished": {"version": "2", "rolled": rolled}, "releases": [], "holds": []}
    _said, done = play(
        tmp_path,
        tmp_path / "play.yml",
        {"shop": host},
        StandIn("release_info", "system", {"shop": known}),
        StandIn("release_safety", "migrations", {json.dumps(steps): {"failed": True, "msg": "Going back is not safe"}}),
        StandIn("evidence", "name", {}),
        StandIn("rollout", "state", {}),
    )
    back = [["release_safety", json.dumps(steps)]] if steps else [["evidence", "web"], ["rollout", "restored"]]
    assert done == [["release_info", "shop"], *(back if rolled else [])]


def rolling_host(*names: str, **more: Any) -> dict[str, Any]:
    components = [
        {"name": name, "source": {"kind": "image", "image": f"r.example/{name}"}, "workloads": [{"name": name}]}
        for name in names
    ]
    return {
        "release_system": "shop",
        "release_environment": "prod",
        "release_cluster": {"namespace": "shop"},
        "release_strategy": "rolling",
        "release_components": components,
        **more,
    }


def test_of_what_rolled_one_component_goes_back_alone_if_the_ledger_says_so(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY))
    context = {"alone": ["web"], "units": ["shop"], "version": "2", "first": False, "database_steps": [], "at": {}}
    _said, done = play(
        tmp_path,
        tmp_path / "play.yml",
        {"shop": rolling_host("api", "web", release_context=context)},
        StandIn("release_info", "system", {"shop": {"unfinished": {}, "releases": [], "holds": []}}),
        StandIn("evidence", "name", {}),
        StandIn("rollout", "only", {}),
    )
    assert done == [["release_info", "shop"], ["evidence", "web"], ["rollout", '["Deployment/web"]']]


def test_what_cannot_go_back_alone_is_refused_before_the_lock_is_taken(tmp_path: Path) -> None:
    coloured = {**rolling_host("web", rollback_components=["web"]), "release_strategy": "bluegreen"}
    said, done = play(
        tmp_path,
        ROOT / "playbooks" / "rollback.yml",
        {"shop": rolling_host("web", rollback_components=["db", "web", "mail"]), "coloured": coloured},
        StandIn("release_run", "system", {}),
        limit="all",
    )
    assert done == []
    told = " ".join(said.split())
    for name in ("db", "mail"):
        assert f"rollback_components names {name}, and no component is called so." in told
    assert "rollback_components is for what rolls" in told


def test_systems_go_back_one_after_the_other_and_the_last_that_was_released_first(tmp_path: Path) -> None:
    shared = {"release_cluster": {"namespace": "shop"}, "release_environment": "test", "release_components": []}
    hosts = {name: {"release_system": name, "release_strategy": "bluegreen", **shared} for name in ("auth", "shop")}
    back = {"ansible.builtin.import_playbook": str(ROOT / "playbooks/rollback.yml"), "vars": {"release_serial": 1}}
    (tmp_path / "back.yml").write_text(yaml.safe_dump([back]))
    ended = {"failed": True, "msg": "there is nothing to take back"}
    run = StandIn("release_run", "system", {"shop": ended})
    _said, asked = play(tmp_path, tmp_path / "back.yml", hosts, run, limit="all")
    assert asked == [["release_run", "shop"]]


@pytest.mark.parametrize("playbook", ["rollback", "restore"])
def test_of_several_systems_none_goes_back_that_nobody_named(tmp_path: Path, playbook: str) -> None:
    shared = {"release_cluster": {"namespace": "shop"}, "release_environment": "test", "release_components": []}
    hosts = {name: {"release_system": name, "release_strategy": "bluegreen", **shared} for name in ("auth", "shop")}
    said, asked = play(tmp_path, ROOT / "playbooks" / f"{playbook}.yml", hosts, StandIn("release_run", "system", {}))
    assert "Nobody said which of auth, shop is meant. Nothing was changed." in " ".join(said.split())
    assert asked == []


RUN = {"release": "01J", "namespace": "shop", "lease": "release-shop", "token": 1}
BEGUN = {
    "decision": "back",
    "version": "2",
    "sentence": "2 goes back.",
    "first": False,
    "weight": 100,
    "began": 1.0,
    "run": RUN,
    "migrations": [],
    "starter": "ann",
    "approvals": [],
    "rolled": ["shop"],
    "alone": [],
    "plan": "",
    "inputs": {},
}
SHOP = {"name": "shop", "entry": {"kind": "httproute", "name": "shop"}, "urls": [], "identity": {}}
COLOURED = {**rolling_host(release_strategy="bluegreen"), "release_components": [SHOP]}
OVER = ["workload_change", "reverted"]
CONTRACT = [{"name": "0043-drop-price", "class": "contract"}]
JUDGED = json.dumps({"version": "2", "migrations": CONTRACT})


def taken_back(
    folder: Path,
    host: dict[str, Any],
    over: dict[str, Any] | None = None,
    *,
    begun: StandIn | None = None,
    safety: dict[str, Any] | None = None,
) -> tuple[str, list[Any]]:
    """rollback.yml of a release that is known, while something was to last for a time that is over."""
    return play(
        folder,
        ROOT / "playbooks" / "rollback.yml",
        {"shop": {**host, "release_record": str(folder)}},
        begun or StandIn("release_run", "state", {"begun": BEGUN}),
        StandIn("release_info", "system", {"shop": {"unfinished": {}, "releases": [], "holds": []}}),
        StandIn("release_safety", "version", {"2": safety or {}}),
        StandIn("workload_change", "state", {"reverted": over or {}}),
        StandIn("traffic_switch", "force", {}),
        StandIn("helm_bluegreen", "state", {}),
        StandIn("evidence", "name", {}),
        StandIn("rollout", "state", {}),
        StandIn("release_lock", "state", {}),
        StandIn("release_drift", "state", {}),
    )


def judged_first() -> StandIn:
    """The lock is taken once somebody says what was judged."""
    to_judge = {**BEGUN, "decision": "judge", "run": {}, "migrations": CONTRACT}
    return StandIn("release_run", "judged", {"": to_judge, JUDGED: {**BEGUN, "migrations": CONTRACT}})


def test_the_traffic_goes_back_before_anything_is_put_back_whose_time_is_over(tmp_path: Path) -> None:
    said, done = taken_back(tmp_path, COLOURED)
    assert OVER in done, said
    assert done.index(["traffic_switch", ""]) < done.index(["helm_bluegreen", "retired"]) < done.index(OVER)
    assert done[:2] == [["release_run", "begun"], ["traffic_switch", ""]], "and before anything else"


def test_what_cannot_be_put_back_keeps_no_traffic_from_going_back(tmp_path: Path) -> None:
    _said, done = taken_back(tmp_path, COLOURED, {"failed": True, "msg": "it is paused"})
    assert ["traffic_switch", ""] in done
    assert done[-1] == ["release_lock", "released"], "the next run goes on"


def test_what_rolls_is_as_it_was_before_it_goes_back(tmp_path: Path) -> None:
    said, done = taken_back(tmp_path, rolling_host("web"))
    assert OVER in done, said
    assert done.index(OVER) < done.index(["rollout", "restored"])


def test_after_migrations_it_is_judged_whether_it_may_go_back_and_only_that_goes_back(tmp_path: Path) -> None:
    said, done = taken_back(tmp_path, COLOURED, begun=judged_first())
    assert done[:4] == [
        ["release_run", ""],
        ["release_safety", "2"],
        ["release_run", JUDGED],
        ["traffic_switch", ""],
    ], said


def test_after_migrations_that_forbid_it_no_lock_is_taken(tmp_path: Path) -> None:
    refused = {"failed": True, "msg": "0043-drop-price is a contract"}
    _said, done = taken_back(tmp_path, COLOURED, begun=judged_first(), safety=refused)
    assert done == [["release_run", ""], ["release_safety", "2"]]
