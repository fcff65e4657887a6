# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.asked import asked
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.judge import Judge

ERRORS = {"name": "errors", "source": {"kind": "judge"}, "select": "error_share", "expect": '== "pass"'}
SLOW = {**ERRORS, "name": "slow", "source": {"kind": "judge", "slower_than": "500 ms"}, "select": "slow_share"}
LIMIT = {"name": "depth", "source": {"kind": "command", "command": ["true"]}, "select": "output", "expect": "< 5"}
AS_BEFORE = {**LIMIT, "name": "as before", "expect": "<= 2 x baseline"}
STEP = {"previous": "1.3.2", "witness": "/record/witness/web", "since": 1000.5, "times": 4}


def judges(*criteria, **more) -> list[Judge]:
    return [one.source for one in parse_criteria(asked(list(criteria), "1.4.0", **more))]


def test_the_judge_of_a_step_needs_no_versions_and_no_witness_from_who_writes_the_gate():
    errors, slow = judges(ERRORS, SLOW, **STEP)
    assert (errors.canary, errors.baseline, errors.path, errors.since) == (
        "1.4.0",
        "1.3.2",
        "/record/witness/web",
        1000.5,
    )
    assert (slow.baseline, slow.slower_than) == ("1.3.2", "500 ms")


def test_all_that_is_asked_in_a_release_shares_one_probability_to_fail_a_good_version():
    assert {judge.metrics for judge in judges(ERRORS, SLOW, **STEP)} == {8}
    (alone,) = judges({**ERRORS, "source": {"kind": "judge", "metrics": 1}}, **STEP)
    assert alone.metrics == 1


def test_counters_of_prometheus_take_the_place_of_the_witness():
    source = {"kind": "judge", "url": "http://prometheus", "total": 'a{v="$version"}', "bad": 'b{v="$version"}'}
    (judge,) = judges({**ERRORS, "source": source}, **STEP)
    assert (judge.path, judge.canary, judge.baseline, judge.since) == ("", "1.4.0", "1.3.2", 1000.5)


@pytest.mark.parametrize("previous", ["", "1.4.0"])
def test_without_another_version_to_compare_with_the_objective_alone_counts(previous):
    (judge,) = judges(ERRORS, **{**STEP, "previous": previous})
    assert (judge.canary, judge.baseline) == ("1.4.0", "")


def test_where_it_can_have_heard_nothing_the_judge_is_not_asked():
    assert asked([ERRORS, LIMIT, AS_BEFORE], "1.4.0", judged=False) == [LIMIT, AS_BEFORE]


def test_a_first_release_is_not_compared_with_what_was_never_there():
    assert asked([LIMIT, AS_BEFORE, {**LIMIT, "expect": '== "baseline"'}], "1.4.0", compared=False) == [
        LIMIT,
        {**LIMIT, "expect": '== "baseline"'},
    ]


def test_what_nobody_can_read_is_left_to_who_says_what_is_wrong_with_it():
    broken = ["text", {"name": "x", "expect": "fast"}, {"source": "none"}]
    assert asked(broken, "1.4.0", judged=False, compared=False) == broken


def test_an_option_that_does_not_exist_is_an_error_of_the_filter():
    with pytest.raises(AnsibleFilterError, match="colour"):
        asked([], "1.4.0", colour="green")
