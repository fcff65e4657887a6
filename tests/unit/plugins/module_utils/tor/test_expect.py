# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import math
from fractions import Fraction

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.expect import ExpectError, NothingMeasured
from ansible_collections.runbook.release.plugins.module_utils.tor.grammar import parse
from ansible_collections.runbook.release.plugins.module_utils.tor.units import (
    UNITS,
    Quantity,
    UnitError,
    quantity,
    rounded,
)
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.decimals(-(10**6), 10**6, places=4, allow_nan=False, allow_infinity=False)
UNIT = st.sampled_from([unit for unit in UNITS if unit != "share"])


@pytest.mark.parametrize(
    ("expectation", "value", "unit", "holds", "margin"),
    [
        ("< 500 ms", 320, "ms", True, 180),
        ("< 500 ms", 500, "ms", False, 0),
        ("<= 0.5 s", 500, "ms", True, 0),
        ("< 0.5 s", Fraction(1001, 2), "ms", False, -0.0005),
        (">= 95 %", Fraction(97, 100), "share", True, 2),
        (">= 0.95", Fraction(97, 100), "share", True, 0.02),
        ("< 0.7 %", Fraction(7, 1000), "share", False, 0),
        ("< 70 %", 63, None, True, 7),
        ("< 70 %", "63%", None, True, 7),
        ("< 2 V", "1400 mV", None, True, 0.6),
        ("< 100 kW", 85.3, None, True, 14.7),
        ("> 0.95", 0.963, None, True, 0.013),
        ("<= 10 /min", "0.1/s", None, True, 4),
        ("< 1 GiB", "1 GB", None, True, None),
        ("== 200", 200, "", True, None),
        ("== 200", "200", None, True, None),
        ("!= 0", 0, None, False, None),
        ("200..299", 204, "", True, 4),
        ("200..299", 302, "", False, -3),
        ("200 .. 299", 299, "", True, 0),
        ("1..2 s", 1500, "ms", True, 0.5),
        ("500 ms..2 s", 400, "ms", False, -0.1),
        ("1.5..2.5", 2, None, True, 0.5),
        ("-5..5", -6, None, False, -1),
        ('== "ok"', "ok", None, True, None),
        ("== 'ok'", "OK", None, False, None),
        ('== "6.10"', 6.1, None, False, None),
        ('!= "down"', "up", None, True, None),
        ("== true", True, None, True, None),
        ("!= true", True, None, False, None),
        (200, 200, "", True, None),
        (True, False, None, False, None),
    ],
)
def test_it_judges(expectation, value, unit, holds, margin):
    judgement = parse(expectation).judge(value, unit)
    assert judgement.holds is holds
    assert margin is None or judgement.margin == margin


@pytest.mark.parametrize(
    "text",
    [
        *("", None, "ok", "500", "<", "< fast", "< 500 parsec", "< 5 share", "== ok", '< "ok"', "< true"),
        *("299..200", "1 s..2 V", "1..", "..2", "=> 5", "< 1e9999", "< 5 ms more", [], {}),
    ],
)
def test_what_is_not_an_expectation_is_an_error(text):
    with pytest.raises(ExpectError):
        parse(text)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "NaN", "+Inf"])
@pytest.mark.parametrize("expectation", ["< 5", "> 5", "!= 5", "0..9"])
def test_a_value_that_says_nothing_is_neither_good_nor_bad(expectation, value):
    with pytest.raises(NothingMeasured):
        parse(expectation).judge(value, None)


@pytest.mark.parametrize(
    ("expectation", "value", "unit"),
    [
        ("< 5", "many", None),
        ("< 5", True, None),
        ("< 5", [1], None),
        ("< 5", {"a": 1}, None),
        ("< 5 s", "3 V", None),
        ("== true", "yes", None),
        ("== true", 1, None),
        ('== "a"', ["a"], None),
        ('== "true"', True, None),
    ],
)
def test_a_value_of_another_kind_is_an_error_not_a_verdict(expectation, value, unit):
    with pytest.raises(ExpectError):
        parse(expectation).judge(value, unit)


@pytest.mark.parametrize(
    ("expectation", "unit"),
    [("< 500", "ms"), ("< 5 %", "ms"), ("< 5 V", "ms"), ("< 1 %", ""), ("< 5 ms", ""), ('== "ok"', ""), ("1..2", "ms")],
)
def test_a_threshold_in_the_wrong_unit_is_found_before_anything_is_measured(expectation, unit):
    with pytest.raises(ExpectError):
        parse(expectation).check_unit(unit)


@pytest.mark.parametrize(
    ("expectation", "unit"), [("< 0.5 s", "ms"), ("< 1 %", "share"), ("< 0.01", "share"), ("1..2", "")]
)
def test_a_threshold_in_a_fitting_unit_is_taken(expectation, unit):
    parse(expectation).check_unit(unit)


@given(NUMBERS, UNIT)
def test_a_quantity_reads_back_as_written(number, unit):
    assert quantity(f"{number}{unit}") == quantity(f"  {number}   {unit} ") == Quantity(Fraction(number), unit)


@given(NUMBERS, UNIT, UNIT)
def test_conversion_is_exact_or_refused(number, unit, other):
    there = Quantity(Fraction(number), unit)
    try:
        assert there.within(other).within(unit) == there
    except UnitError:
        assert UNITS[unit][0] != UNITS[other][0]


@given(NUMBERS, NUMBERS, UNIT, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
def test_opposite_comparisons_never_agree_and_margins_have_the_sign_of_the_verdict(value, threshold, unit, relation):
    opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}[relation]
    found = Fraction(value)
    judgement = parse(f"{relation} {threshold} {unit}").judge(found, unit)
    assert judgement.holds is not parse(f"{opposite} {threshold} {unit}").judge(found, unit).holds
    if judgement.margin:
        assert (judgement.margin > 0) is judgement.holds


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_range_is_two_comparisons(low, high, value):
    low, high = sorted((low, high))
    holds = parse(f"{low}..{high}").judge(Fraction(value), None).holds
    assert holds is (low <= value <= high)


@given(st.text(max_size=30))
def test_nothing_but_an_expectation_error_comes_of_any_text(text):
    with contextlib.suppress(ExpectError):
        assert parse(text).text == text.strip()


@given(NUMBERS)
def test_rounding_is_for_showing_only(number):
    assert math.isclose(rounded(Fraction(number)), float(number), rel_tol=1e-5, abs_tol=1e-9)
