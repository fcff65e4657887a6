# SPDX-License-Identifier: GPL-3.0-or-later
"""Who was told of what, as the index remembers it, and the windows that have to be announced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.modules import release_info, release_notice, release_run

from ..module_utils.release.api import Api

WHERE = {"namespace": "shop", "system": "web_shop", "environment": "prod"}
SHOP = {**WHERE, "state": "begun", "version": "1.4.0", "components": ["api"], "steps": [100], "holder": "alice@a"}
WEEKLY = [{"rrule": "FREQ=WEEKLY;BYDAY=TU,WE;BYHOUR=2", "timezone": "Asia/Bangkok", "duration": "2h", "notice": "24h"}]
TUESDAY = {
    "begins": "2026-11-23T19:00:00Z",
    "ends": "2026-11-23T21:00:00Z",
    "notice_by": "2026-11-22T19:00:00Z",
    "timezone": "Asia/Bangkok",
}
BEGINS = {"event": "begins", "about": "shop-1", "version": "1.4.0"}
TOLD = {"name": "mail", "delivered": True}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def notice(run: Run) -> Run:
    return lambda **options: run(release_notice, **{**WHERE, **options})


def announce(notice: Run, api: Api, at: str, **more: Any) -> dict[str, Any]:
    return notice(state="announcing", version="1.4.0", windows=WEEKLY, at=at, **more)["window"]


def told(notice: Run, window: dict[str, str], name: str = "mail", delivered: bool = True) -> None:
    outcome = {"name": name, "delivered": delivered, "why": "" if delivered else "it is away"}
    about = f"1.4.0 {window['begins']}"
    notice(state="told", event="notice", about=about, version="1.4.0", window=window, outcomes=[outcome])


def test_whoever_was_told_is_not_due_and_whoever_was_not_reached_is(notice: Run) -> None:
    names = ["mail", "slack"]
    assert notice(**BEGINS, names=names)["due"] == names
    recorded = notice(state="told", **BEGINS, outcomes=[TOLD, {"name": "slack", "delivered": False, "why": "away"}])
    assert recorded["changed"] is True
    assert notice(**BEGINS, names=names)["due"] == ["slack"]
    assert notice(**{**BEGINS, "event": "failed"}, names=names)["due"] == names
    assert notice(**{**BEGINS, "about": "shop-2"}, names=names)["due"] == names


def test_in_check_mode_nothing_is_recorded(notice: Run) -> None:
    assert notice(state="told", **BEGINS, outcomes=[TOLD], _ansible_check_mode=True)["changed"] is True
    assert notice(**BEGINS, names=["mail"])["due"] == ["mail"]


def test_a_release_that_is_under_way_goes_on_after_somebody_was_told(run: Run, notice: Run) -> None:
    begun = run(release_run, **SHOP)["run"]
    notice(state="told", **BEGINS, outcomes=[TOLD])
    ended = run(release_run, state="ended", run=begun, verdict="released", seconds=9)
    assert "failed" not in ended
    assert run(release_info, **WHERE)["releases"][0]["verdict"] == "released"


def test_the_first_window_that_can_still_be_announced_is_announced_and_stays(notice: Run, api: Api) -> None:
    """Also once the moment to announce it has passed, so that a schedule does not move on to the next window."""
    assert announce(notice, api, "2026-11-22T18:00:00Z") == TUESDAY
    assert announce(notice, api, "2026-11-22T20:00:00Z")["begins"] == "2026-11-24T19:00:00Z"
    told(notice, TUESDAY)
    assert announce(notice, api, "2026-11-22T20:00:00Z") == TUESDAY
    assert announce(notice, api, "2026-11-23T22:00:00Z")["begins"] == "2026-11-30T19:00:00Z"


def test_a_window_that_a_freeze_closes_after_it_was_announced_is_announced_anew(notice: Run, api: Api) -> None:
    told(notice, TUESDAY)
    freeze = [{"from": "2026-11-23", "to": "2026-11-23", "reason": "somebody moves"}]
    assert announce(notice, api, "2026-11-22T20:00:00Z", freezes=freeze)["begins"] == "2026-11-24T19:00:00Z"


def test_what_was_released_last_is_not_announced(run: Run, notice: Run, api: Api) -> None:
    begun = run(release_run, **SHOP)["run"]
    assert announce(notice, api, "2026-11-22T18:00:00Z") == {}
    run(release_run, state="ended", run=begun, verdict="released", seconds=9)
    assert announce(notice, api, "2026-11-22T18:00:00Z") == {}


def gate(notice: Run, **more: Any) -> dict[str, Any]:
    asked = {"state": "announced", "version": "1.4.0", "windows": WEEKLY, "at": "2026-11-23T19:30:00Z"}
    return notice(**{**asked, **more})


def test_a_release_begins_only_in_a_window_it_was_announced_for_in_time(notice: Run, api: Api) -> None:
    """The clock of the ledger is that of this machine, so the window lies ahead of it or behind it."""
    refused = gate(notice)
    assert refused["failed"] is True
    assert "1.4.0 was not announced by 2026-11-22T19:00:00Z for the window that began at" in refused["msg"]
    ahead = {"rrule": "FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=24", "timezone": "UTC", "duration": "2h", "notice": "24h"}
    window = {"begins": "2099-11-24T00:00:00Z", "ends": "2099-11-24T02:00:00Z"}
    at = {"windows": [ahead], "at": "2099-11-24T01:00:00Z"}
    told(notice, window, delivered=False)
    assert gate(notice, **at)["failed"] is True, "nobody was reached"
    told(notice, window)
    assert gate(notice, **at)["window"]["begins"] == "2099-11-24T00:00:00Z"
    assert gate(notice, **at, version="1.5.0")["failed"] is True, "another version was announced"
    behind = {**at, "at": "2020-11-24T01:00:00Z"}
    told(notice, {"begins": "2020-11-24T00:00:00Z", "ends": "2020-11-24T02:00:00Z"})
    assert gate(notice, **behind)["failed"] is True, "it was announced too late"


def test_a_window_that_asks_for_no_notice_needs_none(notice: Run) -> None:
    quiet = [{name: value for name, value in WEEKLY[0].items() if name != "notice"}]
    assert gate(notice, windows=quiet)["window"] == {}
    assert gate(notice, windows=[])["window"] == {}
    assert gate(notice, at="2026-11-23T22:30:00Z")["window"] == {}, "that no window is open is said elsewhere"
