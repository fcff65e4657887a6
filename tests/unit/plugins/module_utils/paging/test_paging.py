# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody is paged for a time that has an end, and whoever comes next finds the window and can end it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.paging.services import Alertmanager, PagerDuty, Wire
from ansible_collections.runbook.release.plugins.module_utils.paging.window import CLOSED, OPEN, Want, operate

NOW = datetime(2026, 11, 21, 16, 0, 0, tzinfo=UTC)
NAME = "maintenance of shop"


@dataclass(frozen=True)
class StandInForPagerDuty(Wire):
    """What its API has, page by page, and who asked for a change."""

    held: list[dict[str, Any]] = field(default_factory=list)
    changed: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        if method == "GET":
            asked = parse_qs(urlsplit(path).query)
            assert asked["filter"] == ["open"]
            at = int(asked["offset"][0])
            return {"maintenance_windows": self.held[at : at + 1], "more": at + 1 < len(self.held)}
        self.changed.append((method, self.headers["From"]))
        ref = urlsplit(path).path.rpartition("/")[2]
        if method == "POST":
            self.held.append({"id": f"P{len(self.held)}", **document["maintenance_window"]})
            return {"maintenance_window": self.held[-1]}
        found = next(one for one in self.held if one["id"] == ref)
        if method == "DELETE":
            self.held.remove(found)
            return None
        found.update(document["maintenance_window"])
        return {"maintenance_window": found}


def service(*held: dict[str, Any], about: tuple[str, ...] = ("PSHOP",)) -> PagerDuty:
    return PagerDuty(StandInForPagerDuty("https://api", held=list(held)), about, "ops@example.com")


def other(name: str = "somebody else's") -> dict[str, Any]:
    about = [{"id": "PSHOP", "type": "service_reference"}]
    return {"id": "PX", "description": name, "end_time": "2026-11-22T00:00:00Z", "services": about}


def wire(of: PagerDuty) -> StandInForPagerDuty:
    assert isinstance(of.wire, StandInForPagerDuty)
    return of.wire


def test_a_window_is_opened_made_longer_and_ended_by_its_name() -> None:
    duty = service(other())
    first = operate(duty, Want(OPEN, NAME, 3600), NOW).report()
    assert (first["changed"], first["before"]) == (True, [])
    opened = wire(duty).held[1]
    assert opened["services"] == [{"id": "PSHOP", "type": "service_reference"}]
    assert (opened["start_time"], opened["end_time"]) == ("2026-11-21T16:00:00Z", "2026-11-21T17:00:00Z")
    longer = operate(duty, Want(OPEN, NAME, 3600), NOW + timedelta(minutes=30)).report()
    assert (longer["before"], longer["after"]) == (
        [{"id": "P1", "ends": "2026-11-21T17:00:00Z", "about": ["PSHOP"]}],
        [{"id": "P1", "ends": "2026-11-21T17:30:00Z", "about": ["PSHOP"]}],
    )
    assert not operate(duty, Want(OPEN, NAME, 60), NOW).report()["changed"]
    ended = operate(duty, Want(CLOSED, NAME), NOW).report()
    assert (ended["changed"], ended["plan"]) == (True, "people are paged again")
    assert wire(duty).held == [other()]
    assert not operate(duty, Want(CLOSED, NAME), NOW).report()["changed"]
    assert wire(duty).changed == [(method, "ops@example.com") for method in ("POST", "PUT", "DELETE")]


def test_in_check_mode_it_is_only_told() -> None:
    duty = service()
    would = operate(duty, Want(OPEN, NAME, 7200), NOW, dry=True)
    assert (would.report()["changed"], would.sentence) == (True, "nobody is paged for 2 h, until 2026-11-21T18:00:00Z")
    assert would.diff() == {"before": "", "after": "until 2026-11-21T18:00:00Z about PSHOP\n"}
    held = service(other(NAME))
    assert operate(held, Want(CLOSED, NAME), NOW, dry=True).report()["changed"]
    assert wire(duty).changed == wire(held).changed == []


def test_a_window_about_something_else_does_not_count_and_is_ended_with_the_others() -> None:
    first = service()
    operate(first, Want(OPEN, NAME, 7200), NOW)
    both = replace(first, services=("PSHOP", "PPAY"))
    opened = operate(both, Want(OPEN, NAME, 3600), NOW).report()
    assert opened["after"] == [
        {"id": "P0", "ends": "2026-11-21T18:00:00Z", "about": ["PSHOP"]},
        {"id": "P1", "ends": "2026-11-21T17:00:00Z", "about": ["PPAY", "PSHOP"]},
    ]
    again = operate(replace(first, services=("PPAY", "PSHOP")), Want(OPEN, NAME, 3600), NOW).report()
    assert (again["changed"], again["after"]) == (False, opened["after"])
    assert operate(first, Want(CLOSED, NAME), NOW).report()["after"] == wire(first).held == []


@dataclass(frozen=True)
class StandInForAlertmanager(Wire):
    """What its API has of silences."""

    held: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        if method == "GET":
            return self.held
        self.held.append({**document, "id": f"S{len(self.held)}", "status": {"state": "active"}})
        return {"silenceID": self.held[-1]["id"]}


def test_a_silence_with_other_matchers_does_not_count() -> None:
    silences = Alertmanager(StandInForAlertmanager("https://api"), {"namespace": "shop"})
    operate(silences, Want(OPEN, NAME, 7200), NOW)
    assert not operate(silences, Want(OPEN, NAME, 3600), NOW).report()["changed"]
    narrower = replace(silences, matchers={"namespace": "shop", "severity": "page"})
    assert operate(narrower, Want(OPEN, NAME, 3600), NOW).report()["after"] == [
        {"id": "S0", "ends": "2026-11-21T18:00:00Z", "about": ['namespace="shop"']},
        {"id": "S1", "ends": "2026-11-21T17:00:00Z", "about": ['namespace="shop"', 'severity="page"']},
    ]


def test_a_silence_that_somebody_turned_around_is_about_something_else() -> None:
    wire = StandInForAlertmanager("https://api")
    silences = Alertmanager(wire, {"namespace": "shop"})
    for change in ({"isEqual": False}, {"isRegex": True}):
        operate(silences, Want(OPEN, NAME, 7200), NOW)
        wire.held[-1]["matchers"][0].update(change)
        assert operate(silences, Want(OPEN, NAME, 3600), NOW, dry=True).report()["changed"]


def test_a_window_without_an_end_is_refused() -> None:
    with pytest.raises(Refused, match="keep people from being paged for good"):
        Want(OPEN, NAME)
