# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from dataclasses import replace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.counts import Terms
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.power import (
    Traffic,
    cleared,
    detected,
    foresee,
    smallest,
)
from hypothesis import given, settings
from hypothesis import strategies as st

TERMS = Terms()
SIMULATED = [
    (0.001, 0.01, 0.1, 50, 130),
    (0.001, 0.01, 0.5, 30, 60),
    (0.001, 0.05, 0.1, 10, 20),
    (0.001, 0.20, 0.1, 10, 10),
    (0.001, 0.005, 0.1, 160, 420),
    (0.005, 0.01, 0.1, 310, 770),
]


@pytest.mark.parametrize(("baseline", "canary", "share", "median", "p95"), SIMULATED)
def test_it_foretells_what_simulations_show(baseline, canary, share, median, p95):
    traffic = Traffic(100, share, baseline)
    assert detected(traffic, canary / baseline, TERMS, 0.5) == pytest.approx(median, abs=20)
    assert detected(traffic, canary / baseline, TERMS) == pytest.approx(p95, rel=0.1, abs=10)


def test_without_a_baseline_it_is_walds_test():
    """Simulated: 367 answers on average at 1 %, 59 at 5 %, of a service that promised 0.1 %."""
    traffic = Traffic(10, 1.0, 0.01)
    assert 250 <= 10 * detected(traffic, 1, TERMS, 0.5) <= 450
    assert 10 * detected(traffic, 5, TERMS, 0.5) <= 100
    assert detected(Traffic(10, 1.0, 0.0005), 1, TERMS) == math.inf


@settings(deadline=None)
@given(st.floats(1, 500), st.floats(0.01, 0.9), st.floats(0.0005, 0.05), st.floats(60, 3600))
def test_the_smallest_ratio_is_seen_within_the_time_and_a_smaller_one_is_not(rate, share, bad, within):
    traffic = Traffic(rate, share, bad)
    found = smallest(traffic, within, TERMS)
    if found is None:
        assert detected(traffic, 1000, TERMS) > within
    else:
        assert detected(traffic, found * 1.001, TERMS) <= within
        assert detected(traffic, found * 0.99, TERMS) > within


@settings(deadline=None)
@given(st.floats(1, 500), st.floats(0.01, 0.9), st.floats(0.0005, 0.05))
def test_more_traffic_is_never_slower(rate, share, bad):
    assert detected(Traffic(2 * rate, share, bad), 5, TERMS) <= detected(Traffic(rate, share, bad), 5, TERMS)


def test_bursts_make_it_slower():
    traffic = Traffic(100, 0.1, 0.001)
    assert detected(replace(traffic, dispersion=4.0), 10, TERMS) > 3 * detected(traffic, 10, TERMS)


def test_what_is_worse_by_less_than_the_least_excess_is_never_seen():
    assert detected(Traffic(1000, 0.5, 0.0001), 5, TERMS) == math.inf
    assert detected(Traffic(1000, 0.5, 0.0001), 20, TERMS) < math.inf


def test_a_good_canary_needs_the_least_number_of_answers_to_pass():
    assert cleared(Traffic(10, 0.1, 0.001), 1.0, TERMS) >= TERMS.minimum
    assert cleared(Traffic(10, 0.1, 0.001), 1.0, replace(TERMS, minimum=3000)) == 3000


class TestForesee:
    def test_a_step_that_can_tell(self):
        found = foresee(1000, 50, 900, TERMS, bad=0.005)
        assert found["sufficient"]
        assert found["sees"] <= 2
        assert found["answers"] == 450_000

    def test_a_step_that_cannot_says_so_with_figures(self):
        found = foresee(20, 5, 300, TERMS)
        assert not found["sufficient"]
        assert found["answers"] == 300
        assert found["sees"] > 10
        assert found["after"]["10"] > 300
        assert "5 % of 20 answers a second held for 300 s shows 0.1 % bad answers becoming" in found["sentence"]

    @pytest.mark.parametrize(("rate", "weight", "hold"), [(0, 5, 300), (20, 0, 300), (20, 5, 0), (1, 1, 10)])
    def test_a_step_without_answers_shows_nothing(self, rate, weight, hold):
        found = foresee(rate, weight, hold, TERMS)
        assert (found["sees"], found["sufficient"]) == (None, False)
        assert "shows no degradation" in found["sentence"]

    def test_all_the_traffic_has_no_baseline(self):
        assert foresee(20, 100, 300, TERMS)["after"]["2"] is None
