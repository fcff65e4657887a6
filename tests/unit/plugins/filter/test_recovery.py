# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.recovery import recovery


def test_the_time_and_the_point_that_were_reached_are_held_against_the_objectives():
    reached = recovery(1000.0, 1120.0, [60.0, 1800.0], "4 h", "1 h")
    assert (reached["rto"], reached["rpo"], reached["kept"]) == (120.0, 1800.0, True)
    assert (
        reached["sentence"] == "Recovered in 2 min (objective 4 h: kept), 30 min of writes lost (objective 1 h: kept)"
    )


@pytest.mark.parametrize(("time", "point"), [("1 min", "1 h"), ("4 h", "1 min")])
def test_an_objective_that_was_missed_is_said(time, point):
    reached = recovery(0.0, 120.0, [1800.0], time, point)
    assert not reached["kept"]
    assert "MISSED" in reached["sentence"]


def test_each_backup_is_held_against_the_objectives_for_its_own_database():
    copies = [
        {"id": "shop-1", "database": "shop", "age": 60.04, "proof": {"seconds": 59.96}},
        {"id": "orders-1", "database": "orders", "age": 1800, "proof": None},
    ]
    assert recovery(0.0, 90.0, [60.04, 1800], "4 h", "1 min", copies)["databases"] == {
        "shop": {"backup": "shop-1", "rto": 60.0, "rpo": 60.0, "kept": True},
        "orders": {"backup": "orders-1", "rto": 0.0, "rpo": 1800.0, "kept": False},
    }


def test_without_objectives_the_figures_stand_alone():
    assert recovery(0.0, 30.0, [])["sentence"] == "Recovered in 30 s, 0 s of writes lost"


def test_an_objective_that_is_no_time_names_the_variable():
    with pytest.raises(AnsibleFilterError, match="recovery_time"):
        recovery(0.0, 1.0, [0.0], "soon")
