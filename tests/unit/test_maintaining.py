# SPDX-License-Identifier: GPL-3.0-or-later
"""maintenance.yml with stand-ins for what needs a cluster: what is refused, what waits, and what is done in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .receivers import certificate, web_server
from .stage import ROOT, StandIn, play
from .test_inventories import host

RUN = {"release": "r1", "namespace": "shop", "lease": "shop-prod", "token": 7, "who": "alice@a", "ttl": 60}
BEGUN = {
    "decision": "start",
    "sentence": "tasks begin.",
    "run": {**RUN, "mirror": "", "signing_key": ""},
    "version": "",
    "began": 1.0,
    "first": False,
    "weight": 0,
    "inputs": {},
    "migrations": [],
    "starter": "",
    "approvals": [],
    "rolled": [],
    "alone": [],
    "proof": {},
}
ENDED = {"sentence": "Tasks r1 ended.", "head": {"number": 9, "sha256": "ab"}}
WELL = {"name": "well", "source": {"kind": "http", "url": "http://shop"}, "select": "status", "expect": "== 200"}
SLOW = {**WELL, "name": "slow"}
ALWAYS = {"rrule": "FREQ=DAILY", "timezone": "UTC", "duration": "24h"}
NEVER = {**ALWAYS, "rrule": "FREQ=DAILY;UNTIL=20200101T000000Z"}
STOP = {"pause": {"workloads": [{"name": "api"}]}}
MODE = {"entry": {"kind": "service", "name": "shop"}, "page": {"service": "sorry"}}
TASKS = [
    {"name": "look", "clause": "SYS-1", "check": [WELL]},
    {"name": "stop", **STOP},
    {"name": "dangerous", "consent": True, **STOP},
    {"name": "who has access", "review": {"who": "security"}},
    {"name": "if slow", "before": [SLOW], **STOP},
    {"name": "help", "after": [WELL, SLOW], **STOP},
]
LISTS = [
    {"name": "daily", "tasks": ["look", "who has access"]},
    {"name": "weekly", "tasks": ["stop", "look"], "mode": True},
    {"name": "all", "tasks": ["look", "dangerous", "if slow"]},
    {"name": "helping", "tasks": ["help", "stop", "look"]},
]
PASSED = {
    "passed": True,
    "verdicts": [{"name": "well", "verdict": "pass", "severity": "blocking", "sentence": "well is"}],
}
MISSED = {
    "passed": False,
    "verdicts": [{"name": "slow", "verdict": "fail", "severity": "blocking", "sentence": "slow is 3"}],
}
ISOLATED = {"changed": True, "plan": ["isolated"], "before": {}, "after": {}}
CHANGED = {"isolated": ISOLATED, "reverted": {**ISOLATED, "plan": ["removed"]}}
RESTARTED = {**ISOLATED, "plan": ["restarted"], "after": {"restartedAt": "now"}}
ROTATED = {"username": "shop", "password": "pl4nted-n3w"}
WRITTEN = {"changed": True, "create": False, "added": [], "updated": ["password"], "removed": []}
QUIET = {"changed": True, "plan": "nobody is paged", "before": [], "after": [{"id": "P1"}]}
GROWN = {"changed": True, "plan": "it grows", "before": {"capacity": "1Gi"}, "after": {"capacity": "200Gi"}}
ENDED_AT = "2026-01-01T00:00:00+00:00"
RELEASED = {"release": "r0", "kind": "release", "verdict": "released", "alone": [], "ended": ENDED_AT}
Given = dict[str, Any]


class Stage:
    """A run of maintenance, and what was asked in it."""

    def __init__(self, folder: Path, mode: Given | None = None, notice: Given | None = None, **more: Any):
        maintenance = {"windows": [ALWAYS], "lists": LISTS, "mode": MODE, **more.pop("maintenance", {})}
        restarted = more.pop("restarted", RESTARTED)
        host = {
            "release_system": "shop",
            "release_environment": "prod",
            "release_cluster": {"namespace": "shop"},
            "release_record": str(folder / "records"),
            "release_tasks": TASKS,
            "release_maintenance": maintenance,
            **more,
        }
        closed = {"failed": True, "msg": "1 of 2 criteria keep the gate closed. fail: slow is 3.", **MISSED}
        judged = {json.dumps([WELL]): PASSED, json.dumps([SLOW]): MISSED, json.dumps([WELL, SLOW]): closed}
        stand_ins = [
            StandIn("release_run", "state", {"begun": BEGUN, "ended": ENDED}),
            StandIn("release_ledger", "entry", {}),
            StandIn("release_lock", "state", {}),
            StandIn("release_info", "system", {"shop": {"releases": [RELEASED], "unfinished": {}}}),
            StandIn("helm_bluegreen", "state", {"absent": {"plan": ["remove shop-blue"], "changed": True}}),
            StandIn("release_notice", "state", notice or {}),
            StandIn("tor_validate", "criteria", judged),
            StandIn("maintenance_mode", "state", mode or {}),
            StandIn("workload_change", "state", {**CHANGED, "restarted": restarted}),
            StandIn("release_secret", "data", {json.dumps(ROTATED): WRITTEN}),
            StandIn("paging_window", "state", {"open": QUIET, "closed": {**QUIET, "plan": "people are paged again"}}),
            StandIn("registry_images", "registry", {json.dumps(CLEANER): CLEANED}),
            StandIn("volume_claim", "size", {"200Gi": GROWN}),
            StandIn("certificate_renew", "rehearse", {"staging": {"changed": False, "plan": "staging issued it"}}),
            StandIn("workload_pause", "state", {"paused": {"changed": True, "plan": ["scale api"], "workloads": []}}),
        ]
        self.said, self.asked = play(folder, ROOT / "playbooks" / "maintenance.yml", {"shop": host}, *stand_ins)
        self.folder = folder

    @property
    def order(self) -> list[str]:
        """What was asked, without the ledger."""
        return [
            f"{name} {value}"
            for name, value in self.asked
            if name in ("release_run", "maintenance_mode", "workload_pause")
        ]

    @property
    def last_words(self) -> str:
        return self.said.strip().splitlines()[-1]

    def tasks(self) -> dict[str, dict[str, Any]]:
        text = (self.folder / "records" / "shop" / "r1" / "record.json").read_text()
        return {one["name"]: one for one in json.loads(text)["tasks"]}

    def verdicts(self) -> dict[str, str]:
        return {name: one["verdict"] for name, one in self.tasks().items()}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"maintenance_list": "yearly"}, "There is no list yearly: there is daily, weekly, all"),
        ({"maintenance_tasks": ["stpo"]}, "names the task stpo, and there is none: did you mean stop?"),
        ({}, "either maintenance_list, the name of a list, or maintenance_tasks"),
        ({"maintenance_list": "weekly", "maintenance": {"windows": [NEVER]}}, "No window is open"),
        ({"maintenance_tasks": ["stop"], "maintenance": {"windows": [NEVER]}}, "No window is open"),
        ({"release_tasks": [*TASKS, {"name": "x", "exce": {}}]}, "Task x has the key exce, did you mean exec?"),
        (
            {"maintenance_list": "daily", "task_without": {"stpo": "-"}},
            "task_without names stpo, and release_tasks has no such task",
        ),
        ({"release_taks": []}, "Unknown variable release_taks: did you mean release_tasks?"),
    ],
)
def test_what_must_not_be_done_is_refused_before_the_lock_is_taken(
    tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    stage = Stage(tmp_path, **asked)
    assert said in stage.last_words
    assert stage.asked == []


def test_without_its_notice_nothing_begins(tmp_path: Path) -> None:
    untold = {"announced": {"failed": True, "msg": "maintenance weekly was not announced in time."}}
    stage = Stage(tmp_path, notice=untold, maintenance_list="weekly", maintenance={"notice": True})
    assert "maintenance weekly was not announced in time" in stage.last_words
    assert stage.order == []


def test_what_only_looks_needs_no_window_and_a_review_waits_for_its_person(tmp_path: Path) -> None:
    stage = Stage(tmp_path, maintenance_list="daily", maintenance={"windows": [NEVER]})
    assert stage.verdicts() == {"look": "done", "who has access": "waits"}
    assert "failed=0" in stage.said
    assert (
        (tmp_path / "records" / "shop" / "r1" / "tasks.txt").read_text().startswith("task            clause  verdict")
    )


def test_who_signed_a_review_off_is_recorded(tmp_path: Path) -> None:
    stage = Stage(tmp_path, maintenance_list="daily", maintenance_signed={"who has access": "carol"})
    assert stage.tasks()["who has access"]["why"] == "Signed off by carol."
    written = [value for name, value in stage.asked if name == "release_ledger"]
    assert any("Signed off by carol." in value for value in written)


def test_a_task_without_its_consent_waits_and_one_that_is_not_called_for_is_skipped(tmp_path: Path) -> None:
    stage = Stage(tmp_path, maintenance_list="all", task_consent="what is not dangerous")
    assert stage.verdicts() == {"look": "done", "dangerous": "waits", "if slow": "skipped"}
    assert stage.tasks()["dangerous"]["why"] == (
        'It needs consent. Do: run this again with -e \'{"task_consent": ["dangerous"]}\'.'
    )
    assert stage.tasks()["if slow"]["why"] == "slow is 3"
    assert "workload_pause paused" not in stage.order


def test_a_task_that_is_left_out_is_skipped_for_its_reason(tmp_path: Path) -> None:
    stage = Stage(tmp_path, maintenance_list="weekly", task_without={"stop": "nothing runs here"})
    assert stage.verdicts() == {"stop": "skipped", "look": "done"}
    assert stage.tasks()["stop"]["why"] == "nothing runs here"


def test_a_gate_that_names_the_version_of_a_release_is_no_obstacle_between_releases(tmp_path: Path) -> None:
    of_a_release = {**WELL, "expect": '== "{{ release_version }}"'}
    stage = Stage(
        tmp_path,
        maintenance_list="daily",
        release_gates={"live": [of_a_release], "staged": [WELL]},
        release_tasks=[*TASKS, {"name": "of a gate", "check": ["{{ release_gates.staged | first }}"]}],
    )
    assert stage.verdicts() == {"look": "done", "who has access": "waits"}, stage.said


@pytest.mark.parametrize("names", [["dangerous"], "dangerous"])
def test_a_task_with_its_consent_is_done(tmp_path: Path, names: list[str] | str) -> None:
    stage = Stage(tmp_path, maintenance_tasks=names, task_consent=names)
    assert stage.verdicts() == {"dangerous": "done"}, stage.said[-2000:]
    assert stage.order.count("workload_pause paused") == 1


def test_users_see_the_page_from_before_the_first_task_until_after_the_last(tmp_path: Path) -> None:
    stage = Stage(tmp_path, maintenance_list="weekly")
    assert stage.order == [
        "release_run begun",
        "maintenance_mode off",
        "maintenance_mode on",
        "workload_pause paused",
        "maintenance_mode off",
        "release_run ended",
    ], "the first off is for what a run that died has left"


def test_a_version_that_was_kept_for_long_enough_is_removed_by_the_run_that_has_the_lock(tmp_path: Path) -> None:
    shop = {"name": "shop", "entry": {"kind": "httproute", "name": "shop"}}
    kept = {"keep_warm": {"until": "24h", "removed": "25h"}}
    run = Stage(tmp_path, maintenance_list="daily", release_components=[shop], release_rollback=kept)
    assert [one for one in run.asked if one[0] in ("release_run", "helm_bluegreen")] == [
        ["release_run", "begun"],
        ["helm_bluegreen", "absent"],
        ["helm_bluegreen", "absent"],
        ["release_run", "ended"],
    ], run.said


def test_a_task_that_did_not_help_failed_and_stops_what_changes_anything(tmp_path: Path) -> None:
    stage = Stage(tmp_path, maintenance_list="helping")
    assert stage.verdicts() == {"help": "failed", "stop": "skipped", "look": "done"}
    assert stage.tasks()["help"]["why"] == "1 of 2 criteria keep the gate closed. fail: slow is 3."
    assert stage.tasks()["stop"]["why"] == "help failed before it, so nothing more is changed."
    assert "Failed: help. Skipped: stop." in stage.last_words


def test_once_the_time_is_used_up_the_rest_is_handed_over_by_name(tmp_path: Path) -> None:
    stage = Stage(tmp_path, maintenance_list="weekly", maintenance={"longest": 0.01})
    assert stage.verdicts() == {"stop": "skipped", "look": "skipped"}
    assert stage.tasks()["stop"]["why"] == (
        'No time was left. Do: run maintenance.yml with -e \'{"maintenance_tasks": ["stop"]}\'.'
    )
    assert stage.order[-2:] == ["maintenance_mode off", "release_run ended"]


def test_a_run_that_cannot_put_back_what_was_left_does_nothing_and_lets_go_of_the_lock(tmp_path: Path) -> None:
    stage = Stage(tmp_path, mode={"off": {"failed": True, "msg": "HTTPRoute shop is gone."}}, maintenance_list="weekly")
    assert "HTTPRoute shop is gone." in stage.last_words
    assert stage.order == ["release_run begun", "maintenance_mode off"], "it is not ended, so the next one tries again"
    assert ["release_lock", "released"] in stage.asked


def test_who_asked_for_it_is_told_when_it_begins_and_what_became_of_it(tmp_path: Path) -> None:
    with web_server(certificate(tmp_path)) as posts:
        hook = {"kind": "webhook", "url": f"http://localhost:{posts.port}/", "name": "ops"}
        told = [{"events": ["maintenance"], "to": hook}]
        due = {"due": {"due": ["ops"]}}
        Stage(tmp_path, notice=due, maintenance_list="daily", release_notify=told)
    said = [body["subject"] + " " + body["text"] for _host, _path, body in posts.heard]
    assert len(said) == 2
    assert "[MAINTENANCE] maintenance daily of shop in prod begins" in said[0]
    assert "has ended" in said[1]
    assert "Of 2 tasks 1 done, 1 waits. Waits: who has access." in said[1]


def test_what_is_planned_is_announced_for_its_window_and_nothing_is_done(tmp_path: Path) -> None:
    window = {"begins": "2027-01-02T02:00:00Z", "ends": "2027-01-02T04:00:00Z", "notice_by": "", "timezone": "UTC"}
    with web_server(certificate(tmp_path)) as posts:
        hook = {"kind": "webhook", "url": f"http://localhost:{posts.port}/", "name": "ops"}
        told = [{"events": ["notice"], "to": hook}]
        notice = {"announcing": {"window": window}, "due": {"due": ["ops"]}}
        stage = Stage(
            tmp_path, notice=notice, maintenance_list="weekly", maintenance_announce="true", release_notify=told
        )
    ((_host, _path, body),) = posts.heard
    assert body["subject"].startswith("[SCHEDULED] shop maintenance weekly in prod, 2027-01-02 02:00 UTC to")
    assert "previous version" not in body["text"]
    assert stage.order == []


def test_a_notice_that_no_window_asks_for_is_said_to_be_none(tmp_path: Path) -> None:
    stage = Stage(tmp_path, notice={"announcing": {"window": {}}}, maintenance_list="weekly", maintenance_announce=True)
    assert "No window of release_maintenance asks for a notice" in stage.last_words


PAGER = {"kind": "alertmanager", "url": "http://alerts", "matchers": {"namespace": "shop"}}
IMAGES = {"image": "registry.example.com/shop", "older_than": "90d"}
CLEANER = {"username": "cleaner", "password": "of-the-cleaner"}
CLEANED = {"changed": True, "plan": "1 images are deleted, 0 stay", "deleted": [{"digest": "sha256:1"}], "kept": []}
SURROUNDINGS = [
    {"name": "nobody is paged", "for": "2h", "paging": {**PAGER, "do": "open"}},
    {"name": "larger volume", "volume": {"name": "data", "size": "200Gi"}},
    {"name": "rehearse", "certificate": {"name": "tls", "rehearse": "staging"}},
    {"name": "isolate", "for": "1h", "workload": {"name": "api", "do": "isolate"}},
    {"name": "let through", "workload": {"name": "api", "do": "revert"}},
    {
        "name": "old images",
        "consent": True,
        "images": {**IMAGES, "username": "cleaner", "password_environment": "CLEANER"},
    },
    {"name": "people are paged", "paging": {**PAGER, "do": "close"}},
]


def test_what_surrounds_a_system_is_changed_by_tasks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANER", CLEANER["password"])
    names = [one["name"] for one in SURROUNDINGS]
    stage = Stage(tmp_path, maintenance_tasks=names, task_consent=names, release_tasks=TASKS + SURROUNDINGS)
    assert stage.verdicts() == dict.fromkeys(names, "done"), stage.said[-2000:]
    asked = [f"{name} {value}" for name, value in stage.asked if name in MODULES and value]
    assert asked == [
        "workload_change reverted",  # what others may have left
        "paging_window open",
        "volume_claim 200Gi",
        "certificate_renew staging",
        "workload_change isolated",
        "workload_change reverted",
        f"registry_images {json.dumps(CLEANER)}",
        "paging_window closed",
    ]
    assert stage.tasks()["old images"]["found"] == {"deleted": CLEANED["deleted"], "kept": []}
    assert stage.tasks()["larger volume"]["found"]["after"] == {"capacity": "200Gi"}


def test_people_are_paged_again_when_what_was_to_hold_in_the_window_does_not(tmp_path: Path) -> None:
    failing = {**SURROUNDINGS[0], "after": [WELL, SLOW]}
    stage = Stage(tmp_path, maintenance_tasks=["nobody is paged"], release_tasks=[*TASKS, failing])
    assert stage.verdicts() == {"nobody is paged": "failed"}
    assert [value for name, value in stage.asked if name == "paging_window"] == ["open", "closed"]


MODULES = ("registry_images", "paging_window", "volume_claim", "certificate_renew", "workload_change")
SECRETS = [
    {"name": "database", "data": {"username": {"plain": "shop"}, "password": {"environment": "PLANTED"}}},
    {"name": "other", "data": {"password": {"environment": "NOBODY_SET_THIS"}}},
    {"name": "theirs", "keys": ["token"]},
]
ROTATE = [
    {"name": "fill", "secret": {"name": "database"}},
    {
        "name": "restart",
        "workload": {"names": ["api", "worker"], "do": "restart", "after_change_of": [{"name": "database"}]},
    },
]


def rotation(folder: Path, **more: Any) -> Stage:
    here = {"release_secrets": SECRETS, "release_tasks": TASKS + ROTATE, **more}
    return Stage(folder, maintenance_tasks=["fill", "restart"], **here)


def test_a_secret_is_filled_from_where_it_is_kept_and_then_what_reads_it_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", ROTATED["password"])
    stage = rotation(tmp_path)
    assert stage.verdicts() == {"fill": "done", "restart": "done"}, stage.said[-2000:]
    assert [[name, value] for name, value in stage.asked if name in ("release_secret", "workload_change")] == [
        ["workload_change", "reverted"],  # what others may have left
        ["release_secret", json.dumps(ROTATED)],
        ["workload_change", "restarted"],
        ["workload_change", "restarted"],
    ]
    assert stage.tasks()["fill"]["why"] == "Keys that differed: password."
    assert stage.tasks()["fill"]["found"] == {"added": [], "updated": ["password"], "removed": []}
    restarted = {"before": {}, "after": {"restartedAt": "now"}}
    assert stage.tasks()["restart"]["found"] == {"api": restarted, "worker": restarted}
    told = [one for one in stage.asked if one[0] != "release_secret"]
    assert "pl4nted" not in stage.said + json.dumps(told) + json.dumps(stage.tasks())


def test_of_several_none_is_restarted_after_one_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", ROTATED["password"])
    stage = rotation(tmp_path, restarted={"failed": True, "msg": "api does not become ready."})
    assert stage.verdicts() == {"fill": "done", "restart": "failed"}, stage.said[-2000:]
    assert stage.tasks()["restart"]["why"] == "api does not become ready."
    assert stage.asked.count(["workload_change", "restarted"]) == 1


def test_a_secret_whose_value_is_not_where_it_is_kept_restarts_nothing(tmp_path: Path) -> None:
    stage = rotation(tmp_path)
    assert stage.verdicts() == {"fill": "failed", "restart": "skipped"}, stage.said[-2000:]
    assert "the environment has no PLANTED" in stage.tasks()["fill"]["why"]


def test_a_secret_that_somebody_else_keeps_is_refused_before_the_lock_is_taken(tmp_path: Path) -> None:
    theirs = [*TASKS, *ROTATE, {"name": "of others", "secret": {"name": "theirs"}}]
    stage = rotation(tmp_path, release_tasks=theirs)
    assert "Task of others fills the Secret theirs, and release_secrets does not say where" in stage.last_words
    assert stage.asked == []


REMEDY = """
- hosts: all
  gather_facts: false
  tasks:
    - include_role: {name: runbook.release.maintain, tasks_from: task.yml}
      vars: {maintain_task: "{{ release_tasks[0].name }}"}
    - debug: {msg: "{{ release_context.tasks[0].verdict }}: {{ release_context.tasks[0].why }}"}
"""


def test_a_remedy_that_fills_what_somebody_else_keeps_fails_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "remedy.yml").write_text(REMEDY)
    host = {
        "release_system": "shop",
        "release_cluster": {"namespace": "shop"},
        "release_secrets": SECRETS,
        "release_tasks": [{"name": "of others", "secret": {"name": "theirs"}}],
    }
    said, asked = play(tmp_path, tmp_path / "remedy.yml", {"shop": host}, StandIn("release_secret", "name", {}))
    assert "failed: Task of others fills the Secret theirs, and release_secrets does not say where" in said
    assert asked == []


def test_no_release_goes_back_under_the_lock_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "remedy.yml").write_text(REMEDY)
    host = {
        "release_system": "shop",
        "release_cluster": {"namespace": "shop"},
        "release_components": [],
        "release_context": {"run": {**RUN, "mirror": ""}},
        "release_tasks": [{"name": "go back", "rollback": {}}],
    }
    stand_ins = StandIn("release_run", "state", {}), StandIn("release_ledger", "entry", {})
    said, asked = play(tmp_path, tmp_path / "remedy.yml", {"shop": host}, *stand_ins)
    assert "failed: A release is taken back under a lock of its own." in said
    assert [name for name, _value in asked] == ["release_ledger", "release_ledger"]


EDGE = ["limit requests at the edge", "challenge suspicious clients", "renew the certificate at the edge"]
BACK = ["no limit at the edge", "challenge nobody"]


def test_the_edge_is_asked_with_consent_and_says_afterwards_what_it_has_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "t0ken-of-the-edge")
    api = "https://api.cloudflare.com"
    with web_server(certificate(tmp_path)) as posts:
        text = json.dumps([one for one in host("prod", "predictiq")["release_tasks"] if one["name"] in EDGE + BACK])
        here = {"release_tasks": TASKS + json.loads(text.replace(api, f"http://localhost:{posts.port}"))}
        places = [tmp_path / name for name in ("waiting", "done", "back")]
        for place in places:
            place.mkdir()
        waiting = Stage(places[0], maintenance_tasks=EDGE, **here)
        assert (set(waiting.verdicts().values()), posts.heard) == ({"waits"}, [])
        done = Stage(places[1], maintenance_tasks=EDGE, task_consent=EDGE, **here)
        assert set(done.verdicts().values()) == {"done"}, done.said[-2000:]
        Stage(places[2], maintenance_tasks=BACK, task_consent=BACK, **here)
    sent = {path.rpartition("/")[0].rpartition("/")[2]: body for _host, path, body in posts.heard[:3]}
    (limit,), (challenge,) = sent["http_ratelimit"]["rules"], sent["http_request_firewall_custom"]["rules"]
    assert (limit["action"], limit["ratelimit"]["characteristics"][0]) == ("block", "ip.src")
    assert challenge["action"] == "managed_challenge"
    assert sent["certificate_packs"]["hosts"] == ["predictiq.com", "*.predictiq.com"]
    assert [body for _host, _path, body in posts.heard[3:]] == [{"rules": []}, {"rules": []}]
    asked = json.dumps(done.asked)
    assert '"the edge limits requests"' in asked.replace("\\", "")
    assert '"the edge challenges clients"' in asked.replace("\\", "")
    assert "t0ken-of-the-edge" not in done.said + asked + json.dumps(done.tasks())


DEAD = """
- hosts: all
  gather_facts: false
  tasks:
    - include_role: {name: runbook.release.maintain, tasks_from: dead.yml}
    - debug: {msg: "left over {{ release_context | default({}) }}"}
"""
PUT_BACK = ["release_run begun", "maintenance_mode off", "workload_change reverted", "release_run ended"]


@pytest.mark.parametrize(
    ("tasks", "remaining", "takeover", "asked"),
    [
        ({}, 0, "true", []),
        ({"release": "r0"}, 40, "false", []),
        ({"release": "r0"}, 0, False, PUT_BACK),
        ({"release": "r0"}, 40, "true", PUT_BACK),
    ],
)
def test_what_a_dead_run_left_is_put_back_before_a_release_looks_and_a_living_one_is_left_alone(
    tmp_path: Path, tasks: dict[str, Any], remaining: int, takeover: str | bool, asked: list[str]
) -> None:
    playbook = tmp_path / "dead.yml"
    playbook.write_text(DEAD)
    known = {"": {"tasks": tasks, "owner": {"remaining": remaining}}}
    host = {
        "release_system": "shop",
        "release_environment": "prod",
        "release_cluster": {"namespace": "shop"},
        "release_maintenance": {"mode": MODE},
        "release_takeover": takeover,
    }
    said, heard = play(
        tmp_path,
        playbook,
        {"shop": host},
        StandIn("release_info", "release", known),
        StandIn("release_run", "state", {"begun": BEGUN, "ended": ENDED}),
        StandIn("release_lock", "state", {}),
        StandIn("maintenance_mode", "state", {}),
        StandIn("workload_change", "state", {}),
    )
    assert "left over {}" in said
    named = ("release_run", "maintenance_mode", "workload_change")
    assert [f"{name} {value}" for name, value in heard if name in named] == asked, "it has no task that is for a time"
