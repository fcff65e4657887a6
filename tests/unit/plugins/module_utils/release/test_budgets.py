# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the stages of a release may take, and what follows when they take longer."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.budgets import (
    STAGES,
    budgets_of,
    budgets_text,
    fits,
    held,
)

SHIFT = {"steps": [5, 25, 100], "hold": 300, "drain": 30}
ALL = {stage: {"longest": "10m"} for stage in STAGES}


def test_what_the_plan_itself_says_to_watch_is_no_part_of_a_budget():
    budgets = budgets_of(ALL, SHIFT, rolling=False, first=False)
    assert {one.stage: one.planned for one in budgets} == {
        **dict.fromkeys(("backup", "migrate", "deploy", "staged"), 600),
        "shift": 600 + 2 * 300 + 30,
        "verify": 600 + 300,
        "rollback": 600,
    }


def test_going_back_has_a_budget_that_stops_nothing_and_is_no_part_of_a_release_that_goes_well():
    given = {"verify": {"longest": "5m"}, "rollback": {"longest": "2m"}}
    budgets = budgets_of(given, SHIFT, rolling=True, first=False)
    planned = [one.report() for one in budgets]
    fits([{"duration": "10m"}], planned)
    assert budgets_text(planned) == "10 min: verify 10 min; going back 2 min"
    assert budgets_text(planned[1:]) == "going back 2 min"
    (found,) = held(budgets, {"rollback": 121.0})
    assert (found["stops"], found["sentence"]) == (False, "rollback took 2 min 1 s, and its budget is 2 min")


def test_a_first_release_has_no_steps_to_watch():
    (budget,) = budgets_of({"shift": {"longest": "5m"}}, SHIFT, rolling=False, first=True)
    assert budget.planned == 300


@pytest.mark.parametrize(
    ("rolling", "stops"), [(False, ["backup", "migrate", "deploy", "staged"]), (True, ["backup", "migrate"])]
)
def test_only_what_is_over_before_any_traffic_stops_a_release(rolling, stops):
    given = {stage: {"longest": "10m"} for stage in STAGES if not (rolling and stage in ("staged", "shift"))}
    found = held(budgets_of(given, SHIFT, rolling=rolling, first=False), dict.fromkeys(STAGES, 1e6))
    assert [one["stage"] for one in found if one["stops"]] == stops
    assert all(one["over"] for one in found)


def test_a_budget_that_warns_is_told_and_stops_nothing():
    given = {"backup": {"longest": "10m", "over": "warn"}}
    (found,) = held(budgets_of(given, SHIFT, rolling=False, first=False), {"backup": 724.0, "deploy": 3.0})
    assert (found["planned"], found["actual"], found["over"], found["stops"]) == (600, 724.0, True, False)
    assert found["sentence"] == "backup took 12 min 4 s, and its budget is 10 min"


def test_a_stage_in_its_budget_is_kept_without_a_sentence_and_one_not_reached_is_left_out():
    (found,) = held(budgets_of(ALL, SHIFT, rolling=False, first=False), {"backup": 600.0})
    assert (found["stage"], found["over"], found["sentence"]) == ("backup", False, "")


def test_a_window_shorter_than_all_stages_together_is_refused():
    planned = [one.report() for one in budgets_of(ALL, SHIFT, rolling=False, first=False)]
    assert budgets_text(planned).startswith("75 min 30 s: backup 10 min, ")
    fits([{"duration": "2h"}], planned)
    with pytest.raises(ReleaseError, match="open for 60 min, and the stages may take 75 min 30 s together"):
        fits([{"duration": "2h"}, {"duration": "1h"}], planned)
    fits([{"duration": "1h"}], [])


@pytest.mark.parametrize(
    ("given", "rolling", "told"),
    [
        ({"deplyo": {"longest": "1m"}}, False, "deplyo is no stage"),
        ({"shift": {"longest": "1m"}}, True, "What rolls has no stage shift"),
        ({"backup": "10m"}, False, "is no budget"),
        ({"backup": {"longest": "10m", "over": "pray"}}, False, "pray does not follow"),
        ({"backup": {"longest": "soon"}}, False, "release_budgets.backup.longest"),
    ],
)
def test_a_mistake_names_its_place(given, rolling, told):
    with pytest.raises(ReleaseError, match=told):
        budgets_of(given, SHIFT, rolling=rolling, first=False)
