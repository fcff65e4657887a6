# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Unreachable
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.mirror import Mirror
from ansible_collections.runbook.release.plugins.module_utils.ledger.sign import signer_of
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.modules import tor_validate

from ..module_utils.release.api import RELEASE, Api, begun, entries, renewed, stolen

Run = Callable[..., dict[str, Any]]


class Cluster:
    def __init__(self, version: str) -> None:
        self.version = version

    def service_get(self, *args: Any, **more: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"version": self.version}).encode()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_module(cluster: Any, *criteria: dict[str, Any], **options: Any) -> dict[str, Any]:
        def connect(module: Any) -> Any:
            if isinstance(cluster, Exception):
                raise cluster
            return cluster

        monkeypatch.setattr(tor_validate, "kube_client", connect)
        with patch_module_args({"criteria": list(criteria), "namespace": "shop", **options}), pytest.raises(SystemExit):
            tor_validate.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def version(wanted: str, **more: Any) -> dict[str, Any]:
    source = {"kind": "service", "service": "shop-green", "port": 80}
    return {"name": "version", "source": source, "select": "version", "expect": f'== "{wanted}"', **more}


def test_a_gate_that_is_passed(run):
    result = run(Cluster("2.0"), version("2.0"), version("3.0", severity="advisory"))
    assert (result["passed"], result["changed"], "failed" in result) == (True, False, False)
    assert [verdict["verdict"] for verdict in result["verdicts"]] == ["pass", "fail"]


def test_a_gate_that_is_not_fails_the_task_with_a_sentence_per_criterion(run):
    result = run(Cluster("1.0"), version("2.0", remedy="look at the pod"), version("1.0"))
    assert (result["failed"], result["passed"]) == (True, False)
    assert "1 of 2 criteria keep the gate closed" in result["msg"]
    assert 'version is "1.0", expected == "2.0" (look at the pod)' in result["msg"]
    assert len(result["verdicts"]) == 2


def test_a_gate_that_is_not_can_be_left_to_the_caller(run):
    result = run(Cluster("1.0"), version("2.0"), fail=False)
    assert (result["passed"], "failed" in result) == (False, False)


def test_a_cluster_that_is_away_keeps_the_gate_closed(run):
    result = run(Unreachable("cannot reach the API server"), version("2.0"))
    assert result["verdicts"][0]["verdict"] == "error"
    assert result["failed"]


def test_mistakes_are_all_said_before_anything_is_measured(run):
    result = run(RuntimeError("not asked"), version("2.0", expect="fast"), version("2.0", source={"kind": "x"}))
    assert len(result["mistakes"]) == 2
    assert "criteria[0].expect" in result["msg"]
    assert "criteria[1].source.kind" in result["msg"]


def took(path: Path, milliseconds: int, expect: str = "<= 2 x baseline") -> dict[str, Any]:
    path.write_text(json.dumps({"took": milliseconds, "made": "2026-11-20T10:00:00Z"}))
    source = {"kind": "json", "path": str(path), "time_key": "made"}
    return {"name": "it takes no longer", "source": source, "select": "took in ms", "expect": expect}


@pytest.mark.parametrize(("afterwards", "passed"), [(200, True), (201, False)])
def test_a_baseline_goes_from_one_task_to_the_next(run, tmp_path, afterwards, passed):
    before = run(None, took(tmp_path / "x", 100), version("9.9"), state="captured")
    assert (before["changed"], before["passed"], len(before["verdicts"])) == (False, True, 1)
    assert before["baseline"]["it takes no longer"]["observed"] == 100
    after = run(None, took(tmp_path / "x", afterwards), baseline=before["baseline"])
    assert after["passed"] is passed
    assert "baseline" not in after


def test_a_baseline_that_cannot_be_captured_fails_the_task(run, tmp_path):
    entry = took(tmp_path / "x", 100)
    result = run(None, {**entry, "select": "missing"}, state="captured")
    assert (result["failed"], result["baseline"]) == (True, {})
    assert "it takes no longer" in result["msg"]


def test_what_is_no_baseline_is_refused_before_anything_is_measured(run, tmp_path):
    result = run(None, took(tmp_path / "x", 100), baseline={"it takes no longer": {"observed": "fast"}})
    assert result["mistakes"] == ["baseline['it takes no longer']: measure missing"]
    assert "verdicts" not in result


@pytest.mark.parametrize(
    ("built", "passed"), [("2026-11-20T09:00:00Z", True), ("2026-11-20T11:00:00Z", False), ("1795000000", True)]
)
def test_reports_have_to_be_newer_than_the_subject(run, tmp_path, built, passed):
    result = run(None, took(tmp_path / "x", 100, "< 1 s"), subject={"newer_than": built})
    assert result["passed"] is passed


def test_a_subject_of_no_time_is_refused(run, tmp_path):
    result = run(None, took(tmp_path / "x", 100, "< 1 s"), subject={"newer_than": "yesterday"})
    assert "subject.newer_than" in result["msg"]


FACTS = {
    "name": "open orders",
    "source": {"kind": "kubernetes", "object_kind": "ConfigMap", "api_version": "v1", "name": "facts"},
    "select": "data.orders",
    "expect": '== "0"',
}


@pytest.fixture
def api() -> Api:
    one = Api()
    one.put(
        CONFIGMAP.path("shop", "facts"), {"kind": "ConfigMap", "metadata": {"name": "facts"}, "data": {"orders": "3"}}
    )
    return one


@pytest.mark.parametrize(("expect", "verdict"), [('== "3"', "pass"), ('== "0"', "fail")])
def test_a_gate_of_a_release_is_recorded_however_it_ends(run, api, expect, verdict):
    options = {"run": begun(api).report(), "gate": "staged", "component": "web"}
    result = run(api.client(), {**FACTS, "expect": expect}, **options)
    assert result.get("failed", False) is (verdict == "fail")
    criteria = [{"name": "open orders", "verdict": verdict, "observed": "3", "threshold": expect}]
    assert entries(api) == [("gate staged web", None, {"verdict": verdict, "criteria": criteria})]


def test_a_policy_keeps_a_gate_closed_and_its_decision_is_an_entry_with_its_numbers(run, api):
    policy = [{"criterion": "open orders", "when": '== "3"', "action": "rollback"}]
    options = {"run": begun(api).report(), "gate": "step", "component": "web", "policy": policy}
    result = run(api.client(), {**FACTS, "severity": "advisory"}, **options)
    assert (result["failed"], result["decision"]["action"]) == (True, "rollback")
    assert "The rollback policy says open orders" in result["msg"]
    decided, held = entries(api)
    assert (decided[0], held[0]) == ("policy on web says rollback", "gate step web")
    assert decided[2]["numbers"][0]["observed"] == "3"
    assert (held[2]["verdict"], held[2]["decision"]) == ("fail", decided[2])


def test_a_policy_that_says_nothing_leaves_no_entry(run, api):
    policy = [{"criterion": "open orders", "when": "failed", "action": "rollback"}]
    options = {"run": begun(api).report(), "gate": "step", "component": "web", "policy": policy}
    result = run(api.client(), {**FACTS, "expect": '== "3"'}, **options)
    assert (result["passed"], result["decision"]["action"]) == (True, "nothing")
    assert [what for what, _before, _after in entries(api)] == ["gate step web"]


def test_a_policy_that_nobody_can_follow_is_refused_before_anything_is_measured(run):
    bands = [{"criterion": "errors", "when": when, "action": "watch"} for when in ("> 5 %", "> 20 %")]
    result = run(None, FACTS, policy=bands)
    assert "> 5 % and > 20 % of errors overlap" in result["msg"]
    assert "verdicts" not in result


def test_a_multiple_of_what_the_release_captured_is_known_to_the_policy(run, api, tmp_path):
    given = begun(api).report()
    run(api.client(), took(tmp_path / "x", 100), run=given, state="captured")
    policy = [{"criterion": "it takes no longer", "when": "> 2 x baseline", "action": "rollback"}]
    for milliseconds, action in ((200, "nothing"), (201, "rollback")):
        criterion = {**took(tmp_path / "x", milliseconds, "< 1 s"), "severity": "advisory"}
        found = run(api.client(), criterion, run=given, policy=policy, fail=False)
        assert (found["decision"]["action"], found["passed"]) == (action, action == "nothing")


def test_a_look_goes_on_from_what_the_last_one_left(run):
    policy = [{"criterion": "open orders", "when": "failed", "times": 2, "action": "rollback"}]
    down = {**FACTS, "source": {"kind": "command", "command": ["echo", '{"data": {"orders": "1"}}']}}
    first = {"at": 1.0, "rules": {"open orders failed, 2 times in a row: rollback": [1.0, 0.0, 1, 1.0]}}
    found = run(None, down, policy=policy, standing=first, fail=False)
    assert (found["decision"]["action"], found["decision"]["since"]) == ("rollback", "1970-01-01T00:00:01Z")


def test_a_gate_without_a_name_is_held_under_the_lock_and_not_recorded(run, api):
    given = begun(api)
    api.sleep(20)
    run(api.client(), {**FACTS, "expect": '== "3"'}, run=given.report())
    assert renewed(api).startswith("2026-11-21T16:00:20")
    assert entries(api) == []


def test_a_gate_of_a_run_that_lost_its_lock_is_not_held(run, api):
    given = begun(api)
    stolen(api)
    result = run(api.client(), FACTS, run=given.report(), gate="staged", component="web")
    assert "bob@laptop has held it" in result["msg"]
    assert "verdicts" not in result


def test_a_gate_in_check_mode_is_not_recorded(run, api):
    options = {"run": begun(api).report(), "gate": "staged", "component": "web", "_ansible_check_mode": True}
    run(api.client(dry_run=True), FACTS, **options)
    assert entries(api) == []


def test_what_a_release_captured_is_kept_in_its_ledger_and_found_there_by_its_gates(run, api, tmp_path):
    given = begun(api).report()
    before = run(api.client(), took(tmp_path / "x", 100), run=given, state="captured")
    assert entries(api) == [("baseline captured", None, before["baseline"])]
    again = run(api.client(), took(tmp_path / "x", 300), run=given, state="captured")
    assert (again["passed"], again["verdicts"], again["baseline"]) == (True, [], before["baseline"])
    assert len(entries(api)) == 1
    for milliseconds, passed in ((200, True), (201, False)):
        gate = run(api.client(), took(tmp_path / "x", milliseconds), run=given)
        assert (gate["passed"], "baseline" in gate) == (passed, False)
    own = {"it takes no longer": {"measure": "took in ms", "observed": 300, "unit": "ms"}}
    assert run(api.client(), took(tmp_path / "x", 600), run=given, baseline=own)["passed"]


def test_a_baseline_that_is_not_complete_is_not_kept(run, api, tmp_path):
    whole = took(tmp_path / "x", 100)
    parts = [whole, {**whole, "name": "another", "select": "missing"}]
    result = run(api.client(), *parts, run=begun(api).report(), state="captured")
    assert (result["failed"], entries(api)) == (True, [])


def test_once_the_new_version_had_traffic_nothing_is_captured(run, api, tmp_path):
    given = begun(api).report()
    for what in ("stage web: begins", "stage web: done", "switch web to 5: begins"):
        Store(api.client(), "shop", RELEASE).append(Draft(what, None, None, given["who"], given["token"]))
    result = run(api.client(), took(tmp_path / "x", 100), run=given, state="captured")
    assert (result["passed"], result["baseline"], len(entries(api))) == (True, {}, 3)
    gate = run(api.client(), took(tmp_path / "x", 100), run=given)
    assert (gate["passed"], gate["verdicts"][0]["verdict"]) == (False, "insufficient")


def test_check_mode_keeps_no_baseline(run, api, tmp_path):
    options = {"run": begun(api).report(), "state": "captured", "_ansible_check_mode": True}
    result = run(api.client(dry_run=True), took(tmp_path / "x", 100), **options)
    assert (result["passed"], len(result["baseline"]), entries(api)) == (True, 1, [])


def held(run: Run, api: Api, mirror: Path, key: str, expect: str = '== "3"') -> dict[str, Any]:
    given = replace(begun(api, str(mirror)), signing_key=key)
    return run(api.client(), {**FACTS, "expect": expect}, run=given.report(), gate="staged", component="web")


@pytest.mark.parametrize("expect", ['== "3"', '== "0"'])
def test_the_head_is_signed_at_a_gate_however_it_ends(run, api, tmp_path, key, allowed_signers, expect):
    result = held(run, api, tmp_path / "mirror", str(key), expect)
    assert result["passed"] is (expect == '== "3"')
    (signed,) = Mirror(str(tmp_path / "mirror")).heads()
    assert signed.report() == result["head"]
    assert signed.head == Entry.parse(Store(api.client(), "shop", RELEASE).texts()[-1]).head
    assert signer_of(RELEASE, signed, str(allowed_signers)) == "ops@example.com"
    assert key.read_text().splitlines()[1] not in json.dumps(result)


def test_without_a_key_a_gate_signs_nothing(run, api, tmp_path):
    assert "head" not in held(run, api, tmp_path / "mirror", "")
    assert [file.name for file in (tmp_path / "mirror").iterdir()] == ["ledger.jsonl"]


def test_a_key_that_is_not_there_is_a_warning_at_a_gate(run, api, warned, tmp_path):
    result = held(run, api, tmp_path / "mirror", str(tmp_path / "absent"))
    assert result["passed"]
    assert "the head of the ledger could not be signed" in warned[0]
    assert "signature" not in result["head"]
    assert Mirror(str(tmp_path / "mirror")).heads() == []


def test_a_signed_head_that_cannot_be_kept_is_a_warning_at_a_gate(run, api, warned, tmp_path, key):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "heads.jsonl").mkdir()
    result = held(run, api, tmp_path / "mirror", str(key))
    assert result["passed"]
    assert "signature" in result["head"]
    assert "heads.jsonl" in warned[0]
