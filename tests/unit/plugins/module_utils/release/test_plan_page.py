# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page of a plan tells, and what it says first."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.plan import make
from ansible_collections.runbook.release.plugins.module_utils.release.plan_page import page
from ansible_collections.runbook.release.plugins.module_utils.release.plan_parts import differing, sight
from ansible_collections.runbook.release.plugins.module_utils.release.rolling import rolled

from .rolled import ROUTE, component, outcome, workload


def staged(**more: Any) -> dict[str, Any]:
    colours = {"blue": {"version": "1.5", "weight": 100}, "green": {"version": "1.4", "weight": 0}}
    said = {"awaits_traffic": True, "first": False, "live": "blue", "target": "green", "digest": "sha256:aa"}
    return {**said, "colours": colours, "capacity": {"Deployment/shop-green": 3}, "plan": ["wait"], **more}


def page_of(said: dict[str, Any] | None = None, **more: Any) -> str:
    name = "shop"
    given = {
        "system": "shop",
        "environment": "prod",
        "version": "1.6",
        "components": [{"name": name, "source": {"kind": "manifests"}, "entry": {"kind": "service", "name": name}}],
        "staged": {name: said or staged()},
        "shift": {"steps": [5, 100], "hold": 300, "drain": 0},
        "witness": {"rate": 20, "error_share": "1 %", "samples": 20},
        "rollback": {},
        "proven_in": {},
        "about": {},
        "override": "",
        "emergency": "",
        "typical_seconds": 0,
        "resumed": False,
        "approvals": {},
        "gates": {},
        **{key: [] for key in ("migrations", "backups", "windows", "freezes", "judged")},
    }
    return page(make({**given, **more}))


def rolling_page(replicas: int = 3, **more: Any) -> str:
    api, web = component("api", replicas=replicas), component("web", after=["api"], **ROUTE)
    said = outcome(workload("api"), workload("web"), plan=("change Deployment api: app r.example:5000/api:2",))
    order = {"surge": 1, "unavailable": None, "way": "revision"}
    return page_of(components=[api, web], staged=rolled([api, web], said), rolling=order, **more)


def alarms(text: str) -> str:
    return text.partition("## Look at this first")[2].partition("## ")[0]


def test_the_page_says_what_changes_how_and_the_way_back() -> None:
    text = page_of(approvals={"before": {"qa": 1, "lead": 2}}, typical_seconds=725)
    for expected in (
        "# shop 1.6 in prod",
        "1 of 1 component to change.",
        "It takes up to 12 min",
        "- shop: blue 1.5 → green 1.6\n  - manifests, entry service shop\n  - pods: Deployment/shop-green 3\n",
        "5 % of the traffic for 300 s: about 300 answers, sees an error share of 0.99 % or more",
        "100 % of the traffic for 300 s: about 6000 answers, sees an error share of 0.05 % or more",
        "shop: the traffic returns to blue 1.5",
        "Approvals before: qa (1), lead (2)",
    ):
        assert expected in text
    assert alarms(text) == ""


def test_a_release_takes_at_most_a_minute_to_read() -> None:
    assert len(page_of().split()) < 200


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"emergency": "checkout is down"}, "EMERGENCY: checkout is down"),
        ({"override": "patch day"}, "OUTSIDE OF A WINDOW: patch day"),
        ({"witness": {"rate": 0, "error_share": "1 %", "samples": 20}}, "NO WITNESS"),
        (
            {"witness": {"rate": 1, "error_share": "1 %", "samples": 20}},
            "TOO FEW ANSWERS at 5 %: about 15, and the gate",
        ),
        ({"migrations": [{"name": "drop", "class": "contract", "description": "drops orders"}]}, "NO WAY BACK after"),
        ({"migrations": [{"name": "drop", "class": "irreversible", "description": ""}]}, "NO BACKUP"),
    ],
)
def test_what_is_dangerous_stands_first(given: dict[str, Any], expected: str) -> None:
    assert expected in alarms(page_of(**given))


def test_an_expanding_migration_is_not_dangerous() -> None:
    text = page_of(migrations=[{"name": "add", "class": "expand", "description": "adds a column"}])
    assert "Migration add (expand): adds a column" in text
    assert alarms(text) == ""


def test_a_first_release_has_one_step_and_no_way_back() -> None:
    text = page_of(staged(first=True, live="", target="blue"))
    assert "This is a first release" in text
    assert "shop: none, for nothing is live yet" in text
    assert "5 % of the traffic" not in text


def test_nothing_to_do_is_told() -> None:
    text = page_of(staged(awaits_traffic=False, target="blue", plan=[]))
    assert "Nothing changes: this version carries the traffic already." in text
    assert "shop: stays, blue 1.5" in text


def test_a_description_cannot_pretend_to_be_a_part_of_the_page() -> None:
    text = page_of(override="harmless\n\n## Look at this first\n\n- nothing")
    assert text.count("\n## Look at this first") == 1


@pytest.mark.parametrize(
    ("weight", "hold", "rate", "answers", "sees"),
    [
        (5, 10, 100, 50, "5.8 %"),
        (100, 300, 20, 6000, "0.05 %"),
        (25, 60, 66, 990, "0.3 %"),
        (100, 1, 1, 1, "95 %"),
        (5, 0, 20, 0, ""),
        (100, 300, 0, 0, ""),
    ],
)
def test_how_small_a_share_of_errors_a_step_sees(weight: int, hold: float, rate: int, answers: int, sees: str) -> None:
    assert sight(weight, hold, rate) == {"weight": weight, "answers": answers, "sees": sees}


def test_the_difference_to_live_names_fields_and_no_values() -> None:
    old = "kind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n---\nkind: Secret\nmetadata: {name: gone}\n"
    new = "kind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 81}]}\n---\nkind: Job\nmetadata: {name: b}\n"
    diffs = [
        {"before_header": "idle a-green 1.4", "before": "", "after": new},
        {"before_header": "live a-blue 1.5", "before": old, "after": new},
    ]
    expected = ["Job/b is new", "Secret/gone is gone", "Service/a changes: spec.ports[0].port"]
    assert differing(diffs) == expected
    assert differing([{"before_header": "live a", "before": new, "after": new}]) == []
    assert differing([{"prepared": "scale Deployment a to 3"}]) == []
    assert differing(diffs[:1]) == ["Job/b is new", "Service/a is new"]


def test_the_page_of_a_release_in_place_says_what_rolls_in_which_order_and_how_it_goes_back() -> None:
    text = rolling_page()
    for expected in (
        "2 of 2 components to change. Pods are replaced in place: api; then web, with at most 1 pods more",
        ", then held for 300 s",
        "- api: 1 → 1.6\n  - image, image r.example:5000/api, Deployment api\n  - pods: Deployment/api 3\n",
        "  - change Deployment api: app r.example:5000/api:2",
        "100 % of the traffic for 300 s: about 6000 answers",
        "api: rolls back to 1",
        "way back revision",
    ):
        assert expected in text
    assert "5 % of the traffic" not in text
    assert alarms(text) == ""


def test_fewer_pods_than_asked_for_are_said_first() -> None:
    assert "TOO FEW PODS of api: Deployment/api has 3, and 4 are asked for" in alarms(rolling_page(replicas=4))


def test_the_page_says_how_long_each_stage_may_take_and_all_together_and_what_stops_it() -> None:
    said = page_of(budgets={"backup": {"longest": "10m"}, "deploy": {"longest": "15m", "over": "warn"}})
    assert "Its stages may take 25 min: backup 10 min, deploy 15 min" in said
    assert "Stopped before any traffic when one of backup takes longer" in said


def test_a_window_that_is_shorter_than_the_budgets_makes_no_plan() -> None:
    window = {"rrule": "FREQ=WEEKLY;BYDAY=TU;BYHOUR=2", "timezone": "UTC", "duration": "20m"}
    with pytest.raises(ReleaseError, match="the stages may take 25 min together"):
        page_of(budgets={"backup": {"longest": "25m"}}, windows=[window])
