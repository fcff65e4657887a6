# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.witness.log import Answers, Request, Tally
from ansible_collections.runbook.release.plugins.module_utils.witness.verdict import judge, report

LOST = Request(1_800_000_000_000, 1_800_000_002_000, "new", "timeout", "")
GOOD = Tally(total=Answers(ok=10))
BAD = Tally(total=Answers(ok=9, failed=1), first_failures=(LOST,), by_version={"": Answers(failed=1)})
FOREIGN = Tally(total=Answers(ok=10), wrong=2, first_failures=(LOST,))


@pytest.mark.parametrize(
    ("tally", "dropped", "gap", "verdict"),
    [
        (GOOD, 0, "", "pass"),
        (GOOD, None, "", "pass"),
        (GOOD, 3, "", "insufficient"),
        (GOOD, 0, "it was killed", "insufficient"),
        (Tally(), 0, "", "insufficient"),
        (Tally(), None, "", "insufficient"),
        (BAD, 3, "it was killed", "fail"),
        (FOREIGN, 0, "", "fail"),
    ],
)
def test_a_failure_wins_and_only_a_complete_record_passes(tally, dropped, gap, verdict):
    assert judge(tally, dropped, gap).verdict == verdict


def test_the_reason_says_what_happened_first():
    assert "1 failed of 10 requests" in judge(BAD, 0).reason
    assert "new: no answer within the timeout after 2000 ms" in judge(BAD, 0).reason
    assert "3 requests were not sent" in judge(GOOD, 3).reason


def test_the_report_has_no_key_that_ansible_takes_for_its_own():
    assert "failed" not in report(BAD, 0)
    assert report(BAD, 0)["failed_requests"] == 1
    assert report(BAD, 0)["first_failures"][0]["at"].startswith("2027-01-15T08:00:00.000")
