# SPDX-License-Identifier: GPL-3.0-or-later
"""What would fail somebody at night is said before it is night."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.incident.mistakes import is_placeholder, mistakes

from .world import NOTIFY, TASKS, incidents


def wrong(tasks: Any = TASKS, only: str = "", **changes: Any) -> list[str]:
    return mistakes(incidents(**changes), tasks, NOTIFY, only)


def of_type(**changes: Any) -> list[str]:
    return wrong(types=[{"name": "errors", "severity": "P2", **changes}])


def test_a_system_that_is_prepared_hears_nothing() -> None:
    assert wrong() == []
    assert mistakes({}, [], []) == []


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        ("restrat the API", "release_tasks has no such task"),
        ("stop the API", "leaves something changed and has no way back"),
        ({"task": "stop the API", "back": "begin the API"}, "takes stop the API back by begin the API"),
    ],
)
def test_a_remedy_that_is_unknown_or_has_no_way_back_is_named(remedy: Any, said: str) -> None:
    (found,) = of_type(remedies=[remedy])
    assert said in found


@pytest.mark.parametrize(
    "task",
    [
        {"workload": {"name": "api", "do": "scale", "replicas": 9}},
        {"workload": {"name": "api", "do": "configure", "env": {"LOG_LEVEL": "DEBUG"}}},
        {"database": {"name": "shop", "do": "configure", "settings": {"max_connections": 200}}},
    ],
)
def test_what_leaves_something_changed_needs_a_time_or_a_way_back(task: dict[str, Any]) -> None:
    types = [{"name": "errors", "severity": "P1", "remedies": ["more"]}]
    (found,) = wrong([{"name": "more", **task}], types=types)
    assert "has no way back" in found
    types[0]["remedies"] = [{"task": "more", "back": "less"}]
    assert wrong([{"name": "more", **task}, {"name": "less", **task}], types=types) == []
    if "workload" in task:
        types[0]["remedies"] = ["more"]
        assert wrong([{"name": "more", "for": "2h", **task}], types=types) == []


@pytest.mark.parametrize(
    "remedy", ["restart the API", "start the API", {"task": "stop the API", "back": "start the API"}]
)
def test_a_remedy_that_leaves_nothing_changed_or_can_be_taken_back_is_fine(remedy: Any) -> None:
    assert of_type(remedies=[remedy]) == []


def test_a_remedy_whose_task_could_not_be_done_is_named_with_what_is_wrong_with_it() -> None:
    (found,) = wrong(
        tasks=[{"name": "oops", "request": {}}], types=[{"name": "e", "severity": "P1", "remedies": ["oops"]}]
    )
    assert "lacks request.url" in found


def test_evidence_that_does_more_than_look_is_named() -> None:
    (found,) = of_type(evidence=["restart the API"])
    assert "does more than look" in found


def test_what_contains_an_incident_needs_the_way_back_to_the_baseline_and_an_incident_of_security() -> None:
    found = of_type(contain=["start the API"])
    assert [part in text for part, text in zip(["is for security", "without the way back"], found, strict=True)] == [
        True
    ] * 2


def test_a_type_without_a_severity_or_with_an_unknown_one_is_named() -> None:
    assert wrong(types=[{"name": "errors"}]) == ["release_incidents.types[0].severity is missing."]
    (found,) = wrong(types=[{"name": "errors", "severity": "P7"}])
    assert "has the severity P7" in found


def test_names_nobody_reads_are_named_with_those_that_are_read() -> None:
    (found,) = wrong(types=[{"name": "errors", "severity": "P1", "remedy": []}])
    assert found.startswith("release_incidents.types[0].remedy is nothing anybody reads. Do: use name, ")
    (found,) = wrong(chanels={})
    assert "release_incidents.chanels" in found


def test_a_symptom_that_is_no_criterion_is_named_with_its_field() -> None:
    (found,) = of_type(symptoms=[{"name": "x", "source": {"kind": "file", "path": "/x"}, "select": "number"}])
    assert "types errors.symptoms[0].expect: missing" in found


@pytest.mark.parametrize("text", ["[Phone]", "TBD", "PXXX", "<number>", "oncall@your-domain.com", "", "todo"])
def test_a_placeholder_is_seen(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text", ["+66 2 000 0000", "Ann <ann@example.com>", "https://[2001:db8::1]/chat", "your team lead"]
)
def test_a_contact_is_no_placeholder(text: str) -> None:
    assert not is_placeholder(text)


def test_contacts_that_nobody_wrote_yet_are_named() -> None:
    found = wrong(
        escalation=[{"role": "CTO", "contact": "[Phone]"}],
        channels={"chat": "TBD"},
        types=[{"name": "errors", "severity": "P1", "contact": "[Email]"}],
    )
    assert [text.partition(" is still ")[0] for text in found] == [
        "release_incidents.types errors.contact",
        "release_incidents.escalation CTO.contact",
        "release_incidents.channels.chat",
    ]


def test_people_that_release_notify_never_tells_are_named() -> None:
    (found,) = wrong(severities=[{"name": "P1", "scale": "critical", "tells": ["nobody"]}], types=[])
    assert "P1 tells nobody, and release_notify tells them of no incident" in found


def test_severities_are_of_one_scale_once_each_and_answered_before_they_are_resolved() -> None:
    severities = [
        {"name": "P1", "scale": "huge"},
        {"name": "P1", "scale": "low", "respond": "2h", "resolve": "1h"},
    ]
    found = " ".join(wrong(severities=severities, types=[]))
    assert "has P1 more than once" in found
    assert "P1 has the scale huge" in found
    assert "P1 is to be resolved before anybody has to respond" in found


def test_an_escalation_out_of_order_is_named() -> None:
    steps = [{"role": name, "contact": "a@b.example", "after": after} for name, after in (("a", "1h"), ("b", "15m"))]
    (found,) = wrong(escalation=steps)
    assert "out of order" in found


def test_a_span_that_is_none_is_one_mistake() -> None:
    (found,) = wrong(severities=[{"name": "P1", "scale": "low", "respond": "soon"}], types=[])
    assert "P1.respond is 'soon'" in found


def test_what_is_wrong_elsewhere_keeps_nobody_from_an_incident() -> None:
    broken = {"name": "slow", "severity": "P1", "remedies": ["unknown"]}
    types = [{"name": "errors", "severity": "P1"}, broken]
    severities = [{"name": "P1", "scale": "low", "tells": ["nobody"]}]
    given = {"types": types, "escalation": [{"role": "CTO", "contact": "TBD"}], "severities": severities}
    assert wrong(only="errors", **given) == []
    assert len(wrong(only="slow", **given)) == 1
    assert len(wrong(**given)) == 3
