# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release.guards import unguarded

WHOLE = {"approvals": {"lead": 1}, "windows": [{"duration": "2h"}], "proof": {"environment": "staging"}}
WHY = "the runbook names none"


@pytest.mark.parametrize(
    ("purpose", "environment", "refused"),
    [
        ("production", "prod", False),
        ("production", "production", False),
        ("production", "staging", True),
        ("production", "", True),
        ("staging", "staging", False),
        ("staging", "prod", True),
    ],
)
def test_an_inventory_is_for_the_environment_of_its_playbook(purpose: str, environment: str, refused: bool) -> None:
    told = unguarded(purpose, environment, WHOLE)
    assert bool(told) is refused
    assert all(f"The inventory is for {environment}, and {purpose}.yml is for" in one for one in told)


def test_staging_asks_for_nothing_else() -> None:
    assert unguarded("staging", "staging", {}) == []


@pytest.mark.parametrize("name", ["approvals", "windows", "proof"])
def test_production_has_every_guard_or_a_reason(name: str) -> None:
    given: dict[str, Any] = {**WHOLE, name: None}
    (told,) = unguarded("production", "prod", given)
    assert told.endswith(f"Do: set it, or say in release_without.{name} why not.")
    assert unguarded("production", "prod", {**given, "without": {name: WHY}}) == []
    (told,) = unguarded("production", "prod", {**given, "without": {name: "no"}})
    assert "which is no reason" in told
    (told,) = unguarded("production", "prod", {**WHOLE, "without": {name: WHY}})
    assert told.endswith("Do: take one of them away.")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = unguarded("production", "staging", {"without": {"aprovals": WHY}})
    assert [one.split(" ")[0] for one in told] == [
        "The",
        "release_approvals.before",
        "release_windows",
        "release_proven_in",
        "release_without.aprovals",
    ]
