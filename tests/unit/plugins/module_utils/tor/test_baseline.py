# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from fractions import Fraction

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.baseline import Baseline
from ansible_collections.runbook.release.plugins.module_utils.tor.capture import baseline_of, capture
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.units import Quantity


@pytest.fixture
def service(tmp_path):
    """What is measured; call it with what it is to be from now on."""
    path = tmp_path / "measured.json"

    def says(**values):
        path.write_text(json.dumps(values))
        return {"kind": "json", "path": str(path)}

    return says


def criteria(source, expect="<= 2 x baseline", select="took in ms", **more):
    return parse_criteria(
        [{"name": "it takes no longer", "source": source, "select": select, "expect": expect, **more}]
    )


def captured(parsed):
    return Baseline.parse(json.loads(json.dumps(baseline_of(capture(parsed, World())))))


@pytest.mark.parametrize(("took", "verdict"), [(200, "pass"), (201, "fail")])
def test_what_was_before_the_release_is_what_it_is_compared_with(service, took, verdict):
    parsed = criteria(service(took=100))
    world = World(baseline=captured(parsed))
    service(took=took)
    (found,) = evaluate(parsed, world).verdicts
    assert found.verdict == verdict
    assert found.sentence.startswith(f"it takes no longer: took in ms is {took} ms, expected <= 2 x baseline (200 ms)")


def test_a_share_keeps_its_unit(service, tmp_path):
    source = {"kind": "command", "command": ["echo", '{"errors": 0.001}']}
    parsed = criteria(source, select="errors in share")
    assert captured(parsed).values["it takes no longer"].value == Quantity(Fraction(1, 1000), "share")


def test_without_a_baseline_nothing_is_known(service):
    (found,) = evaluate(criteria(service(took=100)), World()).verdicts
    assert (found.verdict, "capture one before the release" in found.sentence) == ("insufficient", True)


def test_only_what_refers_to_a_baseline_is_captured(service):
    parsed = criteria(service(took=100)) + criteria({"kind": "json", "path": "/nowhere"}, "< 5 ms", name="other")
    gate = capture(parsed, World())
    assert gate.passed
    assert list(baseline_of(gate)) == ["it takes no longer"]
    assert gate.verdicts[0].sentence == "it takes no longer: took in ms is 100 ms, expected a number"


@pytest.mark.parametrize("took", [None, "NaN", "slow", [1, 2]])
def test_what_is_no_number_is_not_captured(service, took):
    gate = capture(criteria(service(took=took)), World())
    assert (gate.passed, baseline_of(gate)) == (False, {})


def test_two_gates_may_expect_something_else_of_what_is_captured_once(service):
    source = service(took=100)
    gate = capture(criteria(source, "<= 1.5 x baseline") + criteria(source), World())
    assert (gate.passed, len(gate.verdicts)) == (True, 1)


def test_two_of_one_name_that_measure_different_things_are_refused(service):
    source = service(took=100, size=3)
    for other in (criteria(source, select="size in ms"), criteria({**source, "path": "/elsewhere"})):
        with pytest.raises(ReleaseError, match="it takes no longer"):
            capture(criteria(source) + other, World())


def test_a_baseline_of_another_value_is_refused(service):
    parsed = criteria(service(took=100, size=3))
    world = World(baseline=captured(parsed))
    (found,) = evaluate(criteria(service(took=100, size=3), select="size in ms"), world).verdicts
    assert (found.verdict, "its baseline is of took in ms" in found.sentence) == ("error", True)


GOOD = {"measure": "took in ms", "observed": 100, "unit": "ms", "samples": 1, "at": "2026-11-21T10:00:00Z"}


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        (5, "not a dictionary of"),
        ({**GOOD, "colour": "blue"}, "not a dictionary of"),
        ({**GOOD, "observed": None}, "observed missing"),
        ({**GOOD, "measure": ""}, "measure missing"),
        ({**GOOD, "unit": "parsec"}, "'parsec' is not a known unit"),
        ({**GOOD, "observed": "fast"}, "'fast' is not a finite number"),
        ({**GOOD, "observed": "NaN"}, "'NaN' is not a finite number"),
    ],
)
def test_what_was_never_captured_is_refused_by_name(entry, mistake):
    with pytest.raises(ReleaseError) as caught:
        Baseline.parse({"good": GOOD, "bad": entry})
    (said,) = caught.value.details["mistakes"]
    assert said.startswith(f"baseline['bad']: {mistake}")


def test_numbers_may_have_become_text_on_their_way():
    parsed = Baseline.parse({"it": {**GOOD, "observed": "100.5"}})
    assert parsed.of("it", "took in ms") == Quantity(Fraction(201, 2), "ms")
    assert parsed.of("another", "took in ms") is None
