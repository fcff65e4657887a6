# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.filter.moved import moved


def seen(live: str, blue: tuple[str, int], green: tuple[str, int]) -> dict[str, Any]:
    sides = {"blue": blue, "green": green}
    colours = {name: {"version": version, "weight": weight} for name, (version, weight) in sides.items()}
    return {"first": not live, "live": live, "colours": colours}


PLANNED = seen("blue", ("1.5", 100), ("1.4", 0))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (PLANNED, []),
        (seen("blue", ("1.5", 100), ("1.6", 0)), []),
        (seen("green", ("1.5", 0), ("1.6", 100)), ["web was planned with blue 1.5, and now it is green 1.6"]),
        (seen("blue", ("1.5.1", 100), ("1.4", 0)), ["web was planned with blue 1.5, and now it is blue 1.5.1"]),
        (
            seen("blue", ("1.5", 75), ("1.6", 25)),
            ["web was planned with blue 1.5, and now it is blue 1.5 75 %, green 1.6 25 %"],
        ),
        (seen("", ("", 100), ("", 0)), ["web was planned with blue 1.5, and now it is nothing"]),
    ],
)
def test_what_moved_between_the_plan_and_the_begin_is_named(now: dict[str, Any], said: list[str]) -> None:
    assert moved({"api": PLANNED, "web": now}, {"web": PLANNED, "api": PLANNED}) == said


def test_a_first_release_that_is_not_the_first_any_more_is_named() -> None:
    planned = seen("", ("", 100), ("", 0))
    assert moved({"web": planned}, {"web": planned}) == []
    assert moved({"web": PLANNED}, {"web": planned}) == ["web was planned with nothing live, and now it is blue 1.5"]


def test_what_rolls_moved_when_another_version_runs() -> None:
    planned = {"first": False, "live": "1.5", "colours": {}}
    assert moved({"web": planned}, {"web": planned}) == []
    assert moved({"web": {**planned, "live": "1.5, 1.6"}}, {"web": planned}) == [
        "web was planned with 1.5, and now it is 1.5, 1.6"
    ]
