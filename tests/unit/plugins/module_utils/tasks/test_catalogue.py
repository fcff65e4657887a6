# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a catalogue of tasks is said before any of them is done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tasks.catalogue import mistakes, task
from ansible_collections.runbook.release.plugins.module_utils.tasks.kinds import KINDS

CRITERION = {"name": "health", "source": {"kind": "http", "url": "https://shop.example.com"}, "expect": "200..299"}
LOOK: dict[str, Any] = {"name": "look", "clause": "SYS-1", "check": [CRITERION]}
RETRAIN: dict[str, Any] = {"name": "retrain", "exec": {"workload": "api", "command": ["python", "-m", "app.cli"]}}


def test_a_catalogue_of_known_tasks_has_no_mistakes() -> None:
    assert mistakes([LOOK, RETRAIN], {"list daily": ["look", "retrain"]}) == []


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"name": "x"}, "Task x says nothing to do"),
        ({"name": "x", "check": [CRITERION], "backup": {}}, "Task x says check and backup to do"),
        ({"name": "x", "exce": {"workload": "api"}}, "Task x has the key exce, did you mean exec?"),
        ({"check": [CRITERION]}, "The 1. of release_tasks has no name"),
        ("vacuum", "The 1. of release_tasks is 'vacuum', not a mapping"),
        ({"name": "x", "check": []}, "Task x has no criteria under check"),
        ({"name": "x", "backup": {}, "before": [1]}, "Task x has no list of criteria in before"),
        ({"name": "x", "backup": {}, "consent": "please"}, "neither true nor false"),
        ({"name": "x", "exec": "reboot"}, "Task x has 'reboot' under exec, where options belong"),
        (
            {"name": "x", "exec": {"workload": "api", "command": "rm -rf /"}},
            "no list of words: it is run without a shell",
        ),
        ({"name": "x", "exec": {"workload": "api"}}, "Task x lacks exec.command"),
        ({"name": "x", "exec": {"command": ["id"]}}, "Task x lacks exec.workload or exec.labels"),
        ({"name": "x", "request": {"url": "https://a", "metod": "POST"}}, "request.metod, did you mean method?"),
        ({"name": "x", "review": {}}, "Task x lacks review.who"),
        ({"name": "x", "secret": {}}, "Task x lacks secret.name"),
        ({"name": "x", "workload": {"do": "restart"}}, "Task x lacks workload.name or workload.names"),
        (
            {"name": "x", "workload": {"names": ["a"], "do": "scale"}},
            "workload.names, and only restart is done to several",
        ),
        ({"name": "x", "for": "1h", "backup": {}}, "Task x has a for, and backup cannot be temporary"),
        ({"name": "x", "for": "soon", "backup": {}}, "Task x has a for that is no duration"),
        ({"name": "x", "for": 0, "backup": {}}, "Task x has a for that is over at once"),
    ],
)
def test_every_mistake_of_a_task_is_told_with_its_name(one: Any, said: str) -> None:
    assert said in " ".join(mistakes([one]))


def test_every_mistake_is_told_at_once() -> None:
    assert len(mistakes([{"name": "a"}, {"name": "b", "review": {}}, LOOK, LOOK])) == 3


def test_a_name_that_stands_twice_is_a_mistake() -> None:
    assert mistakes([LOOK, RETRAIN, LOOK]) == ["Task look stands in release_tasks 2 times."]


def test_who_names_a_task_that_is_not_there_is_told_which_was_meant() -> None:
    assert mistakes([LOOK, RETRAIN], {"incident slow": ["retrian", "look"]}) == [
        "Incident slow names the task retrian, and there is none: did you mean retrain?."
    ]


def test_a_task_is_found_with_everything_that_holds_for_it() -> None:
    found = task([LOOK, RETRAIN], "look")
    assert (found.kind, found.options, found.clause, found.looks, found.consent) == (
        "check",
        [CRITERION],
        "SYS-1",
        True,
        False,
    )
    assert not task([LOOK, RETRAIN], "retrain").looks


def test_a_task_that_is_not_there_is_an_error_that_says_what_is() -> None:
    with pytest.raises(ReleaseError, match="names the task vacuum, and there is none: known are look, retrain"):
        task([LOOK, RETRAIN], "vacuum")


def test_nothing_of_a_catalogue_with_mistakes_is_done() -> None:
    with pytest.raises(ReleaseError, match="Task x says nothing to do"):
        task([LOOK, {"name": "x"}], "look")


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.listed])
def test_the_tasks_of_the_role_read_exactly_the_options_a_kind_has(name: str) -> None:
    role = Path(__file__).parents[5] / "roles" / "maintain"
    if not role.is_dir():
        pytest.skip("the roles are not part of this copy")
    text = (role / "tasks" / "kinds" / f"{name}.yml").read_text()
    assert set(re.findall(r"maintain_options\.([a-z_]+)", text)) == set(KINDS[name].options)
