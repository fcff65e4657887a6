# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres.retention import Drop, Keep, Policy, plan
from hypothesis import given
from hypothesis import strategies as st

from .backups import NOW, manifest, proof

DAY = timedelta(days=1)


def ids(decided, kind=Keep):
    return [one.id for one in decided if isinstance(one, kind)]


def daily(count, **more):
    return [manifest(f"day-{number:03}", DAY * number, **more) for number in range(count)]


def why(decided, id):
    return next(one.why for one in decided if one.id == id)


def test_the_newest_are_kept_by_number():
    decided = plan(daily(5), Policy(last=3, min_valid=1), NOW)
    assert ids(decided) == ["day-000", "day-001", "day-002"]
    assert ids(decided, Drop) == ["day-003", "day-004"]


def test_the_young_are_kept_by_age_of_their_contents():
    decided = plan(daily(5), Policy(within=2 * DAY, min_valid=1), NOW)
    assert ids(decided) == ["day-000", "day-001", "day-002"]


def test_one_a_day_week_month_and_year_is_kept():
    decided = plan(daily(800), Policy(daily=3, weekly=2, monthly=3, yearly=3, min_valid=1), NOW)
    assert ids(decided) == ["day-000", "day-001", "day-002", "day-006", "day-021", "day-052", "day-325", "day-690"]


def test_of_a_day_with_several_the_newest_is_kept():
    two = [manifest("morning", timedelta(hours=9)), manifest("noon", timedelta(hours=1))]
    assert ids(plan(two, Policy(daily=7, min_valid=1), NOW)) == ["noon"]


def test_the_newest_proven_stays_however_old():
    backups = [*daily(3), manifest("proven", 400 * DAY, proof=proof("restore"))]
    decided = plan(backups, Policy(last=1, min_valid=1), NOW)
    assert ids(decided) == ["day-000", "proven"]
    assert why(decided, "proven") == "the newest proven"


@pytest.mark.parametrize("weak", [None, proof("decode")])
def test_what_is_not_proven_by_a_restore_is_no_proven_one(weak):
    decided = plan([*daily(3), manifest("weak", 9 * DAY, proof=weak)], Policy(last=1, min_valid=1), NOW)
    assert "weak" in ids(decided, Drop)


def test_a_pinned_one_and_the_way_back_of_a_release_stay():
    backups = [*daily(3), manifest("audit", 99 * DAY, pinned="audit"), manifest("way-back", 50 * DAY)]
    decided = plan(backups, Policy(last=1, min_valid=1), NOW, {"way-back"})
    assert ids(decided) == ["day-000", "way-back", "audit"]
    assert why(decided, "audit") == "pinned: audit"


def test_a_policy_that_keeps_nothing_still_leaves_the_fewest_there_may_be():
    assert ids(plan(daily(5), Policy(within=timedelta(), min_valid=2), NOW)) == ["day-000", "day-001"]


def test_one_whose_proof_failed_counts_for_nothing_and_goes_once_another_is_proven():
    failed = manifest("failed", proof=proof(ok=False))
    older = [manifest(f"older-{number}", DAY * number) for number in range(1, 4)]
    assert ids(plan([failed, *older], Policy(last=2, min_valid=1), NOW)) == ["failed", "older-1", "older-2"]
    decided = plan([failed, *older, manifest("proven", 9 * DAY, proof=proof())], Policy(last=2, min_valid=1), NOW)
    assert ids(decided) == ["older-1", "older-2", "proven"]
    assert why(decided, "failed") == "its proof failed, and another one is proven"


@pytest.mark.parametrize("wrong", [{}, {"last": -1}, {"last": 3, "min_valid": 0}])
def test_a_policy_that_could_delete_everything_is_refused(wrong):
    with pytest.raises(Refused):
        Policy(**wrong)


BACKUPS = st.lists(
    st.builds(
        lambda number, hours, level, ok, pinned: manifest(
            f"b-{number}",
            timedelta(hours=hours),
            proof=proof(level, ok=ok) if level else None,
            pinned=pinned,
        ),
        st.integers(0, 999),
        st.integers(0, 20_000),
        st.sampled_from(["", "checksum", "decode", "restore", "full"]),
        st.booleans(),
        st.sampled_from(["", "", "", "audit"]),
    ),
    max_size=40,
    unique_by=lambda one: one.id,
)
COUNTS = st.integers(0, 5)
POLICIES = st.builds(
    lambda last, hours, daily, weekly, monthly, yearly, least: Policy(
        last, timedelta(hours=hours), daily, weekly, monthly, yearly, least
    ),
    COUNTS,
    st.integers(0, 9_000),
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
    st.integers(1, 4),
)


@given(BACKUPS, POLICIES, st.sets(st.integers(0, 999)))
def test_whatever_the_policy_what_must_stay_stays(backups, policy, numbers):
    fallbacks = {f"b-{number}" for number in numbers}
    decided = plan(backups, policy, NOW, fallbacks)
    stays = set(ids(decided))
    valid = [one for one in backups if one.proof is None or one.proof.holds]
    newest = sorted(valid, key=lambda one: (one.made_at, one.id), reverse=True)
    proven = [one.id for one in newest if one.proof and one.proof.holds and one.level in ("restore", "full")]
    assert sorted(one.id for one in decided) == sorted(one.id for one in backups)
    assert len(stays) >= min(policy.min_valid, len(valid))
    assert {one.id for one in newest[: max(policy.min_valid, policy.last)]} <= stays
    assert set(proven[:1]) <= stays
    assert {one.id for one in backups if one.pinned or one.id in fallbacks} <= stays
    assert all(one.why for one in decided)


@given(BACKUPS, POLICIES)
def test_pruning_twice_removes_nothing_more(backups, policy):
    stays = set(ids(plan(backups, policy, NOW)))
    again = plan([one for one in backups if one.id in stays], policy, NOW)
    assert set(ids(again)) == stays
