# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import RELEASE_ID, Store
from ansible_collections.runbook.release.plugins.module_utils.tor import observing
from ansible_collections.runbook.release.plugins.module_utils.tor.observing import ledger_of
from ansible_collections.runbook.release.plugins.modules import release_observation

from ..module_utils.release.api import Api

ENDED = 1_795_000_000
SHOP = {
    "namespace": "shop",
    "release": "shop-prod-1-4-0",
    "ended": str(ENDED),
    "plan": [{"every": "10m", "until": "30m"}],
}
GOOD = {"name": "errors", "severity": "blocking", "verdict": "pass", "observed": 0.1, "unit": "%", "threshold": "< 1 %"}
BAD = {**GOOD, "verdict": "fail", "observed": 30}
CALM = {"action": "nothing", "sentence": "every blocking criterion passed", "components": [], "standing": {"at": 1.5}}
BACK = {**CALM, "action": "rollback", "sentence": "errors > 20 % holds: rollback"}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One short run, so many minutes after the release ended."""

    def run_module(minutes: float, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(release_observation, "kube_client", lambda given: api.client(dry_run=given.check_mode))
        monkeypatch.setattr(observing.time, "time", lambda: ENDED + 60 * minutes)
        with patch_module_args({**SHOP, **options}), pytest.raises(SystemExit):
            release_observation.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def looked(number: int, *verdicts: dict[str, Any], **more: Any) -> dict[str, Any]:
    decision = BACK if BAD in verdicts else CALM
    return {"state": "looked", "look": number, "verdicts": list(verdicts or [GOOD]), "decision": decision, **more}


def ledger(api: Api) -> list[Entry]:
    return [Entry.parse(text) for text in Store(api.client(), "shop", "shop-prod-1-4-0-observed").texts()]


def test_before_the_first_look_nothing_is_due(run: Run) -> None:
    found = run(5)
    assert (found["changed"], found["due"], found["over"], found["verdict"]) == (False, 0, False, "")
    assert found["next"].endswith("Z")


def test_short_runs_append_to_one_record_until_it_is_over(run: Run, api: Api) -> None:
    for number in (1, 2, 3):
        assert run(10 * number)["due"] == number
        found = run(10 * number, **looked(number))
        assert (found["changed"], found["verdict"], found["over"]) == (True, "pass", number == 3)
        assert run(10 * number + 1)["due"] == 0
    assert [one.what for one in ledger(api)] == ["look 1 of 3", "look 2 of 3", "look 3 of 3", "sealed"]
    assert "3 of 3 looks passed; it is over" in run(99)["sentence"]


def test_the_same_look_is_recorded_once(run: Run, api: Api) -> None:
    run(10, **looked(1))
    again = run(11, **looked(1, BAD))
    assert (again["changed"], again["verdict"], len(ledger(api))) == (False, "pass", 1)


def test_looks_that_nobody_took_are_recorded_as_missed(run: Run, api: Api) -> None:
    run(10, **looked(1))
    assert run(31)["missed"] == [2]
    found = run(31, **looked(3))
    assert (found["verdict"], found["over"]) == ("insufficient", True)
    assert [one.after["verdict"] for one in ledger(api)[:-1]] == ["pass", "missed", "pass"]


def test_a_rollback_ends_it(run: Run, api: Api) -> None:
    found = run(10, **looked(1, BAD))
    assert (found["decision"]["action"], found["over"], found["verdict"]) == ("rollback", True, "fail")
    assert ledger(api)[-1].what == "sealed"
    after = run(20)
    assert (after["due"], after["decision"]["action"]) == (0, "rollback")
    late = run(20, **looked(2))
    assert (late["changed"], late["verdict"], len(ledger(api))) == (False, "fail", 2)


def test_a_look_that_is_due_is_told_what_the_release_captured_wherever_it_is_taken(run: Run, api: Api) -> None:
    captured = {"it takes no longer": {"measure": "took in ms", "observed": 100, "unit": "ms", "samples": 1}}
    store = Store(api.client(), "shop", "shop-prod-1-4-0")
    store.append(Draft("release begins", None, {"first": False}, "bob@laptop", 1))
    assert (run(10)["baseline"], run(10)["first"]) == ({}, False)
    store.append(Draft("baseline captured", None, captured, "bob@laptop", 1))
    assert run(10)["baseline"] == captured


def test_that_it_was_the_first_release_is_told(run: Run, api: Api) -> None:
    began = Draft("release begins", None, {"first": True}, "bob@laptop", 1)
    Store(api.client(), "shop", "shop-prod-1-4-0").append(began)
    assert run(10)["first"]


def test_a_look_that_is_not_due_yet_is_not_recorded(run: Run, api: Api) -> None:
    found = run(10, **looked(2))
    assert found["failed"]
    assert "not due before" in found["msg"]
    assert ledger(api) == []


def test_a_look_that_took_until_the_next_one_was_due_is_recorded_all_the_same(run: Run, api: Api) -> None:
    assert run(10)["due"] == 1
    assert run(21, **looked(1))["changed"]
    assert run(21)["due"] == 2


def test_it_goes_on_after_one_component_alone_went_back(run: Run, api: Api) -> None:
    found = run(10, **looked(1, BAD, decision={**BACK, "components": ["mailer"]}))
    assert found["decision"]["components"] == ["mailer"]
    assert (found["decision"]["action"], found["over"]) == ("rollback", False)
    assert ledger(api)[0].after["decision"]["components"] == ["mailer"]
    assert run(20)["due"] == 2


def test_the_next_look_is_told_what_the_last_one_left(run: Run, api: Api) -> None:
    assert run(10)["decision"]["standing"] == {}
    run(10, **looked(1))
    assert run(20)["decision"] == CALM
    assert ledger(api)[0].after["decision"] == CALM


def test_check_mode_records_nothing(run: Run, api: Api) -> None:
    assert run(10, **looked(1), _ansible_check_mode=True)["changed"]
    assert ledger(api) == []


def test_an_altered_record_is_refused(run: Run, api: Api) -> None:
    run(10, **looked(1))
    run(20, **looked(2))
    (chunk,) = [obj for path, obj in api.objects.items() if "configmaps" in path]
    key = sorted(chunk["data"])[0]
    chunk["data"][key] = chunk["data"][key].replace('"pass"', '"fail"')
    found = run(21)
    assert found["failed"]
    assert "not what was written" in found["msg"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ended": "yesterday"}, "ended"),
        ({"plan": [{"every": "10m"}]}, "plan[0].until"),
        ({"state": "looked", "look": 9, "verdicts": [], "decision": CALM}, "no look 9"),
        ({"state": "looked", "look": 1, "verdicts": [], "decision": {"action": "flee"}}, "decision.action"),
        ({"state": "looked", "look": 1, "verdicts": []}, "decision"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, options: dict[str, Any], said: str) -> None:
    found = run(10, **options)
    assert found["failed"]
    assert said in found["msg"]


@pytest.mark.parametrize("release", ["shop", "s" * 54, "s" * 55, "s" * 63, "s" * 46 + "-" * 3 + "s"])
def test_every_release_has_an_observation_with_a_valid_id(release: str) -> None:
    found = ledger_of(release)
    assert len(found) <= 63
    assert found != ledger_of(release[:-1] + "x")
    assert RELEASE_ID.fullmatch(found)
