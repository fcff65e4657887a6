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

from .judging import load_simulation

TERMS = Terms()
simulation = load_simulation()
Case = simulation.Case
SEEN = [
    *simulation.BAD,
    Case(0.001, 0.0025, 0.5),
    Case(0.02, 0.25, 0.1),
    Case(0.15, 0.21, 0.1),
    Case(0.002, 0.01, 0.25, burst=5),
]


@pytest.mark.parametrize("case", SEEN, ids=lambda case: case.title)
def test_what_is_foretold_is_what_simulated_canaries_show(case):
    """In 95 of 100 cases, give or take what chance does to 200; and no later than twice that is needed."""
    traffic, ratio = case.traffic, case.canary / case.baseline
    outcome = simulation.simulate(case, 200)
    assert outcome.failed_by(detected(traffic, ratio, case.terms)) >= 0.9
    assert detected(traffic, ratio, case.terms) <= 2 * outcome.quantile(0.95)
    assert detected(traffic, ratio, case.terms, 0.5) == pytest.approx(outcome.quantile(0.5), rel=0.25, abs=10)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_step_that_the_plan_says_shows_so_much_shows_it(share):
    hold = 600
    ratio = foresee(simulation.RATE, 100 * share, hold, TERMS)["sees"]
    case = Case(TERMS.slo, TERMS.slo * ratio, share)
    assert simulation.simulate(case, 200, looks=hold // 10).failed_by(hold) >= 0.9


@pytest.mark.parametrize("case", [Case(0.001, 0.001, 0.1), Case(0.02, 0.02, 0.5)], ids=lambda case: case.title)
def test_good_canaries_pass_when_it_is_foretold(case):
    foretold = cleared(case.traffic, 1.0, case.terms)
    outcome = simulation.simulate(case, 200, looks=round(foretold / case.terms.interval))
    assert outcome.passed >= 0.85, "at that look; some had passed before and are in doubt again"


def test_what_is_worse_by_hardly_more_than_the_least_excess_is_not_promised():
    """Simulated: of canaries twice as bad as 0.1 % at a half of the traffic one in five is not seen in 24 minutes."""
    assert detected(Traffic(100, 0.5, 0.001), 2, TERMS) == math.inf
    assert smallest(Traffic(100, 0.5, 0.001), 900, TERMS) > 2.3


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


@pytest.mark.parametrize(("share", "ratio"), [(0.1, 5), (0.1, 2.5), (1.0, 10)])
def test_bursts_of_four_are_worth_a_quarter_of_the_answers(share, ratio):
    bursts, fewer = Traffic(40, share, 0.001, dispersion=4.0), Traffic(10, share, 0.001)
    for certainty in (0.5, 0.95):
        assert detected(bursts, ratio, TERMS, certainty) == detected(fewer, ratio, TERMS, certainty)
        assert cleared(bursts, 1, TERMS, certainty) <= cleared(fewer, 1, TERMS, certainty)


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
        assert "held so long, this step is never passed" in found["sentence"]

    @pytest.mark.parametrize(("rate", "weight", "hold"), [(0, 5, 300), (20, 0, 300), (20, 5, 0), (1, 1, 10)])
    def test_a_step_without_answers_shows_nothing(self, rate, weight, hold):
        found = foresee(rate, weight, hold, TERMS)
        assert (found["sees"], found["sufficient"]) == (None, False)
        assert "shows no degradation" in found["sentence"]

    def test_all_the_traffic_has_no_baseline(self):
        assert foresee(20, 100, 300, TERMS)["after"]["2"] is None
