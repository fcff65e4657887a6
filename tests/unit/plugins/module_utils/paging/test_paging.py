# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody is paged for a time that has an end, and whoever comes next finds the window and can end it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.paging.services import PagerDuty, Wire
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


def service(*held: dict[str, Any]) -> PagerDuty:
    return PagerDuty(StandInForPagerDuty("https://api", held=list(held)), ("PSHOP",), "ops@example.com")


def other(name: str = "somebody else's") -> dict[str, Any]:
    return {"id": "PX", "description": name, "end_time": "2026-11-22T00:00:00Z"}


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
        [{"id": "P1", "ends": "2026-11-21T17:00:00Z"}],
        [{"id": "P1", "ends": "2026-11-21T17:30:00Z"}],
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
    assert would.diff() == {"before": "", "after": "until 2026-11-21T18:00:00Z\n"}
    held = service(other(NAME))
    assert operate(held, Want(CLOSED, NAME), NOW, dry=True).report()["changed"]
    assert wire(duty).changed == wire(held).changed == []


def test_a_window_without_an_end_is_refused() -> None:
    with pytest.raises(Refused, match="keep people from being paged for good"):
        Want(OPEN, NAME)
