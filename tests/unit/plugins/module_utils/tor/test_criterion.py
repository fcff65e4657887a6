# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria

HTTP = {"kind": "http", "url": "http://shop.test/"}
WITNESS = {"kind": "witness", "path": "/w"}


def entry(**changes):
    return {"name": "it", "source": HTTP, "select": "status", "expect": "== 200", **changes}


def test_defaults_are_blocking_with_one_sample():
    (criterion,) = parse_criteria([entry(clause=None, aggregate=None, samples=None, timeout=None, remedy=None)])
    assert (criterion.blocking, criterion.samples, criterion.timeout, criterion.title) == (True, 1, 10.0, "it")


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"name": ""}, ".name: missing"),
        ({"expect": None}, ".expect: missing"),
        ({"source": {}}, ".source: missing"),
        ({"sourec": 1}, ".sourec: unknown, did you mean source?"),
        ({"severity": "fatal"}, ".severity: 'fatal'"),
        ({"aggregate": "mean"}, ".aggregate: 'mean'"),
        ({"samples": 1.5}, ".samples: 1.5 is not a whole number"),
        ({"timeout": float("inf")}, ".timeout: inf is not a finite number"),
        ({"timeout": float("nan")}, ".timeout: nan is not a finite number"),
        (
            {"source": {"kind": "prometheus", "url": "http://x", "query": "up", "max_age": float("nan")}},
            ".source.max_age",
        ),
        ({"samples": -1}, ".samples: -1 is less"),
        ({"samples": "many"}, ".samples: 'many' is not a number"),
        ({"timeout": 0}, ".timeout: 0 is less"),
        ({"expect": "fast"}, ".expect: 'fast' is not an expectation"),
        ({"select": "latency", "expect": "< 5"}, ".expect: 5 has no unit"),
        ({"select": "latency", "expect": "< 5 V"}, ".expect:"),
        ({"select": "/(/"}, ".select: /(/ is not a regular"),
        ({"source": "http://shop.test"}, ".source: not a dictionary"),
        ({"source": {"kind": "telnet"}}, ".source.kind: 'telnet' is none of"),
        ({"source": {"kind": "http"}}, ".source.url: missing"),
        ({"source": {**HTTP, "adress": "::1"}}, ".source.adress: unknown, did you mean address?"),
        ({"source": {**HTTP, "url": ["x"]}}, ".source.url: ['x'] is not of the type str"),
        ({"source": {**WITNESS, "since": "now"}}, ".source.since: 'now' is not of the type float"),
        ({"source": WITNESS, "select": "errors"}, ".select: 'errors' is none of error_share"),
        ({"source": WITNESS, "select": "failed", "expect": "< 1 %"}, ".expect: 1 % is a share"),
    ],
)
def test_a_mistake_is_named_with_its_field(changes, mistake):
    with pytest.raises(ReleaseError) as caught:
        parse_criteria([entry(), entry(**changes)])
    assert caught.value.details["mistakes"][0].startswith(f"criteria[1]{mistake}")


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ReleaseError) as caught:
        parse_criteria([entry(name=""), 5, entry(expect="fast"), entry(severity="x", samples=-1)])
    assert len(caught.value.details["mistakes"]) == 5


def test_counting_takes_the_unit_away():
    parse_criteria([entry(select="latency", aggregate="count", expect="== 5", samples=5)])
