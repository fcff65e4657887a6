# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of incidents in the cluster, as the modules write and read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.modules import (
    release_incident,
    release_incident_info,
    release_ledger,
    release_run,
)

from ..module_utils.incident.world import INCIDENTS, remedy, verdict
from ..module_utils.release.api import Api

WHERE = {"namespace": "shop", "system": "web_shop", "environment": "prod"}
FIRST = "web-shop-prod-incident-errors-1"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def incident(run: Run) -> Run:
    return lambda state="noted", **options: run(
        release_incident,
        **{**WHERE, "type": "errors", "incidents": INCIDENTS, "holder": "alice@a", "state": state, **options},
    )


@pytest.fixture
def info(run: Run) -> Run:
    return lambda **options: run(release_incident_info, **{**WHERE, "incidents": INCIDENTS, **options})


def over(incident: Run) -> dict[str, Any]:
    return incident("resolved", cause="pool", symptoms=[verdict("pass")])


def test_whoever_opens_a_type_that_is_open_goes_on_with_it(incident: Run, info: Run) -> None:
    first = incident("opened", source="alert", trigger="HighErrorRate")
    assert (first["changed"], first["new"], first["id"]) == (True, True, FIRST)
    again = incident("opened", source="alert", trigger="HighErrorRate")
    assert (again["changed"], again["new"], again["id"]) == (False, False, FIRST)
    (known,) = info()["incidents"]
    assert known["timeline"][0]["text"] == "P2 API errors, by alert (HighErrorRate)"
    assert "P2 API errors, investigating since" in info()["open"][0]


def test_a_type_that_comes_back_is_another_incident_and_both_are_known(incident: Run, info: Run) -> None:
    incident("opened")
    over(incident)
    second = incident("opened")
    assert second["id"].endswith("errors-2")
    assert [one["state"] for one in info()["incidents"]] == ["opened"]
    assert [one["state"] for one in info(everything=True)["incidents"]] == ["resolved", "opened"]
    assert incident(number=1, lessons=["watch the pool"])["id"] == FIRST
    assert info(type="slow")["incidents"] == []


def test_two_who_open_the_same_type_at_once_write_into_one_ledger(incident: Run, api: Api) -> None:
    """The one who is slower read that there is none, and then finds the ledger of the other."""
    before: list[Any] = []

    def meanwhile(request: Any) -> None:
        if request.method == "POST" and not before:
            before.append(request)
            incident("opened", holder="bob@b")

    api.trouble = meanwhile
    slower = incident("opened")
    assert slower["id"] == FIRST
    ids = {path.rpartition("/")[2] for path in api.objects if "ledger-" in path}
    assert ids == {f"ledger-{FIRST}-1"}
    assert incident("opened")["incident"]["reached"]["opened"]["who"] == "bob@b"


def test_in_check_mode_it_says_what_it_would_record_and_records_nothing(incident: Run, info: Run) -> None:
    looked = incident("opened", _ansible_check_mode=True, _ansible_diff=True)
    assert (looked["changed"], looked["plan"], looked["incident"]["state"]) == (True, ["incident opened"], "opened")
    assert looked["diff"]["before"] == {}
    assert info()["incidents"] == []


def test_nothing_is_noted_of_an_incident_that_was_never_opened(incident: Run) -> None:
    assert "there is no incident of the type errors" in incident(update="we look")["msg"]
    assert "There is no type of incident called oops" in incident("opened", type="oops")["msg"].capitalize()
    assert "there is no incident 7" in incident(number=7)["msg"]


def test_what_was_kept_is_counted_and_pinned(incident: Run, tmp_path: Path) -> None:
    incident("opened")
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "log").write_text("planted-s3cr3t")
    (tmp_path / "summary").write_text("ok")
    evidence = {"path": str(tmp_path), "whole": True}
    (first,) = incident(evidence=evidence)["incident"]["evidence"]
    assert (first["files"], first["whole"]) == (2, True)
    (tmp_path / "summary").write_text("not ok")
    changed = incident(evidence=evidence)["incident"]["evidence"]
    assert changed[0]["sha256"] == first["sha256"] != changed[1]["sha256"]
    assert "planted-s3cr3t" not in json.dumps(changed)


def test_an_empty_folder_is_no_evidence(incident: Run, tmp_path: Path) -> None:
    incident("opened")
    (kept,) = incident(evidence={"path": str(tmp_path), "whole": True})["incident"]["evidence"]
    assert kept["whole"] is False
    gone = incident(evidence={"path": str(tmp_path / "gone"), "whole": True})["incident"]
    assert (gone["evidence"][1]["files"], gone["preserved"]) == (0, False)


def test_the_record_is_sealed_when_it_is_reviewed_and_what_was_altered_shows(incident: Run, run: Run, api: Api) -> None:
    incident("opened")
    incident(update="we look")
    incident(remedy=remedy("restart the API", "begins"))
    incident(remedy=remedy("restart the API", "done"))
    over(incident)
    told = [{"name": "boss", "event": "incident_resolved", "delivered": False, "why": "away"}]
    assert incident(told=told)["incident"]["told"] == []
    done = incident("reviewed", review_link="https://example.com/7")
    assert [one["text"] for one in done["incident"]["timeline"]][-4:] == [
        "resolved: restart the API",
        "told nobody of incident_resolved",
        "review_link: https://example.com/7",
        "reviewed",
    ]
    assert incident("reviewed")["changed"] is False
    assert run(release_ledger, namespace="shop", release=FIRST, state="verified")["sealed"] is True
    (path,) = (path for path in api.objects if path.endswith(f"ledger-{FIRST}-1"))
    data = api.objects[path]["data"]
    data["00000001"] = data["00000001"].replace("API errors", "nothing")
    assert incident(lessons=["x"])["findings"]


def test_what_people_and_alerts_say_is_one_line_each(incident: Run) -> None:
    said = incident("opened", title="errors\n# Not a heading\r\n\x1b[31m", users=" 5 % ")
    assert said["incident"]["title"] == "errors # Not a heading [31m"
    assert said["incident"]["users"] == "5 %"


def test_a_release_that_went_back_is_told_as_its_ledger_tells_it(run: Run, info: Run) -> None:
    options = {**WHERE, "version": "1.4.0", "components": ["api"], "steps": [100], "holder": "alice@a"}
    begun = run(release_run, state="begun", **options)["run"]
    run(release_run, state="ended", run=begun, verdict="rolled back", reason="too many errors", seconds=9)
    told = info(release=begun["release"])["release"]
    assert (told["version"], told["verdict"], told["reason"]) == ("1.4.0", "rolled back", "too many errors")
    assert [one["text"] for one in told["timeline"]] == [
        "release of 1.4.0 begins",
        "release ends rolled back: too many errors",
    ]
    assert info(release="nothing")["release"] == {}
