# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""When an incident is due: to be answered, to be resolved, to be spoken of, to be passed on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..window.inputs import moment, written
from .declared import Step
from .story import Story

RESPONSE, RESOLUTION, UPDATE, ESCALATION = "response", "resolution", "update", "escalation"
TIMES = {RESPONSE: ("respond", "acknowledged"), RESOLUTION: ("resolve", "resolved")}


@dataclass(frozen=True)
class Timer:
    """``by`` is when it had to happen, ``happened`` is empty until it did."""

    what: str
    by: str
    happened: str
    missed: bool

    def report(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Due:
    """Something that should have happened. ``key`` tells it from all others, so that it is told once."""

    what: str
    key: str
    sentence: str
    tells: tuple[str, ...] = ()

    def report(self) -> dict[str, Any]:
        return {**vars(self), "tells": list(self.tells)}


def timers(story: Story, now: datetime) -> list[Timer]:
    """Response, resolution and the next update, those of them that have a time."""
    limits, found = story.facts.get("limits") or {}, []
    for what, (limit, state) in TIMES.items():
        if seconds := limits.get(limit):
            happened = story.when(state) or (story.when("resolved") if what == RESPONSE else "")
            found.append(_timer(what, story.when("opened"), seconds, happened, now))
    if story.open and limits.get("update"):
        found.append(_timer(UPDATE, story.spoke, limits["update"], "", now))
    return found


def due(incident: str, story: Story, steps: Sequence[Step], now: datetime) -> list[Due]:
    """What is overdue of an open incident, and to whom one that nobody has acknowledged is passed on."""
    if not story.open:
        return []
    missed = [one for one in timers(story, now) if one.missed and not one.happened]
    return [
        *(Due(one.what, f"{incident} {one.what} {one.by}", _overdue(incident, one)) for one in missed),
        *_escalations(incident, story, steps, now),
    ]


def _escalations(incident: str, story: Story, steps: Sequence[Step], now: datetime) -> Iterator[Due]:
    if story.state != "opened":
        return
    opened = moment("opened", story.when("opened"))
    for number, step in enumerate(steps, 1):
        if opened + timedelta(seconds=step.after) <= now:
            said = f"Incident {incident} is not acknowledged, and goes to {step.role} ({step.contact})."
            yield Due(ESCALATION, f"{incident} escalation {number}", said, step.tells)


def _timer(what: str, since: str, seconds: int, happened: str, now: datetime) -> Timer:
    by = moment("since", since) + timedelta(seconds=seconds)
    return Timer(what, written(by), happened, (moment("happened", happened) if happened else now) > by)


def _overdue(incident: str, timer: Timer) -> str:
    says = {RESPONSE: "was to be acknowledged", RESOLUTION: "was to be resolved", UPDATE: "was to be spoken of"}
    return f"Incident {incident} {says[timer.what]} by {timer.by}."
