# SPDX-License-Identifier: GPL-3.0-or-later
"""Of the logs in evidence only what was asked for."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.excerpt import excerpt, found


def evidence(log: str, previous: str = "") -> dict[str, Any]:
    container = {"name": "api", "ready": True, "log": log, "previous_log": previous}
    return {"pods": [{"name": "api-1", "problem": "", "containers": [container]}], "events": [{"reason": "Killing"}]}


def log_of(given: dict[str, Any], which: str = "log") -> str:
    return str(given["pods"][0]["containers"][0][which])


def test_only_lines_that_match_are_kept_also_of_the_container_before() -> None:
    cut = excerpt(evidence("a\nERROR b\nc\nERROR d\n", "ERROR e\nf\n"), matching="ERROR")
    assert log_of(cut) == "ERROR b\nERROR d\n"
    assert log_of(cut, "previous_log") == "ERROR e\n"
    assert found(cut) == 3


def test_the_last_lines_are_kept_of_those_that_match() -> None:
    assert log_of(excerpt(evidence("ERROR a\nERROR b\nc\n"), lines=1, matching="ERROR")) == "ERROR b\n"
    assert log_of(excerpt(evidence("a\nb\nc\n"), lines=2)) == "b\nc\n"


def test_without_anything_asked_for_all_of_it_stays() -> None:
    given = evidence("a\nb", "c\n")
    assert excerpt(given) == given


def test_events_and_conditions_stay_whatever_is_looked_for() -> None:
    assert excerpt(evidence("a\n"), matching="never")["events"] == [{"reason": "Killing"}]


def test_what_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(Refused, match="no regular expression"):
        excerpt(evidence("a\n"), matching="(")
