# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.release import machine
from ansible_collections.runbook.release.plugins.module_utils.release.sign_off import sheet

from .records import Ledger

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def verdict(name, verdict="pass"):
    return {"name": name, "verdict": verdict, "observed": 3, "threshold": ">= 3"}


def recorded(*entries):
    """A ledger as its mirror keeps it: gates as (gate, component, verdicts), steps as texts."""
    ledger = Ledger("shop-2")
    for one in entries:
        if isinstance(one, str):
            ledger.add(one, {}, NOON)
        else:
            gate, component, verdicts = one
            ledger.add(machine.gate(gate, component), {"verdict": "pass", "criteria": verdicts}, NOON)
    return "".join(f"{entry.text}\n" for entry in ledger.entries)


def ticked(item, text, preflight=()):
    return sheet([{"item": "it", **item}], preflight, text)[0]["ticked"]


def test_an_item_is_ticked_by_what_passed_and_says_so():
    text = recorded(("live", "web", [verdict("replicas")]))
    assert sheet([{"item": "Everything runs", "criteria": ["replicas"]}], [], text) == [
        {"item": "Everything runs", "ticked": True, "why": ["replicas is 3, expected >= 3 (pass)"]}
    ]


def test_what_was_not_asked_is_never_ticked():
    text = recorded(("live", "web", [verdict("replicas")]))
    found = sheet([{"item": "it", "criteria": ["replicas", "audit"]}, {"item": "nothing"}], [], text)
    assert [one["ticked"] for one in found] == [False, False]
    assert found[0]["why"][1] == "audit was not asked"


@pytest.mark.parametrize("other", ["fail", "insufficient", "error"])
def test_a_criterion_has_to_pass_for_every_component_that_was_asked(other):
    gates = [("live", "web", [verdict("replicas")]), ("live", "api", [verdict("replicas", other)])]
    for text in (recorded(*gates), recorded(*reversed(gates))):
        found = sheet([{"item": "it", "criteria": ["replicas"]}], [], text)[0]
        assert not found["ticked"]
        assert other in found["why"][0]


def test_the_newest_verdict_of_a_gate_counts():
    gates = [("live", "web", [verdict("replicas", "fail")]), ("live", "web", [verdict("replicas")])]
    assert ticked({"criteria": ["replicas"]}, recorded(*gates))
    assert not ticked({"criteria": ["replicas"]}, recorded(*reversed(gates)))


def test_the_gate_before_the_ledger_counts():
    assert ticked({"criteria": ["accuracy"]}, "", [verdict("accuracy")])
    assert not ticked({"criteria": ["accuracy"]}, "", [verdict("accuracy", "insufficient")])


def test_a_step_is_ticked_when_everything_of_its_kind_is_done():
    begun, done = "migrate schema: begins", "migrate schema: done"
    assert ticked({"steps": ["migrate"]}, recorded(begun, done))
    assert not ticked({"steps": ["migrate"]}, recorded(begun))
    assert not ticked({"steps": ["migrate"]}, recorded(begun, "migrate schema: failed"))
    assert not ticked({"steps": ["migrate"]}, recorded(begun, done, "migrate rows: begins"))
    assert not ticked({"steps": ["migrate"]}, recorded("stage web: begins", "stage web: done"))


def test_a_ledger_that_cannot_be_read_ticks_nothing():
    with pytest.raises(Refused, match="cannot be read"):
        sheet([{"item": "it", "criteria": ["replicas"]}], [], "{}\n")
