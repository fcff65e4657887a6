# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.aggregate import aggregate
from ansible_collections.runbook.release.plugins.module_utils.tor.expect import ExpectError, NothingMeasured
from ansible_collections.runbook.release.plugins.module_utils.tor.select import check, pick
from hypothesis import given
from hypothesis import strategies as st

BODY = '{"a": {"b-c": [1, 2, {"d": "x"}]}, "status": "ok", "none": null, "pods": [{"ready": true}, {"ready": false}]}'


@pytest.mark.parametrize(
    ("how", "value"),
    [("avg", 3), ("sum", 12), ("min", 1), ("max", 6), ("p50", 2), ("p95", 6), ("count", 4), ("last", 6)],
)
def test_many_become_one(how, value):
    assert aggregate([2, 1, 3, 6], how) == value


def test_one_needs_no_aggregate_and_neither_do_equals():
    assert aggregate([5], "") == 5
    assert aggregate(["a", "a"], "") == "a"


def test_different_values_where_one_was_expected_are_an_error():
    with pytest.raises(ExpectError, match="2 different values"):
        aggregate([1, 2], "")


def test_no_value_is_nothing_but_can_be_counted():
    assert aggregate([], "count") == 0
    for how in ("", "last", "avg", "p95"):
        with pytest.raises(NothingMeasured):
            aggregate([], how)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_one_hollow_value_hollows_the_aggregate(value):
    with pytest.raises(NothingMeasured):
        aggregate([1, value], "max")


@pytest.mark.parametrize("value", ["3", True, {}])
def test_text_is_not_averaged(value):
    with pytest.raises(ExpectError):
        aggregate([1, value], "avg")


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=50), st.sampled_from(["p50", "p90", "p95", "p99"]))
def test_a_percentile_was_measured_and_enough_values_are_below_it(values, how):
    found = aggregate(values, how)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= int(how[1:]) * len(values)


@pytest.mark.parametrize(
    ("select", "values"),
    [
        ("status", ["ok"]),
        ("a.b-c", [1, 2, {"d": "x"}]),
        ("a.b-c[1]", [2]),
        ("a.b-c[2].d", ["x"]),
        ("pods[?ready].ready", [True]),
        ("length(pods)", [2]),
        ('/"status": "(\\w+)"/', ["ok"]),
        ("/status/", ["status"]),
        ("/nowhere/", []),
    ],
)
def test_it_picks(select, values):
    check(select)
    assert pick(select, BODY) == values


@pytest.mark.parametrize("select", ["a.b-c[9].d", "a.missing.d", "none", "a.missing[?x].d"])
def test_what_is_not_there_or_null_says_nothing(select):
    with pytest.raises(NothingMeasured, match="there is no"):
        pick(select, BODY)


def test_an_empty_list_has_no_values():
    assert pick("pods[?absent].ready", BODY) == []


def test_an_answer_that_is_not_json_is_an_error():
    with pytest.raises(ExpectError, match="not JSON"):
        pick("status", "<html>")


def test_what_is_not_jmespath_is_an_error():
    with pytest.raises(ExpectError, match="JMESPath"):
        pick("pods[?", BODY)


def test_what_is_not_a_regular_expression_is_found_early():
    with pytest.raises(ExpectError, match="regular expression"):
        check("/(/")
