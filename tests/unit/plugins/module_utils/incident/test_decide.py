# SPDX-License-Identifier: GPL-3.0-or-later
"""How an incident goes from opened to reviewed, and what is out of order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.incident.timers import due, timers

from .world import BEGAN, Desk, remedy, verdict

KEPT = {"path": "/e", "files": 3, "sha256": "aa", "whole": True}


def opened(type: str = "errors") -> Desk:
    desk = Desk(type)
    desk.does("opened", minute=0)
    return desk


def test_an_incident_begins_with_what_its_type_says_and_what_is_known_of_it() -> None:
    desk = Desk()
    page = desk.does("opened", facts={"source": "alert", "users": "5 %"})
    (note,) = page.notes
    assert note.after == {
        "title": "API errors",
        "source": "alert",
        "users": "5 %",
        "type": "errors",
        "security": False,
        "severity": "P2",
        "scale": "high",
        "limits": {"respond": 3600, "resolve": 14400, "update": 0},
    }
    assert (desk.story.state, desk.story.status) == ("opened", "Investigating")


def test_nothing_is_added_when_nothing_is_new() -> None:
    desk = opened()
    assert desk.said("opened") == []
    assert desk.said(facts={"users": "5 %"}) == ["assessed"]
    assert desk.said(facts={"users": "5 %"}) == []
    assert desk.said(update="we look") == ["acknowledged", "update"]
    assert desk.said(update="we look") == []
    assert desk.said("acknowledged") == []
    assert desk.said(symptoms=[verdict()]) == ["symptoms judged"]
    assert desk.said(symptoms=[verdict()]) == []


def test_an_incident_nobody_foresaw_needs_somebody_to_say_how_severe_it_is() -> None:
    with pytest.raises(Refused, match="how severe"):
        Desk("other").does("opened", facts={"title": "smoke"})
    desk = Desk("other")
    desk.does("opened", severity="critical", facts={"title": "smoke"})
    assert desk.story.facts["severity"] == "P1"


def test_a_severity_that_changes_brings_its_own_times_and_the_old_one_is_kept() -> None:
    desk = opened()
    (note,) = desk.does(severity="P1").notes
    assert note.before == {
        "severity": "P2",
        "scale": "high",
        "limits": {"respond": 3600, "resolve": 14400, "update": 0},
    }
    assert desk.story.facts["limits"]["respond"] == 900


def test_somebody_who_begins_a_remedy_has_acknowledged_it() -> None:
    desk = opened()
    assert desk.said(remedy=remedy("restart the API", "begins")) == ["acknowledged", "remedy begins"]
    assert desk.said(remedy=remedy("restart the API", "done")) == ["remedy done"]
    assert desk.story.remedies == ("restart the API",)


def test_a_remedy_says_what_was_seen_before_and_after_it() -> None:
    seen = {"before": ["lost is 7"], "after": ["lost is 0"]}
    (note,) = [one for one in opened().does(remedy=remedy("restart the API", "done", **seen)).notes if one.before]
    assert (note.before, note.after["seen"]) == ({"seen": ["lost is 7"]}, ["lost is 0"])


def test_what_is_no_remedy_of_the_type_is_refused() -> None:
    with pytest.raises(Refused, match="no remedy of incidents of the type errors"):
        opened().does(remedy=remedy("stop the API", "begins"))


def test_an_incident_is_not_resolved_while_a_symptom_holds_and_the_one_that_holds_is_named() -> None:
    desk = opened()
    for word in ("fail", "insufficient", "error"):
        with pytest.raises(Refused, match=rf"error rate \({word}\)") as refused:
            desk.does("resolved", facts={"cause": "pool"}, symptoms=[verdict(word)])
        assert refused.value.details["holding"] == ["error rate"]
    assert desk.story.state == "opened"
    assert desk.said("resolved", facts={"cause": "pool"}, symptoms=[verdict("pass")]) == [
        "assessed",
        "symptoms judged",
        "acknowledged",
        "resolved",
    ]


def test_a_symptom_that_is_only_advisory_keeps_nothing_open() -> None:
    desk = opened()
    desk.does("resolved", facts={"cause": "pool"}, symptoms=[verdict(severity="advisory")])
    assert desk.story.state == "resolved"


def test_an_incident_is_not_resolved_unlooked_at_nor_without_a_cause() -> None:
    desk = opened()
    with pytest.raises(Refused, match="what the cause was"):
        desk.does("resolved", symptoms=[verdict("pass")])
    with pytest.raises(Refused, match="whether the symptoms are gone"):
        desk.does("resolved", facts={"cause": "pool"})


def test_the_fix_is_what_was_done_when_nobody_says_otherwise() -> None:
    desk = opened()
    for moment in ("begins", "done", "begins", "failed", "begins", "done"):
        desk.does(remedy=remedy("restart the API", moment))
    desk.does("resolved", facts={"cause": "pool"}, symptoms=[verdict("pass")])
    assert desk.story.facts["fix"] == "restart the API"


def test_an_incident_of_security_is_contained_only_after_all_evidence_is_kept() -> None:
    desk = opened("breach")
    with pytest.raises(Refused, match="the evidence is not kept yet"):
        desk.does(remedy=remedy("stop the API", "begins"))
    desk.does(evidence={**KEPT, "whole": False})
    with pytest.raises(Refused, match="the evidence is not kept yet"):
        desk.does(remedy=remedy("stop the API", "begins"))
    desk.does(evidence=KEPT)
    desk.does(remedy=remedy("stop the API", "begins"))
    desk.does(remedy=remedy("stop the API", "done"))
    assert desk.story.containing == ("stop the API",)


def test_an_incident_that_is_contained_is_not_resolved_before_the_service_is_back() -> None:
    desk = opened("breach")
    desk.does(evidence=KEPT)
    desk.does(remedy=remedy("stop the API", "begins"))
    with pytest.raises(Refused, match="still contained by stop the API"):
        desk.does("resolved", facts={"cause": "a stolen key"})
    desk.does(remedy=remedy("stop the API", "taken back"))
    desk.does("resolved", facts={"cause": "a stolen key"})
    assert (desk.story.state, desk.story.standing) == ("resolved", {})


def test_the_way_back_of_a_containment_is_never_refused_for_evidence() -> None:
    assert opened("breach").said(remedy=remedy("stop the API", "taken back")) == ["acknowledged", "remedy taken back"]


def test_a_remedy_for_a_time_stands_until_it_is_over_and_one_that_failed_does_not() -> None:
    desk = opened()
    desk.does(remedy=remedy("restart the API", "begins", **{"for": "2h"}), minute=0)
    assert desk.story.standing == {"restart the API": "2026-11-10T17:30:00Z"}
    desk.does(remedy=remedy("restart the API", "failed"))
    assert desk.story.standing == {}


def test_what_is_over_takes_no_remedy_and_what_is_reviewed_takes_nothing() -> None:
    desk = opened()
    desk.does("resolved", facts={"cause": "pool"}, symptoms=[verdict("pass")])
    with pytest.raises(Refused, match="the incident is resolved"):
        desk.does(remedy=remedy("restart the API", "begins"))
    assert desk.said(facts={"lessons": ["watch the pool"]}) == ["assessed"]
    assert desk.said("reviewed", facts={"review_link": "https://example.com/7"}) == ["assessed", "reviewed"]
    with pytest.raises(Refused, match="its record closed"):
        desk.does(facts={"lessons": ["more"]})


def test_an_incident_is_reviewed_only_after_it_is_resolved() -> None:
    with pytest.raises(Refused, match="not resolved"):
        opened().does("reviewed")


def test_the_status_is_one_of_the_four_words_that_people_outside_know() -> None:
    desk = opened()
    seen = [desk.story.status]
    for state, more in (
        ("noted", {"facts": {"cause": "pool"}}),
        ("mitigated", {}),
        ("resolved", {"symptoms": [verdict("pass")]}),
    ):
        desk.does(state, **more)
        seen.append(desk.story.status)
    assert seen == ["Investigating", "Identified", "Monitoring", "Resolved"]


def late(desk: Desk, minutes: float) -> list[str]:
    return [one.what for one in due("shop-1", desk.story, desk.declared.escalation, BEGAN + timedelta(minutes=minutes))]


def test_an_incident_nobody_answers_goes_up_the_chain_step_by_step() -> None:
    desk = Desk("breach")
    desk.does("opened", minute=0)
    assert late(desk, 14.9) == []
    assert late(desk, 15.1) == ["response", "escalation"]
    assert late(desk, 30.1) == ["response", "update", "escalation", "escalation"]
    desk.does("acknowledged", minute=31)
    assert late(desk, 31.1) == ["update"]


def test_an_update_is_due_after_the_last_one_and_once_for_each_time() -> None:
    desk = Desk("breach")
    desk.does("opened", minute=0)
    desk.does(update="we look", minute=20)
    assert late(desk, 49) == []
    (one,) = due("shop-1", desk.story, [], BEGAN + timedelta(minutes=51))
    assert one.key == "shop-1 update 2026-11-10T16:20:00Z"
    desk.does(update="we still look", minute=52)
    assert late(desk, 53) == []


def test_times_that_were_missed_stay_missed_and_nothing_is_due_once_it_is_resolved() -> None:
    desk = Desk("breach")
    desk.does("opened", minute=0)
    desk.does("acknowledged", minute=16)
    desk.does("resolved", facts={"cause": "a key"}, minute=59)
    missed = {one.what: one.missed for one in timers(desk.story, BEGAN + timedelta(hours=9))}
    assert missed == {"response": True, "resolution": False}
    assert late(desk, 600) == []
