# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What is added to the ledger of an incident, from what it tells and what is asked; or why that is refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Refused
from ..notify.message import plain
from ..window.inputs import duration, moment, written
from .declared import Declared, Type
from .story import (
    ACKNOWLEDGED,
    ASSESSED,
    BEGINS,
    EVIDENCE,
    MITIGATED,
    OPENED,
    PASSED,
    REMEDY,
    RESOLVED,
    REVIEWED,
    STATES,
    SYMPTOMS,
    TOLD,
    UPDATE,
    Facts,
    Story,
)

NOTED = "noted"
ASKED_STATES = (*STATES, NOTED)
TEXTS = (
    "title",
    "source",
    "trigger",
    "users",
    "impact",
    "expected",
    "cause",
    "fix",
    "change",
    "vector",
    "exposed",
    "review_link",
    "review_at",
)
LISTS = ("affected", "lessons", "actions")


@dataclass(frozen=True)
class Asked:
    """``facts`` are those that are given. ``evidence``, ``symptoms``, ``remedy``, ``update`` and ``told`` are noted."""

    state: str = NOTED
    severity: str = ""
    facts: Facts = field(default_factory=dict)
    evidence: Facts = field(default_factory=dict)
    symptoms: Sequence[Facts] | None = None
    remedy: Facts = field(default_factory=dict)
    update: str = ""
    told: Sequence[Facts] = ()


@dataclass(frozen=True)
class Note:
    what: str
    after: Facts
    before: Facts | None = None


class Page:
    """The notes so far, and the story as it is with them."""

    def __init__(self, story: Story, when: str, who: str) -> None:
        self.story = story
        self.notes: list[Note] = []
        self.when = when
        self._who = who

    def add(self, what: str, after: Facts, before: Facts | None = None) -> None:
        self.notes.append(Note(what, after, before))
        self.story = self.story.after(what, after, self.when, self._who)

    def reach(self, state: str, what: str, after: Facts | None = None) -> None:
        if STATES.index(self.story.state) < STATES.index(state):
            self.add(what, after or {})


def decide(story: Story, asked: Asked, kind: Type, declared: Declared, when: str, who: str) -> Page:
    """``story`` is empty when nothing of this type is open and ``asked.state`` is ``opened``."""
    page = Page(story, when, who)
    if not story.state:
        _open(page, asked, kind, declared)
    else:
        _assess(page, asked, declared)
    _note(page, asked, kind)
    _move(page, asked, kind)
    return page


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The facts among the options of a module, as they are kept."""
    return {name: plain(options[name]) for name in (*TEXTS, *LISTS) if options.get(name) not in (None, "", [])}


def outcomes(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What became of messages, as one note for each event."""
    events = dict.fromkeys(one["event"] for one in messages)
    return [
        {
            "event": event,
            "told": [one["name"] for one in messages if one["event"] == event and one["delivered"]],
            "untold": [one["name"] for one in messages if one["event"] == event and not one["delivered"]],
        }
        for event in events
    ]


def _open(page: Page, asked: Asked, kind: Type, declared: Declared) -> None:
    severity = declared.severity(asked.severity or kind.severity)
    known = {
        "title": kind.title or kind.name,
        "impact": kind.impact,
        "affected": list(kind.affected),
        "source": "person",
    }
    facts = {name: value for name, value in known.items() if value}
    standing = {"type": kind.name, "security": kind.security, "severity": severity.name, "scale": severity.scale}
    page.add(OPENED, {**facts, **asked.facts, **standing, "limits": severity.limits()})


def _assess(page: Page, asked: Asked, declared: Declared) -> None:
    facts, known = dict(asked.facts), page.story.facts
    if asked.severity:
        severity = declared.severity(asked.severity)
        facts |= {"severity": severity.name, "scale": severity.scale, "limits": severity.limits()}
    new = {name: value for name, value in facts.items() if known.get(name) != value}
    if new and page.story.state == "reviewed":
        raise Refused("the incident is reviewed, and its record closed", remedy="open a new incident, or note it there")
    if new:
        page.add(ASSESSED, new, {name: known.get(name) for name in new})


def _note(page: Page, asked: Asked, kind: Type) -> None:
    if (asked.remedy or asked.update) and not page.story.open:
        raise Refused(
            f"the incident is {page.story.state}", remedy="open a new one by running this without what it is to do"
        )
    if asked.evidence:
        page.add(EVIDENCE, asked.evidence)
    if asked.symptoms is not None:
        _judge(page, asked.symptoms)
    if asked.remedy:
        page.reach("acknowledged", ACKNOWLEDGED)
        _remedy(page, asked.remedy, kind)
    if asked.update and plain(asked.update) != page.story.update:
        page.reach("acknowledged", ACKNOWLEDGED)
        page.add(UPDATE, {"text": plain(asked.update), "status": page.story.status})
    for one in asked.told:
        page.add(TOLD, one)


def _judge(page: Page, symptoms: Sequence[Facts]) -> None:
    criteria = [{name: plain(one[name]) for name in ("name", "verdict", "observed", "threshold")} for one in symptoms]
    if {one["name"]: one["verdict"] for one in criteria} != dict(page.story.verdicts):
        page.add(SYMPTOMS, {"criteria": criteria})


def _remedy(page: Page, remedy: Facts, kind: Type) -> None:
    task = remedy["task"]
    known, contains = kind.remedy(task), kind.contains(task)
    if not known:
        names = ", ".join(one.task for one in (*kind.remedies, *kind.contain)) or "none"
        raise Refused(f"{task} is no remedy of incidents of the type {kind.name}", remedy=f"use one of these: {names}")
    if contains and remedy["moment"] == BEGINS and not page.story.preserved:
        raise Refused(
            f"{task} contains the incident, and the evidence is not kept yet",
            where="security incidents: preserve, then contain, then restore",
            remedy="run this with -e incident_step=evidence until all of it is kept",
        )
    span = duration("for", remedy["for"]) if remedy["for"] else None
    until = written(moment("when", page.when) + span) if span and remedy["moment"] == BEGINS else ""
    note = {"task": task, "moment": remedy["moment"], "why": plain(remedy["why"]), "until": until}
    before, after = ([plain(one) for one in remedy.get(when) or ()] for when in ("before", "after"))
    seen = {"seen": after} if after else {}
    what = f"{REMEDY} {remedy['moment']}"
    page.add(what, {**note, "contains": contains, "back": known.back, **seen}, {"seen": before} if before else None)


def _move(page: Page, asked: Asked, kind: Type) -> None:
    if asked.state in (NOTED, "opened"):
        return
    page.reach("acknowledged", ACKNOWLEDGED)
    if asked.state == "mitigated":
        page.reach("mitigated", MITIGATED)
    if asked.state == "resolved" and page.story.open:
        _resolve(page, asked, kind)
    if asked.state == "reviewed":
        if page.story.open:
            raise Refused("the incident is not resolved", remedy="resolve it first, with -e incident_state=resolved")
        page.reach("reviewed", REVIEWED)


def _resolve(page: Page, asked: Asked, kind: Type) -> None:
    story = page.story
    if not story.facts.get("cause"):
        raise Refused("nobody said what the cause was", remedy="give -e \"incident_cause='what it was'\"")
    if kind.symptoms and asked.symptoms is None:
        raise Refused("nobody looked whether the symptoms are gone", remedy="judge them, then resolve it")
    if holding := [
        one for one in asked.symptoms or () if one["verdict"] != PASSED and one.get("severity") != "advisory"
    ]:
        said = "; ".join(f"{one['name']} ({one['verdict']})" for one in holding)
        raise Refused(
            f"the incident cannot be resolved while its symptoms hold: {said}",
            remedy="perform a remedy, or raise it to somebody who can",
            holding=[one["name"] for one in holding],
        )
    if story.containing:
        raise Refused(
            f"the incident is still contained by {', '.join(story.containing)}",
            remedy="bring the service back to its baseline first, with -e incident_back and what contains it",
        )
    done = story.facts.get("fix") or ", ".join(dict.fromkeys(story.remedies))
    page.add(RESOLVED, {"fix": done} if done else {})
