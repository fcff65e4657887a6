# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import random
from statistics import median

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.ranks import compare, interval, z
from hypothesis import given, settings
from hypothesis import strategies as st

NAN = math.nan
SEVEN_OF_TEN = [0.0] * 3 + [100.0] * 7

some = st.lists(st.integers(0, 20).map(float), min_size=2, max_size=25)


@settings(deadline=None)
@given(some, some)
def test_the_statistic_is_scipys(canary, baseline):
    scipy_stats = pytest.importorskip("scipy.stats")
    if len({*canary, *baseline}) == 1:
        return
    wanted = scipy_stats.mannwhitneyu(canary, baseline, alternative="two-sided", method="asymptotic").pvalue
    assert math.erfc(abs(z(canary, baseline)) / math.sqrt(2)) == pytest.approx(wanted, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=4, max_size=12), st.lists(st.floats(-9, 9), min_size=4, max_size=12))
def test_the_estimate_is_the_median_of_all_differences(canary, baseline):
    differences = [one - other for one in canary for other in baseline]
    if len(set(differences)) < len(differences):
        return
    low, high, estimate = interval(canary, baseline)
    ranked = sorted(differences)
    middle = ranked[(len(ranked) - 1) // 2 - 1], ranked[len(ranked) // 2 + 1]
    assert low <= estimate <= high
    assert middle[0] - 1e-4 <= estimate <= middle[1] + 1e-4


def test_it_is_right_about_a_shift():
    chance = random.Random(5)
    baseline = [chance.lognormvariate(0, 0.3) for _value in range(60)]
    canary = [1.5 * chance.lognormvariate(0, 0.3) for _value in range(60)]
    found = compare(canary, baseline)
    assert found.direction == "high"
    assert found.low < median(canary) - median(baseline) < found.high
    assert compare(baseline, canary).direction == "low"


@pytest.mark.parametrize(
    ("canary", "baseline", "direction"),
    [
        ([5.0] * 12, [5.0] * 12, "same"),
        ([7.0] * 12, [5.0] * 12, "high"),
        ([3.0] * 12, [5.0] * 12, "low"),
        ([1.0, 2.0] * 6, [2.0, 1.0] * 6, "same"),
        ([9.0] * 11, [1.0] * 50, "no data"),
        ([9.0] * 11 + [NAN], [1.0] * 50, "no data"),
        ([9.0, NAN] * 12, [1.0] * 50, "high"),
        ([], [], "no data"),
    ],
)
def test_what_needs_no_statistics(canary, baseline, direction):
    assert compare(canary, baseline).direction == direction


def test_an_interval_that_is_wide_against_its_estimate_is_no_shift():
    """Kayenta's tolerance: the lower end has to lie beyond a quarter of the estimate."""
    baseline = [0.0] * 8 + [1.0] * 2
    low, high, estimate = interval(SEVEN_OF_TEN, baseline)
    assert (round(high, 1), round(estimate)) == (100.0, 100)
    assert low <= 1
    assert compare(SEVEN_OF_TEN, baseline, least=2).direction == "same"
    assert compare([0.0] * 1 + [100.0] * 9, baseline, least=2).direction == "high"


def test_of_good_canaries_less_than_one_in_a_hundred_is_called_shifted():
    chance = random.Random(11)

    def values():
        return [chance.lognormvariate(0, 0.8) for _value in range(12)]

    called = sum(compare(values(), values()).direction != "same" for _canary in range(300))
    assert called <= 3
