# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from looks by a policy: by tables, by replaying simulated and recorded series, and for any series."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger.canonical import canonical, parse
from ansible_collections.runbook.release.plugins.module_utils.policy.engine import CALM, Engine
from ansible_collections.runbook.release.plugins.module_utils.policy.rules import read_policy
from ansible_collections.runbook.release.plugins.module_utils.tor.units import Quantity
from hypothesis import given, settings
from hypothesis import strategies as st

from .series import BEGAN, MATRIX, UP, replayed, series_of
from .series import finding as scraped

SCOPED = [
    {"when": "all", "action": "rollback"},
    *(
        {"criterion": f"health of {name}", "when": "failed", "action": "rollback", "component": name}
        for name in ("api", "web")
    ),
]
RANK = ["nothing", "watch", "hold", "rollback"]
SERIES, RECORDED = series_of("simulated"), series_of("recorded")


def finding(name="errors", verdict="pass", observed=1, severity="blocking", unit=""):
    unit = "%" if name == "errors" else unit
    return {"name": name, "severity": severity, "verdict": verdict, "observed": observed, "unit": unit}


GOOD, BAD = [finding(), UP], [finding(verdict="fail", observed=12), UP]
NO_VALUE = [finding(verdict="error", observed=None), UP]


def engine(policy=None, **more):
    return Engine(read_policy(MATRIX if policy is None else policy), **more)


def decide(policy, *looks, every=300.0):
    """The decision after looks that are five minutes apart."""
    own = engine(policy)
    for number, findings in enumerate(looks):
        own.see(BEGAN + every * number, findings)
    return own.decision()


class TestOneLook:
    @pytest.mark.parametrize(
        ("observed", "action"),
        [(0.1, "nothing"), (5, "watch"), (9.9, "watch"), (10, "hold"), (20, "hold"), (20.1, "rollback")],
    )
    def test_the_bands_of_the_error_share(self, observed, action):
        verdict = "pass" if observed < 5 else "fail"
        found = decide(MATRIX, [finding(verdict=verdict, observed=observed), UP])
        assert found.action == action, found.sentence

    @given(st.integers(0, 1000))
    def test_a_value_is_in_the_band_that_reads_so_in_any_unit(self, tenths):
        policy = [{"criterion": "took", "when": when, "action": "watch"} for when in ("100 ms..200 ms", "> 200 ms")]
        own, seconds = engine(policy), Fraction(tenths, 1000)
        own.see(BEGAN, [finding("took", observed=float(seconds), unit="s"), UP])
        assert (own.decision().action == "watch") == (tenths >= 100)

    def test_before_any_look_nothing_follows(self):
        assert engine().decision().action == "nothing"

    def test_all_is_all_blocking_criteria_whatever_kept_them_from_passing(self):
        down = [finding(verdict="error", observed=None), finding("up", "fail"), finding("p95", severity="advisory")]
        assert decide(MATRIX, down).action == "rollback"
        assert decide(MATRIX, [*down, finding("db")]).action == "watch"

    def test_all_is_not_that_nothing_could_be_measured(self):
        blind = [finding(verdict="error", observed=None), finding("up", "insufficient")]
        assert decide(MATRIX, blind).action == "watch"
        assert decide(MATRIX, [*blind, finding("p95", "fail", severity="advisory")]).action == "watch"

    def test_any_is_one_of_them(self):
        rule = [{"when": "any", "action": "rollback"}]
        assert decide(rule, [finding(), finding("up", "insufficient")]).action == "rollback"
        assert decide(rule, GOOD).action == "nothing"

    @pytest.mark.parametrize(("verdict", "action"), [("fail", "rollback"), ("error", "watch"), ("pass", "nothing")])
    def test_a_criterion_that_failed_may_be_enough(self, verdict, action):
        rule = [{"criterion": "p95", "when": "failed", "action": "rollback"}]
        assert decide(rule, [finding(), finding("p95", verdict)]).action == action

    def test_what_no_rule_is_about_is_watched(self):
        found = decide(MATRIX, NO_VALUE)
        assert (found.action, found.rules, "no rule" in found.sentence) == ("watch", (), True)
        assert [one["name"] for one in found.numbers] == ["errors"]

    @pytest.mark.parametrize(("observed", "action"), [(199, "nothing"), (200, "nothing"), (201, "rollback")])
    def test_a_multiple_of_the_baseline(self, observed, action):
        policy = [{"criterion": "p95", "when": "> 2 x baseline", "action": "rollback"}]
        own = engine(policy, captured={"p95": Quantity(Fraction(100), "ms")}.get)
        own.see(BEGAN, [finding("p95", observed=observed, unit="ms"), UP])
        assert own.decision().action == action

    def test_a_multiple_of_a_baseline_that_nobody_captured_holds_never(self):
        policy = [{"criterion": "p95", "when": "> 2 x baseline", "action": "rollback"}]
        assert decide(policy, [finding("p95", observed=10**9, unit="ms"), UP]).action == "nothing"

    @pytest.mark.parametrize(("observed", "action"), [("degraded", "rollback"), ("ok", "nothing")])
    def test_a_text(self, observed, action):
        policy = [{"criterion": "state", "when": '== "degraded"', "action": "rollback"}]
        assert decide(policy, [finding("state", observed=observed), UP]).action == action

    def test_it_says_the_numbers_it_was_made_of(self):
        found = decide(MATRIX, [{**finding(verdict="fail", observed=31), "threshold": "< 5 %", "evidence": "x"}, UP])
        (number,) = found.numbers
        assert number == {"name": "errors", "verdict": "fail", "observed": 31, "unit": "%", "threshold": "< 5 %"}
        assert (found.rules, found.since) == (("errors > 20 %: rollback",), BEGAN)
        assert parse(canonical(found.told()).decode()) == found.told(), "a ledger keeps it as it is"


class TestScope:
    @pytest.mark.parametrize(
        ("failing", "components"), [(["api"], ("api",)), (["web"], ("web",)), (["web", "api"], ("api", "web"))]
    )
    def test_every_component_whose_own_rule_holds_goes_back_alone(self, failing, components):
        found = decide(SCOPED, [finding(), *(finding(f"health of {name}", "fail") for name in failing)])
        assert (found.action, found.components) == ("rollback", components)
        assert all(f"rollback of {name} alone" in found.sentence for name in components)

    def test_a_component_that_has_to_fail_for_a_while_does_not_keep_another_from_going_back(self):
        patient = [{**SCOPED[1], "after": "5m"}, SCOPED[2]]
        sick, both = finding("health of api", "fail"), finding("health of web", "fail")
        assert (decide(patient, [finding(), sick]).action, decide(patient, [finding(), sick]).components) == (
            "hold",
            (),
        )
        assert decide(patient, [finding(), sick, both]).components == ("web",)
        assert decide(patient[::-1], [finding(), sick, both]).components == ("web",)
        assert decide(patient, [finding(), sick], [finding(), sick]).components == ("api",)

    def test_where_everything_fails_all_components_go_back(self):
        found = decide(SCOPED, [finding("health of api", "fail"), finding("health of web", "fail")])
        assert (found.action, found.components) == ("rollback", ())

    def test_a_rule_that_waits_hides_no_rule_that_acts(self):
        policy = [MATRIX[2], {"criterion": "errors", "when": "> 20 %", "action": "rollback"}]
        policy.append({"criterion": "orders", "when": "failed", "action": "rollback"})
        assert decide(policy, [*BAD, finding("orders", "fail")]).action == "rollback"


class TestTime:
    def test_what_has_to_last_lasts_from_look_to_look(self):
        assert decide(MATRIX, GOOD, BAD).action == "hold"
        found = decide(MATRIX, GOOD, BAD, BAD)
        assert found.action == "rollback"
        assert "errors 10 %..20 % holds since" in found.sentence
        assert decide(MATRIX, BAD, GOOD, BAD).action == "hold"

    def test_it_says_when_it_will_be_decided(self):
        found = decide(MATRIX, BAD)
        assert (found.pending, found.due) == (True, BEGAN + 300)
        assert "rollback when it still holds at" in found.sentence

    def test_being_worse_counts_for_every_band_below(self):
        policy = [*MATRIX[:1], {**MATRIX[1], "after": "20m"}, *MATRIX[2:]]
        worse = [finding(verdict="fail", observed=25), UP]
        found = decide(policy, BAD, worse)
        assert (found.action, found.rules) == ("rollback", ("errors 10 %..20 %, for 5m: rollback",))

    @pytest.mark.parametrize(("failed", "action"), [(1, "hold"), (3, "hold"), (4, "rollback")])
    def test_failures_in_a_row_are_counted(self, failed, action):
        policy = [{"criterion": "health", "when": "failed", "times": 4, "action": "rollback"}]
        sick = [finding("health", "fail"), UP]
        found = decide(policy, *[sick] * failed, every=10)
        assert found.action == action, found.sentence
        assert action == "rollback" or f"{failed} of 4 times in a row" in found.sentence

    def test_one_that_passes_begins_the_row_anew(self):
        policy = [{"criterion": "health", "when": "failed", "times": 3, "action": "rollback"}]
        sick, well = [finding("health", "fail"), UP], [finding("health"), UP]
        assert decide(policy, sick, sick, well, sick, sick, every=5).action == "hold"
        assert decide(policy, sick, sick, well, sick, sick, sick, every=5).action == "rollback"

    def test_a_look_that_measured_nothing_neither_ends_nor_counts(self):
        own = engine()
        for second in range(0, 200, 10):
            own.see(BEGAN + second, BAD)
        for second in range(200, 400, 10):
            own.see(BEGAN + second, NO_VALUE)
        assert own.decision().action == "hold"
        for second in range(400, 500, 10):
            own.see(BEGAN + second, BAD)
        assert own.decision().action == "hold"
        own.see(BEGAN + 500, BAD)
        assert own.decision().action == "rollback"

    def test_a_value_that_is_bad_for_less_than_half_of_the_time_is_not_bad_for_that_time(self):
        own = engine()
        for second in range(0, 3600, 10):
            own.see(BEGAN + second, BAD if second % 30 == 0 else GOOD)
        assert own.decision().action == "hold"
        for second in range(3600, 4200, 10):
            own.see(BEGAN + second, GOOD if second % 30 == 0 else BAD)
        assert own.decision().action == "rollback"

    def test_a_hold_that_a_person_decides_is_not_waited_for(self):
        policy = [{"criterion": "errors", "when": "> 5 %", "action": "hold"}]
        found = decide(policy, BAD)
        assert (found.action, found.pending) == ("hold", False)

    def test_the_next_machine_goes_on_where_the_last_one_was(self):
        left = {}
        for second in range(0, 301, 30):
            own = engine(standing=json.loads(json.dumps(left)))
            own.see(BEGAN + second, BAD)
            left = own.left()
        assert own.decision().action == "rollback"
        other = engine([*MATRIX[:2], {**MATRIX[2], "after": "4m"}, MATRIX[3]], standing=left)
        other.see(BEGAN + 330, BAD)
        assert other.decision().action == "hold", "a rule that was changed meanwhile begins anew"

    def test_a_machine_whose_clock_is_behind_takes_no_time_back(self):
        own = engine()
        for second, findings in ((0, BAD), (250, BAD), (50, GOOD), (251, BAD)):
            own.see(BEGAN + second, findings)
        assert own.decision().due == BEGAN + 301, "250 seconds are known, and the one after the good look is none"
        own.see(BEGAN + 301, BAD)
        assert own.decision().action == "rollback"

    @pytest.mark.parametrize(
        "standing", [{"rules": 1}, {"rules": {"x": [1]}}, {"at": "soon"}, {"rules": {"x": "abcd"}}]
    )
    def test_what_no_look_has_left_is_refused(self, standing):
        with pytest.raises(ReleaseError, match="standing"):
            engine(standing=standing)


DECISIONS = {
    "a good version": [(0, "nothing")],
    "a broken version": [(0, "nothing"), (60, "rollback")],
    "it gets worse slowly": [(0, "nothing"), (60, "watch"), (100, "hold"), (210, "rollback")],
    "errors stay between": [(0, "nothing"), (60, "hold"), (360, "rollback")],
    "it recovers in time": [(0, "nothing"), (60, "hold"), (315, "nothing")],
    "it hovers at the edge": [(0, "nothing"), (60, "watch"), (70, "hold"), (550, "rollback")],
    "one bad scrape": [(0, "nothing"), (100, "hold"), (160, "nothing")],
    "a bad scrape every minute": [(0, "nothing"), (55, "hold")],
    "nothing is measured for a while": [(0, "nothing"), (60, "hold"), (480, "rollback")],
    "a little too much": [(0, "nothing"), (60, "watch"), (160, "hold"), (220, "watch")],
}

DECISIONS_OF_REAL_ONES = {
    "errors stay between": [(15, "nothing"), (70, "watch"), (75, "hold"), (375, "rollback")],
    "it recovers in time": [(15, "nothing"), (65, "watch"), (75, "hold"), (275, "watch"), (280, "nothing")],
    "a broken version": [(15, "nothing"), (65, "hold"), (70, "rollback")],
}


class TestReplay:
    @pytest.mark.parametrize("name", SERIES)
    def test_a_simulated_series_is_decided_as_the_table_says(self, name):
        found = [(int(second), decision.action) for second, decision in replayed(SERIES[name])]
        assert found == DECISIONS[name]

    @pytest.mark.parametrize("name", RECORDED)
    def test_a_series_of_a_real_prometheus_is_decided_as_the_table_says(self, name):
        found = [(int(second), decision.action) for second, decision in replayed(RECORDED[name])]
        assert found == DECISIONS_OF_REAL_ONES[name]


@st.composite
def any_series(draw):
    steps = draw(
        st.lists(st.tuples(st.floats(1, 120), st.sampled_from([0, 4.9, 5, 9, 11, 19, 21, 60, None])), max_size=80)
    )
    second, series = 0.0, []
    for step, percent in steps:
        second += round(step, 3)
        series.append((second, percent))
    return series


class TestAnySeries:
    @given(any_series())
    def test_it_is_never_milder_again_before_a_calm_minute(self, series):
        for place, (second, decision) in enumerate(decisions := list(replayed(series))):
            before = decisions[place - 1][1] if place else None
            if before and RANK.index(decision.action) < RANK.index(before.action):
                bad = [at for at, percent in series if at < second and percent is not None and percent >= 5]
                assert second - bad[-1] >= CALM - 0.01 or decision.action != "nothing"

    @given(any_series())
    def test_a_rollback_is_the_last_decision(self, series):
        actions = [decision.action for _second, decision in replayed(series)]
        assert "rollback" not in actions[:-1]

    @given(any_series())
    def test_the_worst_band_acts_at_once_and_the_middle_one_never_before_its_time(self, series):
        bad = 0.0
        for place, (second, percent) in enumerate(series):
            if percent is not None and percent > 20:
                assert next(at for at, one in replayed(series) if one.action == "rollback") <= second
                return
            if place and (before := series[place - 1][1]) is not None and before >= 10:
                bad += second - series[place - 1][0]
        acted = [at for at, one in replayed(series) if one.action == "rollback"]
        assert not acted or bad >= 299.9

    @given(any_series())
    def test_a_value_that_stays_in_the_middle_band_for_twice_its_time_is_never_forgiven(self, series):
        ends = series[-1][0] if series else 0.0
        stays = [(ends + 10 * number, 11 + number % 2 * 8) for number in range(1, 62)]
        assert list(replayed([*series, *stays]))[-1][1].action == "rollback"

    @settings(max_examples=50)
    @given(any_series(), st.integers(0, 80))
    def test_it_does_not_matter_which_machine_looks(self, series, handed_over):
        one, other = engine(), engine()
        for place, (second, percent) in enumerate(series):
            if place == handed_over:
                other = engine(standing=json.loads(json.dumps(other.left())))
            for each in (one, other):
                each.see(BEGAN + second, [scraped(percent), UP])
            if one.decision().action == "rollback":
                return
            assert other.decision() == one.decision()
