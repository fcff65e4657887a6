# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.expect import (
    ExpectError,
    NothingMeasured,
    Reference,
)
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
        *("within", "within 5", "within 5 V", "< 2 y baseline", "< -2 x baseline", "< v", ">= v1.x", "== baselines"),
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


@given(st.text("0123456789 <>=!.%-+xv\"'/smhbaselinewithin", max_size=30))
def test_nothing_but_an_expectation_error_comes_of_any_text(text):
    with contextlib.suppress(ExpectError):
        assert parse(text).text == text.strip()


@given(NUMBERS)
def test_rounding_is_for_showing_only(number):
    assert math.isclose(rounded(Fraction(number)), float(number), rel_tol=1e-5, abs_tol=1e-9)


NOW = 1_795_000_000.0
"""2026-11-18T11:06:40Z"""


def beside(baseline=None, unit="ms"):
    return Reference(lambda: None if baseline is None else Quantity(Fraction(str(baseline)), unit), lambda: NOW)


@pytest.mark.parametrize(
    ("expectation", "value", "unit", "holds", "margin"),
    [
        ("within 1 h", "2026-11-18T10:36:40Z", None, True, 0.5),
        ("within 1h", "2026-11-18T10:06:40Z", None, True, 0),
        ("within 1 h", "2026-11-18T10:06:39Z", None, False, -0.000277778),
        ("within 1 h", "2026-11-18 17:36:40+07:00", None, True, 0.5),
        ("within 1 h", "2026-11-18T10:36:40.123456789Z", None, True, None),
        ("within 1 h", datetime(2026, 11, 18, 10, 36, 40, tzinfo=UTC), None, True, 0.5),
        ("within 1 h", NOW - 1800, None, True, 0.5),
        ("within 1 h", int(NOW - 7200), None, False, -1),
        ("within 1 h", int(1000 * (NOW - 1800)), None, True, 0.5),
        ("within 1 h", "35 min", None, True, None),
        ("within 1 h", 3601, "s", False, None),
        ("within 30 d", 2_000_000, "s", True, None),
        ("within 1 h", "2026-11-18T11:07:00Z", None, True, 1),
        (">= v1.28", "v1.28.3+k3s1", None, True, None),
        (">= v1.28", "1.9.9", None, False, None),
        (">= v1.28.0", "1.28", None, True, None),
        ("> v1.28", "1.28.3", None, False, None),
        ("== v1.28", "1.28.3-gke.100", None, True, None),
        ("< v2", "1.99", None, True, None),
        ("<= v3", "10.1", None, False, None),
    ],
)
def test_ages_and_versions(expectation, value, unit, holds, margin):
    judgement = parse(expectation).judge(value, unit, beside())
    assert judgement.holds is holds
    assert margin is None or judgement.margin == margin


@pytest.mark.parametrize(
    ("expectation", "value", "unit", "baseline", "holds", "threshold"),
    [
        ("<= 2 x baseline", 240, "ms", 120, True, "240 ms"),
        ("<= 2 x baseline", 241, "ms", 120, False, "240 ms"),
        ("<= 2x baseline", "0.2 s", None, 120, True, "240 ms"),
        ("< 1.5 x baseline", 179, "ms", 120, True, "180 ms"),
        (">= baseline", 120, "ms", 120, True, "120 ms"),
        ("<= 2 x baseline", 0, "ms", 0, True, "0 ms"),
        ("<= 2 x baseline", 1, "ms", 0, False, "0 ms"),
    ],
)
def test_a_multiple_of_a_baseline(expectation, value, unit, baseline, holds, threshold):
    judgement = parse(expectation).judge(value, unit, beside(baseline))
    assert (judgement.holds, judgement.threshold) == (holds, threshold)


@pytest.mark.parametrize(
    ("expectation", "value", "unit"),
    [
        ("<= 2 x baseline", 5, "ms"),
        ("within 1 h", None, None),
        ("within 1 h", math.nan, "s"),
        ("within 1 h", "2026-11-18T11:08:00Z", None),
        ("within 1 h", -60, "s"),
        (">= v1.2", None, None),
    ],
)
def test_without_a_baseline_or_from_the_future_nothing_is_known(expectation, value, unit):
    with pytest.raises(NothingMeasured):
        parse(expectation).judge(value, unit, beside())


@pytest.mark.parametrize(
    ("expectation", "value", "unit", "said"),
    [
        ("within 1 h", "2026-11-18T10:36:40", None, "has no time zone"),
        ("within 1 h", datetime(2026, 11, 18, 10), None, "has no time zone"),
        ("within 1 h", "2026-13-45T10:36:40Z", None, "is not a time"),
        ("within 1 h", 5, None, "neither a time nor an age"),
        ("within 1 h", "5 V", None, "neither a time nor an age"),
        ("within 1 h", True, None, "not a number"),
        ("within 1 h", "soon", None, "not a number"),
        (">= v1.2", 1.28, None, "not a version"),
        (">= v1.2", "latest", None, "not a version"),
        ("<= 2 x baseline", "3 V", None, "is a voltage"),
    ],
)
def test_what_is_neither_a_time_nor_a_version_is_an_error(expectation, value, unit, said):
    with pytest.raises(ExpectError, match=said):
        parse(expectation).judge(value, unit, beside(5))


@pytest.mark.parametrize(("expectation", "unit"), [("within 1 h", "V"), ("within 1 h", ""), (">= v1.2", "ms")])
def test_an_age_or_version_of_something_else_is_found_early(expectation, unit):
    with pytest.raises(ExpectError):
        parse(expectation).check_unit(unit)


@given(st.floats(0, 10**6, allow_nan=False), st.integers(1, 500))
def test_an_age_and_its_point_in_time_are_judged_alike(seconds, hours):
    limit = parse(f"within {hours} h")
    there = datetime.fromtimestamp(NOW - round(seconds, 3), UTC).isoformat()
    assert limit.judge(there, None, beside()).holds is limit.judge(round(seconds, 3), "s", beside()).holds


@given(st.text("0123456789 <>=!.%-+xv\"'/smhbaselinewithin", max_size=30))
def test_an_expectation_is_read_or_refused(text):
    with contextlib.suppress(ExpectError):
        assert parse(text).text == text.strip()
