# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of maintenance does a list, or single tasks, and nothing with which anything is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tasks.chosen import choose
from ansible_collections.runbook.release.plugins.module_utils.tasks.table import sentence, table

from .test_catalogue import LOOK, RETRAIN

TASKS = [LOOK, RETRAIN]
MAINTENANCE: dict[str, Any] = {
    "longest": "2h",
    "mode": {"page": {"service": "sorry"}},
    "lists": [
        {"name": "daily", "every": "day", "tasks": ["look"]},
        {"name": "weekly", "tasks": ["retrain", "look", "retrain"], "mode": True, "backup": True},
        {"name": "hourly", "tasks": ["retrain"], "windowed": False},
    ],
}


def test_a_list_is_done_in_its_order_and_nothing_twice() -> None:
    weekly = choose(MAINTENANCE, TASKS, "weekly")
    assert (weekly.tasks, weekly.mode, weekly.backup, weekly.longest) == (("retrain", "look"), True, True, 7200)


def test_what_changes_anything_waits_for_a_window_unless_the_list_says_otherwise() -> None:
    assert [choose(MAINTENANCE, TASKS, name).windowed for name in ("daily", "weekly", "hourly")] == [False, True, False]
    assert choose(MAINTENANCE, TASKS, names=["retrain"]).windowed, "a window cannot be avoided by naming the tasks"
    assert not choose(MAINTENANCE, TASKS, names=["look"]).windowed


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "either maintenance_list, the name of a list, or maintenance_tasks"),
        ({"name": "daily", "names": ["look"]}, "either maintenance_list"),
        ({"name": "monthly"}, "There is no list monthly: there is daily, weekly, hourly"),
        ({"names": ["lock"]}, "Maintenance_tasks names the task lock, and there is none: did you mean look?"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_there_is(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ReleaseError, match=said):
        choose(MAINTENANCE, TASKS, **asked)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"name": "x", "tasks": ["gone"]}, "List x names the task gone"),
        ({"name": "x"}, "List x has no list of names of tasks"),
        ({"tasks": []}, "A list of release_maintenance has no name"),
        ({"name": "daily", "tasks": []}, "List daily stands in release_maintenance.lists twice"),
        ({"name": "x", "tasks": [], "when": "often"}, "List x has the key when"),
    ],
)
def test_any_list_with_a_mistake_stops_every_run(one: dict[str, Any], said: str) -> None:
    with pytest.raises(ReleaseError, match=said):
        choose({**MAINTENANCE, "lists": [*MAINTENANCE["lists"], one]}, TASKS, "daily")


def test_a_list_that_wants_the_mode_needs_to_know_how() -> None:
    with pytest.raises(ReleaseError, match="List weekly wants the mode of maintenance"):
        choose({**MAINTENANCE, "mode": None}, TASKS, "daily")


RESULTS = [
    {"name": "vacuum", "clause": "SYS-179", "verdict": "done", "why": ""},
    {"name": "who has access", "clause": "", "verdict": "waits", "why": "for security\nto sign"},
    {"name": "flush", "clause": "SYS-8", "verdict": "failed", "why": "refused"},
]


def test_the_table_has_equal_columns_and_one_line_for_each_task() -> None:
    assert table(RESULTS) == [
        "task            clause   verdict  why",
        "vacuum          SYS-179  done",
        "who has access           waits    for security to sign",
        "flush           SYS-8    failed   refused",
    ]


def test_the_sentence_names_what_needs_somebody() -> None:
    assert sentence(RESULTS) == "Of 3 tasks 1 done, 1 failed, 1 waits. Failed: flush. Waits: who has access."


def test_what_takes_the_lock_itself_is_left_to_an_incident() -> None:
    catalogue = [*TASKS, {"name": "go back", "rollback": {}}]
    assert choose(MAINTENANCE, catalogue, "daily").tasks == ("look",)
    with pytest.raises(ReleaseError, match="go back takes the lock itself"):
        choose(MAINTENANCE, catalogue, names=["look", "go back"])
