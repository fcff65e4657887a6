# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release is observed, and what the schedule does about one that nobody finished; each host is one case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .stage import ROOT, StandIn, play

TOLD = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.observe}
    - copy: {content: "{{ all | to_json }}", dest: "{{ playbook_dir }}/told.json"}
      vars:
        told: "{{ ansible_play_hosts | map('extract', hostvars, 'observe_outcome') }}"
        all: "{{ dict(ansible_play_hosts | zip(told)) }}"
      run_once: true
"""
TIME = "2026-11-24T19:06:52Z"
ALIVE, DIED = {"holder": "bob@laptop", "remaining": 40}, {"holder": "bob@laptop", "remaining": 0}
NOT_DUE = {"due": 0, "over": False, "verdict": "", "sentence": "The next look is due.", "first": False}


def attempt(release: str, verdict: str, kind: str = "release") -> dict[str, Any]:
    return {"release": release, "version": release, "kind": kind, "verdict": verdict, "alone": [], "ended": TIME}


def left(way: str, kind: str = "release") -> dict[str, Any]:
    return {"release": "two", "kind": kind, "way": way, "sentence": "Release two of 1.6 stands half-way."}


def known(*attempts: dict[str, Any], unfinished: Any = None, owner: Any = None) -> dict[str, Any]:
    return {"releases": list(attempts), "unfinished": unfinished or {}, "owner": owner or {}}


LIVE, STOPPED, BACK = attempt("one", "released"), attempt("two", "stopped"), attempt("two", "rolled back")
OPEN = attempt("two", "")
CASES = {
    "live": known(LIVE),
    "stopped_later": known(LIVE, STOPPED, attempt("three", "stopped")),
    "restored_later": known(LIVE, attempt("r", "restored", "restore")),
    "rolled_back": known(LIVE, BACK),
    "partly_back": known(LIVE, {**BACK, "version": "one", "alone": ["api"]}),
    "under_way": known(LIVE, OPEN, unfinished=left("back"), owner=ALIVE),
    "half_back": known(LIVE, OPEN, unfinished=left("back")),
    "half_back_died": known(LIVE, OPEN, unfinished=left("back"), owner=DIED),
    "half_way": known(LIVE, OPEN, unfinished=left("forward")),
    "half_restored": known(LIVE, OPEN, unfinished=left("forward", "restore")),
    "never": known(),
}


def hosts(*names: str) -> dict[str, Any]:
    return {
        name: {
            "release_system": name,
            "release_environment": "prod",
            "release_cluster": {"namespace": name},
            "release_gates": {"observe": []},
        }
        for name in names
    }


def stand_ins() -> tuple[StandIn, StandIn]:
    due = {"one": {**NOT_DUE, "decision": {"action": "nothing", "sentence": ""}}}
    return StandIn("release_info", "system", CASES), StandIn("release_observation", "release", due)


def test_the_newest_release_that_got_traffic_is_observed_and_a_half_rollback_tried_again(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(TOLD)
    said, asked = play(tmp_path, tmp_path / "play.yml", hosts(*CASES), *stand_ins())
    assert (tmp_path / "told.json").exists(), said
    told = json.loads((tmp_path / "told.json").read_text())
    observed = [name for name, outcome in told.items() if outcome["sentence"] == NOT_DUE["sentence"]]
    assert observed == ["live", "stopped_later", "restored_later", "partly_back"]
    assert {release for module, release in asked if module == "release_observation"} == {"one"}
    rolled = {name for name, outcome in told.items() if outcome["decision"]["action"] == "rollback"}
    assert rolled == {"half_back", "half_back_died"}
    assert "rolled back again" in told["half_back"]["decision"]["sentence"]
    assert {name for name, outcome in told.items() if outcome["orphaned"]} == rolled | {"half_way", "half_restored"}


def test_a_schedule_is_red_while_a_release_is_left_half_way(tmp_path: Path) -> None:
    calm = ("live", "under_way", "rolled_back", "never")
    playbook = ROOT / "playbooks" / "observe.yml"
    said, _asked = play(tmp_path, playbook, hosts(*calm, "half_way", "half_restored"), *stand_ins())
    recap = said.partition("PLAY RECAP")[2]
    failed = {line.split()[0] for line in recap.splitlines() if "failed=1" in line}
    assert failed == {"half_way", "half_restored"}, said
    assert "run deploy.yml again with its version" in said
    assert "run restore.yml again" in said


def test_a_policy_that_is_about_one_component_takes_that_one_back_and_no_other(tmp_path: Path) -> None:
    decision = {"action": "rollback", "sentence": "health of api failed", "components": ["api"]}
    due = {"one": {**NOT_DUE, "decision": decision}}
    gone = {"decision": "nothing", "sentence": "api of one was taken back already.", "version": "one", "run": {}}
    gone |= {name: [] for name in ("migrations", "approvals", "rolled", "alone")}
    gone |= {"first": False, "weight": 0, "starter": ""}
    host = {"live": {**hosts("live")["live"], "release_strategy": "rolling", "release_components": [{"name": "api"}]}}
    host |= hosts("never")
    known_of, _observed = stand_ins()
    said, asked = play(
        tmp_path,
        ROOT / "playbooks" / "observe.yml",
        host,
        known_of,
        StandIn("release_observation", "release", due),
        StandIn("release_run", "alone", {'["api"]': gone}),
    )
    assert {value for module, value in asked if module == "release_run"} == {'["api"]'}, said
    assert "api of one was taken back already" in said
