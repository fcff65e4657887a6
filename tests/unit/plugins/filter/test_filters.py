# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.batches import batches
from ansible_collections.runbook.release.plugins.filter.durations import durations
from ansible_collections.runbook.release.plugins.filter.misspelt import misspelt
from ansible_collections.runbook.release.plugins.filter.records import records


def test_a_declared_name_is_silent():
    assert misspelt(["release_version"], ["release_version", "release_system"]) == []


def test_a_misspelt_name_gets_the_nearest_declared_one():
    assert misspelt(["release_verison"], ["release_version"]) == [
        "Unknown variable release_verison: did you mean release_version?"
    ]


def test_a_name_near_nothing_says_what_to_do():
    (sentence,) = misspelt(["release_zzzzzzzz"], ["release_version"])
    assert "remove or rename" in sentence


@pytest.mark.parametrize(
    ("began", "end", "expected"),
    [
        ({}, 5.0, {}),
        ({"plan": 1.0}, 3.5, {"plan": 2.5}),
        ({"shift": 4.0, "deploy": 1.0}, 9.0, {"deploy": 3.0, "shift": 5.0}),
    ],
)
def test_each_stage_lasts_until_the_next(began, end, expected):
    assert durations(began, end) == expected


@pytest.mark.parametrize("given", [1, "12", "25%", "100%"])
def test_a_batch_is_a_number_or_a_share(given):
    assert batches(given) == str(given)


@pytest.mark.parametrize("given", [0, "", "ten", "1.5", "0%", "101%", "-1", [1]])
def test_a_batch_that_is_none_is_refused_by_the_name_of_its_variable(given):
    with pytest.raises(AnsibleFilterError, match="Do: give a number like 1"):
        batches(given)


@pytest.mark.parametrize(
    ("given", "state", "expected"),
    [
        ("/srv/records", "/var/state", "/srv/records/shop"),
        ("", "/var/state", "/var/state/runbook-release/shop"),
        (None, "", "/home/ann/.local/state/runbook-release/shop"),
    ],
)
def test_records_are_where_somebody_said_or_where_state_belongs(monkeypatch, given, state, expected):
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", "/home/ann")
    assert records(given, "shop") == expected
