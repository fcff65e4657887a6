# SPDX-License-Identifier: GPL-3.0-or-later
"""A system with three types of incidents, and the tasks they call for."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.incident.decide import Asked, Page, decide
from ansible_collections.runbook.release.plugins.module_utils.incident.declared import Declared
from ansible_collections.runbook.release.plugins.module_utils.incident.story import Story

Obj = dict[str, Any]
BEGAN = datetime(2026, 11, 10, 15, 30, tzinfo=UTC)
SYMPTOM = {"name": "error rate", "source": {"kind": "json", "path": "/rate.json"}, "select": "rate", "expect": "< 5 %"}
TASKS: list[Obj] = [
    {"name": "restart the API", "request": {"url": "http://localhost/restart"}},
    {"name": "look at the API", "evidence": {"component": "api"}},
    {"name": "stop the API", "pause": {"workloads": [{"name": "api"}]}},
    {"name": "start the API", "pause": {"workloads": [{"name": "api"}], "do": "resume"}},
]
INCIDENTS: Obj = {
    "severities": [
        {"name": "P1", "scale": "critical", "respond": "15m", "resolve": "1h", "update": "30m", "tells": ["boss"]},
        {"name": "P2", "scale": "high", "respond": "1h", "resolve": "4h"},
    ],
    "escalation": [
        {"role": "on call", "contact": "+66 2 000", "after": "15m"},
        {"role": "director", "contact": "director@example.com", "after": "30m", "tells": ["boss"]},
    ],
    "channels": {"chat": "#incidents", "conference": "https://meet.example.com/incidents"},
    "types": [
        {
            "name": "errors",
            "severity": "P2",
            "title": "API errors",
            "symptoms": [SYMPTOM],
            "evidence": ["look at the API"],
            "remedies": ["restart the API"],
            "follow_up": ["Alert on the connection pool"],
            "contact": "support@example.com",
        },
        {
            "name": "breach",
            "severity": "P1",
            "security": True,
            "contain": [{"task": "stop the API", "back": "start the API"}],
        },
        {"name": "slow", "severity": "P2"},
    ],
}
NOTIFY: list[Obj] = [
    {"events": ["incident", "incident_update"], "to": {"kind": "webhook", "url": "https://example.com", "name": "boss"}}
]


def incidents(**changes: Any) -> Obj:
    return {**copy.deepcopy(INCIDENTS), **changes}


def at(minutes: float = 0) -> str:
    return (BEGAN + timedelta(minutes=minutes)).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Desk:
    """Somebody who works on an incident of a type; every call is a minute later, unless it says when."""

    def __init__(self, type: str = "errors") -> None:
        self.declared = Declared.of(INCIDENTS)
        self.kind = self.declared.type(type)
        self.story = Story()
        self.minute = 0.0

    def does(self, state: str = "noted", minute: float | None = None, **asked: Any) -> Page:
        self.minute = self.minute + 1 if minute is None else minute
        page = decide(
            self.story, Asked(state, **asked), self.kind, self.declared, at(self.minute), f"alice{self.minute:g}"
        )
        self.story = page.story
        return page

    def said(self, state: str = "noted", **asked: Any) -> list[str]:
        return [note.what for note in self.does(state, **asked).notes]


def remedy(task: str, moment: str, **more: Any) -> Obj:
    return {"task": task, "moment": moment, "for": "", "why": "", **more}


def verdict(verdict: str = "fail", **more: Any) -> Obj:
    return {
        "name": "error rate",
        "verdict": verdict,
        "observed": 7,
        "threshold": "< 5 %",
        "severity": "blocking",
        **more,
    }
