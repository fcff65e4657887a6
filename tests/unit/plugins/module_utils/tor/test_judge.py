# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.counts import Counts, Interval, Terms, percent
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.evidence import (
    WORSE,
    Dispersion,
    RatioEvidence,
    odds_share,
)
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.objective import ShareEvidence
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.sequential import judge
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.telling import Names, figures, tell
from hypothesis import given, settings
from hypothesis import strategies as st

from .judging import load_simulation

TERMS = Terms()


simulation = load_simulation()


def intervals(count, canary, baseline=(0, 0)):
    return [Interval(Counts(*canary), Counts(*baseline))] * count


class Reference:
    """The mixture of conditional-binomial likelihood ratios, as plainly as it can be written."""

    def __init__(self, ratio, alternatives):
        self.ratio, self.products = ratio, dict.fromkeys(alternatives, 1.0)

    def add(self, bad_canary, canary, bad_baseline, baseline):
        share = canary / (canary + baseline)
        for alternative in self.products:
            under, over = (r * share / (r * share + 1 - share) for r in (self.ratio, alternative))
            self.products[alternative] *= (over / under) ** bad_canary * ((1 - over) / (1 - under)) ** bad_baseline

    @property
    def evidence(self):
        return sum(self.products.values()) / len(self.products)


class TestEvidence:
    counts = st.tuples(st.integers(0, 5), st.integers(6, 200), st.integers(0, 5), st.integers(6, 2000))

    @settings(deadline=None)
    @given(st.lists(counts, max_size=8))
    def test_it_is_the_mixture_of_likelihood_ratios(self, given_counts):
        evidence, reference = RatioEvidence(1.2, WORSE), Reference(1.2, [1.2 * factor for factor in WORSE])
        for counts in given_counts:
            evidence.add(Interval(Counts(*counts[:2]), Counts(*counts[2:])))
            reference.add(*counts)
        assert evidence.log_e == pytest.approx(math.log(reference.evidence), abs=1e-9)

    @settings(deadline=None)
    @given(st.integers(1, 40), st.floats(0.02, 0.9), st.floats(0.2, 1.0))
    def test_its_mean_is_at_most_one_for_a_canary_that_is_not_worse(self, bad, share, ratio):
        """Over every way the bad answers of an interval can fall, by their exact probabilities."""
        scipy_stats = pytest.importorskip("scipy.stats")
        canary, total, mean = round(10_000 * share), 10_000, 0.0
        chances = scipy_stats.binom.pmf(range(bad + 1), bad, odds_share(canary / total, ratio))
        for of_canary, chance in enumerate(chances):
            evidence = RatioEvidence(1.0, WORSE)
            evidence.add(Interval(Counts(of_canary, canary), Counts(bad - of_canary, total - canary)))
            mean += chance * math.exp(evidence.log_e)
        assert mean <= 1 + 1e-9

    @pytest.mark.parametrize("interval", [((3, 100), (0, 0)), ((0, 0), (3, 100)), ((0, 100), (0, 900))])
    def test_an_interval_that_compares_nothing_is_no_evidence(self, interval):
        evidence = RatioEvidence(1.0, WORSE)
        evidence.add(Interval(*(Counts(*counts) for counts in interval)))
        assert evidence.log_e == pytest.approx(0)

    def test_half_of_a_burst_is_half_the_evidence(self):
        one, other = RatioEvidence(1.0, (2.0,)), RatioEvidence(1.0, (2.0,))
        one.add(Interval(Counts(4, 100), Counts(2, 900)), dispersion=2.0)
        other.add(Interval(Counts(2, 100), Counts(1, 900)))
        assert one.log_e == pytest.approx(other.log_e)


class TestDispersion:
    def test_it_is_pearsons(self):
        scipy_stats = pytest.importorskip("scipy.stats")
        counts = [(0, 400), (20, 500), (1, 450), (19, 420), (0, 430)]
        bad, total = (sum(column) for column in zip(*counts, strict=True))
        table = [[b for b, _n in counts], [n - b for b, n in counts]]
        statistic = scipy_stats.chi2_contingency(table, correction=False).statistic
        assert Dispersion([Counts(*one) for one in counts]).value == pytest.approx(statistic / (len(counts) - 1))
        assert bad < total

    @pytest.mark.parametrize("counts", [[], [(5, 100)], [(0, 100)] * 9, [(100, 100)] * 9, [(1, 100), (1, 0)]])
    def test_what_says_nothing_about_bursts_is_one(self, counts):
        assert Dispersion([Counts(*one) for one in counts]).value == 1

    @pytest.mark.parametrize("burst", [2, 5, 20])
    def test_bursts_are_found(self, burst):
        draw = simulation.answers(random.Random(7), 1000, 0.002, burst)
        assert Dispersion([draw() for _interval in range(360)]).value == pytest.approx(burst, rel=0.35)

    def test_no_interval_has_a_say_in_its_own_weight(self):
        """The burst itself would otherwise take its own evidence away, and the guarantee with it."""
        burst = intervals(1, (4, 60), (0, 950))
        assert judge(intervals(20, (0, 60), (1, 950)) + burst, TERMS).dispersion == 1


class TestObjective:
    @settings(deadline=None)
    @given(st.integers(1, 500), st.integers(0, 20))
    def test_it_is_walds_ratio(self, good, bad):
        evidence = ShareEvidence(0.001, 0.01)
        evidence.add(Counts(bad, good + bad))
        assert evidence.log_e == pytest.approx(bad * math.log(10) + good * math.log(0.99 / 0.999))


class TestRulings:
    @pytest.mark.parametrize(
        ("given_intervals", "verdict", "because"),
        [
            (intervals(1, (4, 50), (0, 950)), "fail", "worse than the baseline"),
            (intervals(1, (3, 50), (0, 950)), "insufficient", "too few"),
            (intervals(1, (11, 50), (11, 50)), "fail", "hopeless"),
            (intervals(1, (49, 49), (0, 950)), "insufficient", "too few"),
            (intervals(9, (0, 100), (1, 900)), "pass", "within the limit"),
            (intervals(9, (0, 100), (0, 0)), "insufficient", "too few"),
            (intervals(30, (20, 1000), (20, 1000)), "pass", "near the baseline"),
            (intervals(4, (1, 100), (9, 900)), "insufficient", "undecided"),
            ([], "insufficient", "too few"),
        ],
    )
    def test_against_a_baseline(self, given_intervals, verdict, because):
        ruling = judge(given_intervals, TERMS)
        assert (ruling.verdict, ruling.because) == (verdict, because)

    @pytest.mark.parametrize(
        ("given_intervals", "verdict", "because"),
        [
            (intervals(5, (0, 100)), "pass", "within the limit"),
            (intervals(3, (0, 100)), "insufficient", "undecided"),
            (intervals(2, (0, 100)), "insufficient", "too few"),
            (intervals(1, (3, 100)), "fail", "worse than the objective"),
            (intervals(1, (30, 100)), "fail", "hopeless"),
            ([], "insufficient", "too few"),
        ],
    )
    def test_without_a_baseline_against_the_objective(self, given_intervals, verdict, because):
        ruling = judge(given_intervals, TERMS, compared=False)
        assert (ruling.verdict, ruling.because) == (verdict, because)

    def test_failed_is_failed_however_good_the_rest_is(self):
        ruling = judge(intervals(1, (8, 100), (0, 900)) + intervals(500, (0, 100), (1, 900)), TERMS)
        assert (ruling.verdict, ruling.seconds) == ("fail", 10)

    def test_a_version_that_breaks_after_an_hour_fails_in_the_interval_in_which_it_breaks(self):
        ruling = judge(intervals(360, (0, 100), (1, 900)) + intervals(1, (60, 100), (1, 900)), TERMS)
        assert (ruling.verdict, ruling.because, ruling.seconds) == ("fail", "hopeless", 3610)

    def test_one_interval_that_is_hopeless_by_chance_is_not_broken(self):
        """Of a hundred answers a service that errs in ten has more than twenty once in a thousand intervals."""
        errs = intervals(50, (10, 100), (90, 900))
        assert judge([*errs, *intervals(1, (24, 100), (90, 900))], TERMS).verdict != "fail"
        assert judge([*errs, *intervals(1, (35, 100), (90, 900))], TERMS).because == "hopeless"

    def test_a_proven_but_tiny_excess_does_not_fail(self):
        tiny = intervals(200, (8, 10_000), (4, 10_000))
        assert judge(tiny, TERMS).verdict == "pass"
        assert judge(tiny, replace(TERMS, min_excess=0.0002)).verdict == "fail"

    def test_metrics_judged_together_share_the_errors_they_may_make(self):
        one = intervals(1, (4, 50), (0, 950))
        assert judge(one, replace(TERMS, metrics=10)).verdict != "fail"

    def test_a_bursting_baseline_makes_it_slower(self):
        bursts = [Counts(20, 1000) if place % 20 == 0 else Counts(0, 1000) for place in range(200)]
        burst = intervals(1, (8, 100), (0, 900))
        assert judge(burst, TERMS).verdict == "fail"
        assert judge(burst, TERMS, history=bursts).verdict != "fail"

    some = st.tuples(st.integers(0, 30), st.integers(0, 9), st.integers(0, 300), st.integers(0, 9))

    @settings(deadline=None)
    @given(st.lists(some, min_size=1, max_size=20), st.data())
    def test_one_more_bad_answer_of_the_canary_never_makes_it_better(self, counts, data):
        one = [Interval(Counts(min(b, n), n), Counts(min(c, m), m)) for n, b, m, c in counts]
        place = data.draw(st.integers(0, len(one) - 1))
        canary = one[place].canary
        worse = [*one]
        worse[place] = replace(one[place], canary=Counts(min(canary.bad + 1, canary.total), canary.total))
        order = ["fail", "insufficient", "pass"]
        assert order.index(judge(worse, TERMS).verdict) <= order.index(judge(one, TERMS).verdict)

    @settings(deadline=None)
    @given(st.lists(some, max_size=20))
    def test_nothing_passes_with_too_few_answers(self, counts):
        one = [Interval(Counts(min(b, n), n), Counts(min(c, m), m)) for n, b, m, c in counts]
        if judge(one, TERMS).verdict == "pass":
            assert sum(n for n, _b, _m, _c in counts) >= TERMS.minimum
            assert sum(m for _n, _b, m, _c in counts) > 0

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("tolerated", 2.0),
            ("slo", 0.01),
            ("slo", 0.0),
            ("alpha", 0.0),
            ("beta", 0.7),
            ("metrics", 0),
            ("minimum", 0),
            ("interval", math.nan),
            ("hopeless", 0.0),
            ("min_excess", -0.1),
        ],
    )
    def test_terms_that_make_no_sense_are_refused_by_name(self, field, value):
        with pytest.raises(ReleaseError) as refused:
            replace(TERMS, **{field: value})
        assert refused.value.where == field


class TestSentences:
    NAMES = Names("1.4.0", "1.3.0")

    @pytest.mark.parametrize(
        ("given_intervals", "parts"),
        [
            (
                intervals(1, (6, 50), (1, 950)),
                ["6 of 50 (12 %)", "1 of 950 (0.11 %)", "110 times", "proven after 10 s", "100 to 1 is enough"],
            ),
            (intervals(1, (40, 50), (0, 950)), ["40 of 50 (80 %)", "more than 20 %", "no comparison is needed"]),
            (
                intervals(9, (0, 100), (1, 900)),
                ["0 of 900 (0 %)", "less than 1 % is proven", "times as bad as 0.11 % would have failed by now"],
            ),
            (intervals(4, (1, 100), (9, 900)), ["not decided after 40 s", "to 1 of 100 to 1", "passes after"]),
            (intervals(2, (0, 50), (1, 950)), ["too few", "300 answers of the canary"]),
            (intervals(300, (0, 100), (0, 900)), ["times as bad as 0.1 % would have failed by now"]),
            ([], ["nothing could have been seen yet"]),
        ],
    )
    def test_they_have_the_figures(self, given_intervals, parts):
        said = tell(judge(given_intervals, TERMS), TERMS, self.NAMES)
        assert [part for part in parts if part not in said] == [], said

    def test_without_a_baseline_they_name_none(self):
        said = tell(
            judge(intervals(5, (0, 100)), TERMS, compared=False), TERMS, Names("1.4.0", bad="answers above 1 s")
        )
        assert said.startswith("answers above 1 s in 0 of 500 (0 %) answers of 1.4.0, less than 1 %")

    def test_the_figures_are_there_for_machines_too(self):
        found = figures(judge(intervals(1, (6, 50), (1, 950)), TERMS), TERMS)
        assert found["canary"] == {"bad": 6, "answers": 50}
        assert found["ratio"] == 114
        assert found["log_evidence"]["worse"] >= found["log_evidence"]["fails_at"]

    @pytest.mark.parametrize(("share", "text"), [(0, "0 %"), (0.058, "5.8 %"), (0.00042, "0.042 %"), (1, "100 %")])
    def test_shares_have_two_digits_that_count(self, share, text):
        assert percent(share) == text


class TestSimulations:
    """Short and seeded; `make bench` prints the long table."""

    @pytest.mark.parametrize("case", [*simulation.GOOD[:4], simulation.GOOD[-1]], ids=lambda case: case.title)
    def test_of_good_canaries_less_than_one_in_a_hundred_fails_in_120_looks(self, case):
        assert simulation.simulate(case, 300).failed <= 0.01

    @pytest.mark.parametrize("case", simulation.BURSTS, ids=lambda case: case.title)
    def test_nor_when_errors_come_in_bursts(self, case):
        assert simulation.simulate(case, 300).failed <= 0.01

    @pytest.mark.parametrize("case", simulation.BURSTS[1:], ids=lambda case: case.title)
    def test_the_correction_is_what_bears_the_bursts(self, case):
        uncorrected = 0
        chance = random.Random(1)
        canary = simulation.answers(chance, 100, case.canary, case.burst)
        baseline = simulation.answers(chance, 900, case.baseline, case.burst)
        for _canary in range(100):
            evidence = RatioEvidence(1.0, WORSE)
            for _look in range(120):
                evidence.add(Interval(canary(), baseline()))
                if evidence.log_e >= TERMS.fails_at:
                    uncorrected += 1
                    break
        assert uncorrected > 10

    @pytest.mark.parametrize("case", simulation.BAD, ids=lambda case: case.title)
    def test_bad_canaries_are_seen_as_soon_as_by_the_plain_reference_or_the_table(self, case):
        """The reference is told that answers are independent, the judge finds it out."""
        chance, mine, others = random.Random(3), [], []
        for _canary in range(100):
            before, given_intervals = simulation.canary_of(case, chance)
            mine.append(judge(given_intervals, case.terms, history=before).seconds)
            others.append(self.reference(case, given_intervals))
        assert sorted(mine)[94] <= max(case.p95, sorted(others)[94] + case.terms.interval)
        assert sorted(mine)[50] <= sorted(others)[50] + 2 * case.terms.interval

    @staticmethod
    def reference(case, given_intervals):
        reference = Reference(case.terms.tolerated, [case.terms.tolerated * factor for factor in WORSE])
        for look, one in enumerate(given_intervals, 1):
            reference.add(one.canary.bad, one.canary.total, one.baseline.bad, one.baseline.total)
            if reference.evidence >= 1 / case.terms.alpha:
                return look * case.terms.interval
        return len(given_intervals) * case.terms.interval
