# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy says, and which policies are refused with what is wrong in them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.policy.rules import read_policy, rule_text
from hypothesis import given
from hypothesis import strategies as st

BANDS = [
    {"when": "all", "action": "rollback"},
    {"criterion": "errors", "when": "> 20 %", "action": "rollback"},
    {"criterion": "errors", "when": "10 %..20 %", "action": "rollback", "after": "5m"},
    {"criterion": "errors", "when": "5 %..10 %", "action": "watch"},
]


def banded(*whens, action="watch", **more):
    return [{"criterion": "errors", "when": when, "action": action, **more} for when in whens]


def refused(policy):
    with pytest.raises(ReleaseError) as told:
        read_policy(policy)
    return str(told.value)


class TestOneRule:
    @pytest.mark.parametrize(
        ("rule", "said"),
        [
            ({"when": "> 20 %", "action": "rollback"}, "policy[4].criterion: missing"),
            ({"when": "often", "criterion": "errors", "action": "rollback"}, "policy[4].when"),
            ({"when": "all", "action": "flee"}, "policy[4].action: 'flee'"),
            ({"when": "all", "action": "rollback", "after": "soon"}, "policy[4].after"),
            ({"when": "all", "action": "rollback", "wait": 5}, "policy[4].wait: unknown"),
            ({"when": "all", "action": "watch", "component": "api"}, "policy[4].component"),
            ({"when": "all", "criterion": "errors", "action": "watch"}, "policy[4].criterion: all is about every"),
            ({"when": "any", "action": "rollback", "times": 0}, "policy[4].times: 0"),
            ({"when": "any", "action": "rollback", "times": "some"}, "policy[4].times: 'some'"),
        ],
    )
    def test_one_that_nobody_can_read_is_refused_by_its_place(self, rule, said):
        assert said in refused([*BANDS, rule])

    def test_all_mistakes_are_told_at_once(self):
        told = refused([{"when": "all", "action": "flee"}, {"when": "> 5", "action": "watch"}])
        assert "policy[0].action" in told
        assert "policy[1].criterion" in told

    def test_it_reads_as_a_sentence_for_whoever_approves_it(self):
        assert rule_text(BANDS[2]) == "errors 10 %..20 %, for 5m: rollback"
        assert rule_text(BANDS[0]) == "that no blocking criterion passed: rollback"
        often = {"criterion": "health", "when": "failed", "times": 4, "action": "rollback", "component": "mailer"}
        assert rule_text(often) == "health failed, 4 times in a row: rollback of mailer alone"

    def test_the_same_rule_twice_is_refused(self):
        rule = {"criterion": "health", "when": "failed", "action": "rollback"}
        assert "'health failed: rollback' twice" in refused([rule, rule])


class TestBands:
    @pytest.mark.parametrize(
        "policy",
        [
            BANDS,
            banded("> 1 %"),
            banded("10 %..100 %", "5 %..10 %"),
            banded("< 95 %", "95 %..99 %"),
            banded("< 10 ms", "> 2 s"),
            banded("> 3 x baseline") + banded("> 20 %"),
            banded("== 5", "> 3"),
            banded(">= 20 %", "10 %..20 %"),
            banded("> 20 %", component="api", action="rollback") + banded("> 10 %", component="web", action="rollback"),
        ],
    )
    def test_bands_that_fit_together_are_a_policy(self, policy):
        assert len(read_policy(policy)) == len(policy)

    @pytest.mark.parametrize(
        ("whens", "both"),
        [
            (("10 %..20 %", "15 %..25 %", "> 25 %"), "10 %..20 % and 15 %..25 % of errors overlap"),
            (("> 20 %", "> 5 %"), "> 5 % and > 20 % of errors overlap"),
            (("> 20 %", "5 %..30 %"), "5 %..30 % and > 20 % of errors overlap"),
            (("< 5 %", "< 10 %"), "< 5 % and < 10 % of errors overlap"),
            (("> 2 x baseline", "> 3 x baseline"), "> 2 x baseline and > 3 x baseline of errors overlap"),
            (("> 500 ms", "200 ms..0.6 s"), "200 ms..0.6 s and > 500 ms of errors overlap"),
        ],
    )
    def test_two_that_overlap_are_named(self, whens, both):
        assert f"the bands {both}" in refused(banded(*whens))

    @pytest.mark.parametrize(
        ("whens", "said"),
        [
            (("> 20 %", "5 %..10 %"), "between 10 % and 20 %, between the bands 5 %..10 % and > 20 %"),
            (("< 90 %", "95 %..99 %"), "between 90 % and 95 %, between the bands < 90 % and 95 %..99 %"),
            (("< 1", "5..9", "> 12"), "between 9 and 12, between the bands 5..9 and > 12"),
            (("10 %..20 %",), "below 10 %..20 % nor above 10 %..20 %, and only one of both can be good"),
        ],
    )
    def test_what_no_rule_speaks_of_is_named_with_its_neighbours(self, whens, said):
        assert said in refused(banded(*whens))

    def test_bands_of_different_kinds_cannot_be_compared(self):
        assert "in > 20 % and in > 5 s, which are of different kinds" in refused(banded("> 20 %", "> 5 s"))

    def test_a_policy_without_rules_is_one(self):
        assert read_policy([]) == ()

    @given(st.lists(st.integers(1, 100), min_size=2, max_size=7, unique=True).map(sorted), st.randoms())
    def test_any_edges_make_bands_that_fit_and_losing_an_inner_one_is_seen(self, edges, chance):
        whens = [f"{low}..{high}" for low, high in pairwise(edges)] + [f"> {edges[-1]}"]
        policy = banded(*whens)
        chance.shuffle(policy)
        assert len(read_policy(policy)) == len(edges)
        for lost in whens[1:-1]:
            told = refused([rule for rule in policy if rule["when"] != lost])
            assert all(end in told for end in lost.split(".."))

    @given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
    def test_bands_that_share_more_than_an_edge_are_refused(self, low, width, shared):
        high = low + width + shared
        told = refused(banded(f"{low}..{low + width + shared}", f"{low + width}..{high + 5}", f"> {high + 5}"))
        assert "overlap" in told
