# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger.canonical import canonical, parse
from ansible_collections.runbook.release.plugins.module_utils.tor.observation import (
    Look,
    check_policy,
    conclusion,
    decide,
    looks,
    standing,
    taken_now,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RUNBOOK = [{"every": "10m", "until": "1h"}, {"every": "30m", "until": "4h"}, {"every": "1h", "until": "24h"}]
ENDED = 1_000_000.0
BANDS = [
    {"when": "all", "action": "rollback"},
    {"criterion": "errors", "when": "> 20 %", "action": "rollback"},
    {"criterion": "errors", "when": "10 %..20 %", "action": "rollback", "after": "5m"},
    {"criterion": "errors", "when": "5 %..10 %", "action": "watch"},
]


def finding(name="errors", verdict="pass", observed=1, severity="blocking"):
    unit = "%" if name == "errors" else ""
    return {"name": name, "severity": severity, "verdict": verdict, "observed": observed, "unit": unit, "source": "x"}


def look(number, *findings):
    return taken_now(number, ENDED + 300 * number, findings or [finding()])


class TestLooks:
    def test_every_ten_minutes_then_half_hours_then_hours(self):
        found = looks(RUNBOOK)
        minutes = [seconds / 60 for seconds in found]
        assert minutes[:8] == [10, 20, 30, 40, 50, 60, 90, 120]
        assert minutes[11:14] == [240, 300, 360]
        assert (len(found), minutes[-1]) == (32, 1440)

    def test_any_list_is_a_plan(self):
        assert looks([{"at": "1h"}, {"at": 300}, {"at": "24h"}]) == [300, 3600, 86400]

    @pytest.mark.parametrize(
        "plan",
        [
            [],
            [{}],
            [{"every": "10m"}],
            [{"every": "0s", "until": "1h"}],
            [{"every": "1h", "until": "30m"}],
            [{"every": "1s", "until": "24h"}],
            [{"every": "soon", "until": "1h"}],
            [{"every": "10m", "until": "1h"}, {"every": "10m", "until": "1h"}],
        ],
    )
    def test_a_plan_without_looks_or_with_too_many_is_refused(self, plan):
        with pytest.raises(ReleaseError, match="plan"):
            looks(plan)


class TestStanding:
    TIMES = looks(RUNBOOK)

    @pytest.mark.parametrize(
        ("minutes", "taken", "due", "missed"),
        [
            (0, (), 0, ()),
            (9, (), 0, ()),
            (10, (), 1, ()),
            (15, (1,), 0, ()),
            (35, (1,), 3, (2,)),
            (35, (1, 2, 3), 0, ()),
            (3000, (1,), 32, tuple(range(2, 32))),
            (3000, (32,), 0, ()),
        ],
    )
    def test_the_newest_look_that_is_due_is_taken(self, minutes, taken, due, missed):
        found = standing(self.TIMES, ENDED, [look(number) for number in taken], ENDED + 60 * minutes)
        assert (found.due, found.missed) == (due, missed)

    def test_it_says_when_the_next_one_is_due_and_when_it_is_over(self):
        assert standing(self.TIMES, ENDED, [], ENDED).next == ENDED + 600
        assert standing(self.TIMES, ENDED, [look(1)], ENDED + 700).next == ENDED + 1200
        last = standing(self.TIMES, ENDED, [look(32)], ENDED + 90_000)
        assert (last.over, last.next) == (True, None)

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 90_000), min_size=1, max_size=60))
    def test_however_often_it_is_run_each_look_is_taken_or_missed_once(self, moments):
        taken = []
        for moment in sorted([*moments, 86_400.0]):
            found = standing(self.TIMES, ENDED, taken, ENDED + moment)
            taken += [Look(number, moment, "missed") for number in found.missed]
            taken += [Look(found.due, moment, "pass")] if found.due else []
        assert [one.number for one in taken] == list(range(1, 33))


class TestVerdicts:
    @pytest.mark.parametrize(
        ("findings", "verdict"),
        [
            ([finding()], "pass"),
            ([finding(), finding("p95", "fail")], "fail"),
            ([finding(), finding("p95", "error")], "insufficient"),
            ([finding(), finding("p95", "fail", severity="advisory")], "pass"),
            ([finding("p95", "pass", severity="advisory")], "insufficient"),
            ([], "insufficient"),
        ],
    )
    def test_of_one_look(self, findings, verdict):
        assert taken_now(1, ENDED, findings).verdict == verdict

    def test_a_look_keeps_no_evidence_and_no_long_text(self):
        kept = taken_now(1, ENDED, [{**finding(observed="x" * 500), "evidence": "body"}]).findings[0]
        assert "evidence" not in kept
        assert len(kept["observed"]) < 110

    @pytest.mark.parametrize("observed", [2**60, float("inf"), {"token": "y"}, 1.5, 2**53 - 1, None, True])
    def test_a_look_reads_the_same_out_of_a_ledger(self, observed):
        kept = dict(taken_now(1, ENDED, [finding(observed=observed)]).findings[0])
        assert parse(canonical(kept).decode()) == kept

    def test_over_all_looks(self):
        good, bad, blind = look(1), look(2, finding(verdict="fail")), look(3, finding(verdict="error"))
        gone = Look(4, ENDED, "missed")
        assert conclusion([good, good]) == ("pass", "2 of 2 looks passed")
        assert conclusion([good, blind])[0] == "insufficient"
        assert conclusion([good, gone])[0] == "insufficient"
        assert conclusion([good, bad, blind, gone]) == (
            "fail",
            "1 of 4 looks passed; look 2 failed; look 3 could not tell; look 4 was missed",
        )


class TestDecisions:
    @pytest.mark.parametrize(
        ("observed", "action"),
        [(0.1, "nothing"), (5, "watch"), (9.9, "watch"), (10, "hold"), (20, "hold"), (20.1, "rollback")],
    )
    def test_the_bands_of_the_error_share(self, observed, action):
        verdict = "pass" if observed < 5 else "fail"
        found = decide(BANDS, [look(1, finding(verdict=verdict, observed=observed), finding("up", "pass"))])
        assert found.action == action, found.sentence

    def test_what_has_to_last_lasts_from_look_to_look(self):
        bad = [finding(verdict="fail", observed=12), finding("up")]
        assert decide(BANDS, [look(1), look(2, *bad)]).action == "hold"
        found = decide(BANDS, [look(1), look(2, *bad), look(3, *bad)])
        assert found.action == "rollback"
        assert "errors 10 %..20 % holds since" in found.sentence
        assert decide(BANDS, [look(1, *bad), look(2), look(3, *bad)]).action == "hold"

    def test_a_missed_look_neither_ends_nor_starts_it(self):
        bad = [finding(verdict="fail", observed=12), finding("up")]
        assert decide(BANDS, [look(1, *bad), Look(2, ENDED + 600, "missed"), look(3, *bad)]).action == "rollback"
        assert decide(BANDS, [Look(1, ENDED, "missed")]).action == "nothing"

    def test_all_is_all_blocking_criteria_whatever_kept_them_from_passing(self):
        down = [
            finding(verdict="error", observed=None),
            finding("up", "fail"),
            finding("p95", "pass", severity="advisory"),
        ]
        assert decide(BANDS, [look(1, *down)]).action == "rollback"
        assert decide(BANDS, [look(1, *down, finding("db"))]).action == "watch"

    def test_all_is_not_that_nothing_could_be_measured(self):
        blind = [finding(verdict="error", observed=None), finding("up", "insufficient")]
        assert decide(BANDS, [look(1, *blind)]).action == "watch"
        assert decide(BANDS, [look(1, *blind, finding("p95", "fail", severity="advisory"))]).action == "watch"

    def test_any_is_one_of_them(self):
        rule = [{"when": "any", "action": "rollback"}]
        assert decide(rule, [look(1, finding(), finding("up", "insufficient"))]).action == "rollback"
        assert decide(rule, [look(1)]).action == "nothing"

    @pytest.mark.parametrize(("verdict", "action"), [("fail", "rollback"), ("error", "watch"), ("pass", "nothing")])
    def test_a_criterion_that_failed_may_be_enough(self, verdict, action):
        rule = [{"criterion": "p95", "when": "failed", "action": "rollback"}]
        assert decide(rule, [look(1, finding(), finding("p95", verdict))]).action == action

    def test_an_error_is_no_value_in_any_band(self):
        found = decide(BANDS, [look(1, finding(verdict="error", observed=None), finding("up"))])
        assert (found.action, "no rule" in found.sentence) == ("watch", True)

    @pytest.mark.parametrize(
        "rule",
        [
            {"when": "> 20 %", "action": "rollback"},
            {"when": "often", "criterion": "errors", "action": "rollback"},
            {"when": "all", "action": "flee"},
            {"when": "all", "action": "rollback", "after": "soon"},
            {"when": "all", "action": "rollback", "wait": 5},
        ],
    )
    def test_a_rule_nobody_can_read_is_refused_by_its_place(self, rule):
        with pytest.raises(ReleaseError) as refused:
            check_policy([*BANDS, rule])
        assert "policy[4]" in str(refused.value)
