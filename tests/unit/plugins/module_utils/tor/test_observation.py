# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger.canonical import canonical, parse
from ansible_collections.runbook.release.plugins.module_utils.tor.observation import (
    Look,
    conclusion,
    looks,
    standing,
    taken_now,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RUNBOOK = [{"every": "10m", "until": "1h"}, {"every": "30m", "until": "4h"}, {"every": "1h", "until": "24h"}]
ENDED = 1_000_000.0


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
