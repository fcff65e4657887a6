# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an alert takes a release back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.runbook.release.plugins.module_utils.alerts.answer import Answer, Fired, Own, answer
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.moments import moment

ALERTS = [
    {"name": "HighErrorRate", "rolls_back": True, "for": "2m"},
    {"name": "Slow", "rolls_back": False},
    {"name": "ReleaseOrphaned", "rolls_back": True, "orphaned": True},
]
OWN = Own.of({"system": "shop", "environment": "prod", "alerts": ALERTS, "within": "1h"})
BEGAN, ENDED, FIRED = "2026-11-24T19:00:00.5Z", "2026-11-24T19:10:00Z", "2026-11-24T19:20:00.123456789Z"
SOON = moment("2026-11-24T19:20:05Z").timestamp()
HOUR = 3600.0


def fired(name: str = "HighErrorRate", *, since: str = FIRED, status: str = "firing", **labels: str) -> Fired:
    labels = {"alertname": name, "system": "shop", "environment": "prod", **labels}
    return Fired.of(json.dumps({"labels": labels, "status": status, "startsAt": since}))


def release(verdict: str = "released", **more: Any) -> dict[str, Any]:
    return {
        "kind": "release",
        "version": "1.4.0",
        "began": BEGAN,
        "ended": ENDED,
        "verdict": verdict,
        "alone": [],
        **more,
    }


def known(*releases: dict[str, Any], unfinished: Any = None, remaining: int = 0) -> dict[str, Any]:
    return {"releases": list(releases), "unfinished": unfinished or {}, "owner": {"remaining": remaining}}


UNFINISHED = {"kind": "release", "version": "1.4.0", "began": BEGAN, "sentence": "It stands."}


def test_a_release_inside_its_window_goes_back() -> None:
    said = answer(fired(), OWN, known(release()), SOON)
    assert said == Answer("back", "HighErrorRate fires since 2026-11-24T19:20:00Z: 1.4.0 goes back.")


@pytest.mark.parametrize(
    ("alert", "what"),
    [
        (fired(system="other"), "other"),
        (fired(environment="staging"), "other"),
        (fired(status="resolved"), "nothing"),
        (fired("Slow"), "nothing"),
        (fired("NobodyKnows"), "nothing"),
        (fired("HighErrorRateNoData"), "nothing"),
    ],
)
def test_what_the_inventory_does_not_say_takes_nothing_back(alert: Fired, what: str) -> None:
    assert answer(alert, OWN, known(release()), SOON).action == what


def test_a_release_outside_its_window_stays_and_the_operator_is_told_what_to_do() -> None:
    closes = moment(ENDED).timestamp() + HOUR
    assert answer(fired(), OWN, known(release()), closes).action == "back"
    said = answer(fired(), OWN, known(release()), closes + 1)
    assert said.action == "nothing"
    assert "could be taken back by an alert until 2026-11-24T20:10:00Z" in said.sentence
    assert "run rollback.yml without rollback_alert" in said.sentence


def test_what_was_so_before_the_release_is_not_mended_by_going_back() -> None:
    firing_late = fired(since="2026-11-24T19:01:20Z")
    said = answer(firing_late, OWN, known(release()), SOON)
    assert said.action == "nothing", "it fires after two minutes, so it was so at 18:59:20"
    assert "going back would not mend it" in said.sentence
    assert answer(fired(since="2026-11-24T19:02:10Z"), OWN, known(release()), SOON).action == "back"


@pytest.mark.parametrize("verdict", ["rolled back", "failed"])
def test_what_did_not_stay_live_is_not_taken_back_again(verdict: str) -> None:
    said = answer(fired(), OWN, known(release(), release(verdict, version="1.5.0")), SOON)
    assert said.action == "nothing"
    assert f"1.5.0 was {verdict}" in said.sentence


def test_a_release_that_was_stopped_before_its_traffic_moved_changes_nothing() -> None:
    said = answer(fired(), OWN, known(release(), release("stopped", version="1.5.0")), SOON)
    assert said.sentence.endswith("1.4.0 goes back.")


def test_neither_a_restore_nor_a_part_that_went_back_is_the_newest_release() -> None:
    after = [release("restored", kind="restore", version=""), release("rolled back", alone=["api"])]
    assert answer(fired(), OWN, known(release(), *after), SOON).action == "back"


def test_without_any_release_nothing_goes_back() -> None:
    assert answer(fired(), OWN, known(), SOON).action == "nothing"


@pytest.mark.parametrize("name", ["HighErrorRate", "ReleaseOrphaned"])
def test_while_somebody_is_at_work_the_gates_judge(name: str) -> None:
    assert answer(fired(name), OWN, known(release(), unfinished=UNFINISHED, remaining=9), SOON).action == "nothing"


@pytest.mark.parametrize("name", ["HighErrorRate", "ReleaseOrphaned"])
def test_a_release_nobody_goes_on_with_goes_back(name: str) -> None:
    said = answer(fired(name), OWN, known(release(), unfinished=UNFINISHED), SOON)
    assert said.action == "back"
    assert said.sentence.endswith("1.4.0 goes back.")


def test_an_orphan_is_not_taken_back_for_what_was_so_before_it_began() -> None:
    early = "2026-11-24T18:00:00Z"
    assert answer(fired(since=early), OWN, known(unfinished=UNFINISHED), SOON).action == "nothing"
    assert answer(fired("ReleaseOrphaned", since=early), OWN, known(unfinished=UNFINISHED), SOON).action == "back"


def test_an_alert_takes_no_restore_back() -> None:
    said = answer(fired(), OWN, known(unfinished={**UNFINISHED, "kind": "restore"}), SOON)
    assert said == Answer("nothing", "It stands. It is no release, so HighErrorRate takes nothing back.")


def test_an_orphan_alert_without_an_orphan_takes_nothing_back() -> None:
    assert answer(fired("ReleaseOrphaned"), OWN, known(release()), SOON).action == "nothing"


def test_an_alert_may_be_encoded_so_that_nothing_in_it_is_a_template() -> None:
    text = json.dumps({"labels": {"alertname": "{{ 1 }}"}, "status": "firing", "startsAt": FIRED})
    encoded = quote(text)
    assert "{" not in encoded
    assert Fired.of(encoded) == Fired.of(text)


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"labels": []}', '{"labels": {}, "status": "firing", "startsAt": "x"}']
)
def test_what_is_no_alert_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError, match="no alert as Alertmanager tells of it"):
        Fired.of(text)
    with pytest.raises(ReleaseError):
        Fired.of(json.dumps({"labels": {"x": "y" * 70000}, "status": "firing", "startsAt": FIRED}))
