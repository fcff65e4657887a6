# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""An incident, and a release that went back, as people read them: in words, with a timeline by the minute. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..ledger.chain import SEAL, Entry
from ..release.machine import RELEASE_BEGINS, RELEASE_ENDS
from ..release.story import Story as ReleaseStory
from ..window.inputs import moment
from .decide import LISTS, TEXTS
from .story import ASSESSED, EVIDENCE, OPENED, PASSED, REMEDY, RESOLVED, SYMPTOMS, TOLD, UPDATE, Story
from .timers import timers

Report = dict[str, Any]


def of_story(incident: str, story: Story, now: datetime, zone: str = "UTC") -> Report:
    """Everything that is known of an incident but its timeline."""
    opened, over = story.when("opened"), story.when("resolved")
    return {
        "id": incident,
        "sentence": summary(incident, story, now, zone),
        "state": story.state,
        "status": story.status,
        "open": story.open,
        **{name: story.facts.get(name, "") for name in ("type", "security", "severity", "scale", *TEXTS)},
        **{name: list(story.facts.get(name) or []) for name in LISTS},
        "reached": {state: one.report() for state, one in story.reached.items()},
        "timers": [one.report() for one in timers(story, now)],
        "symptoms": dict(story.verdicts),
        "evidence": [dict(one) for one in story.evidence],
        "preserved": story.preserved,
        "remedies": list(story.remedies),
        "standing": {
            task: until for task, until in story.standing.items() if not until or moment("until", until) > now
        },
        "contained": list(story.containing),
        "update": story.update,
        "told": list(story.told),
        "date": _local(opened, zone, "%Y-%m-%d"),
        "began": _local(opened, zone, "%H:%M"),
        "ended": _local(over, zone, "%H:%M"),
        "timezone": zone,
        "minutes": _minutes(opened, over) if over else 0,
    }


def of_release(release: str, entries: Iterable[Entry], zone: str = "UTC") -> Report:
    """A release as its ledger tells it, for the report on one that was rolled back."""
    known = [one for one in entries if one.what != SEAL]
    if not known:
        return {}
    story, last = ReleaseStory.of(known), known[-1]
    return {
        "id": release,
        "version": story.begun.get("version", ""),
        "verdict": story.verdict,
        "reason": story.ended.get("reason", ""),
        "date": _local(known[0].when, zone, "%Y-%m-%d"),
        "began": _local(known[0].when, zone, "%H:%M"),
        "ended": _local(last.when, zone, "%H:%M"),
        "timezone": zone,
        "minutes": _minutes(known[0].when, last.when),
        "requests": story.ended.get("requests", 0),
        "lost": story.ended.get("lost", 0),
        "timeline": [_line(one, _of_release(one), zone) for one in known],
    }


def summary(incident: str, story: Story, now: datetime, zone: str = "UTC") -> str:
    """Where an incident stands."""
    known = f"{story.facts.get('severity', '')} {story.facts.get('title', '')}".strip()
    missed = [one.what for one in timers(story, now) if one.missed]
    late = f"; too late: {', '.join(missed)}" if missed else ""
    since = f"{_local(story.when('opened'), zone, '%Y-%m-%d %H:%M')} {zone}"
    return f"Incident {incident}: {known}, {story.status.lower()} since {since}{late}."


def timeline(entries: Iterable[Entry], zone: str = "UTC") -> list[Report]:
    """One line for each entry, by the minute."""
    return [_line(one, sentence(one.what, one.after or {}), zone) for one in entries if one.what != SEAL]


def sentence(what: str, after: Mapping[str, Any]) -> str:
    """What an entry says, for people."""
    if what == OPENED:
        trigger = f" ({after['trigger']})" if after.get("trigger") else ""
        return f"{after['severity']} {after['title']}, by {after.get('source', 'person')}{trigger}"
    if what == ASSESSED:
        return ", ".join(f"{name}: {_said(value)}" for name, value in after.items() if name not in ("scale", "limits"))
    if what == SYMPTOMS:
        there = [one["name"] for one in after["criteria"] if one["verdict"] != PASSED]
        return f"symptoms: {', '.join(there)}" if there else "all symptoms are gone"
    if what == EVIDENCE:
        return f"evidence kept: {after['files']} files" + ("" if after["whole"] else ", and not all of it")
    if what.startswith(REMEDY):
        until = f" until {after['until']}" if after.get("until") else ""
        why = f": {after['why']}" if after.get("why") else ""
        return f"{after['task']} {after['moment']}{until}{why}"
    if what == UPDATE:
        return str(after["text"])
    if what == TOLD:
        return f"told {', '.join(after['told']) or 'nobody'} of {after['event']}"
    return f"{what}: {after['fix']}" if what == RESOLVED and after.get("fix") else what


def _of_release(entry: Entry) -> str:
    after = entry.after or {}
    if entry.what == RELEASE_BEGINS:
        return f"release of {after.get('version', '')} begins"
    if entry.what == RELEASE_ENDS:
        return f"release ends {after.get('verdict', '')}" + (f": {after['reason']}" if after.get("reason") else "")
    verdict = after.get("verdict") if isinstance(after, Mapping) else ""
    return f"{entry.what}: {verdict}" if verdict else entry.what


def _line(entry: Entry, text: str, zone: str) -> Report:
    return {"at": _local(entry.when, zone, "%H:%M"), "when": entry.when, "who": entry.who, "text": text}


def _local(when: str, zone: str, form: str) -> str:
    return moment("when", when).astimezone(ZoneInfo(zone)).strftime(form) if when else ""


def _minutes(since: str, until: str) -> int:
    return round((moment("until", until) - moment("since", since)).total_seconds() / 60)


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
