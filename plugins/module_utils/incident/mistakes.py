# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Everything in release_incidents that would fail somebody at night, one sentence each. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..errors import ReleaseError
from ..notify.targets import INCIDENT, INCIDENTS, name_of
from ..tasks.catalogue import Task
from ..tasks.catalogue import mistakes as mistakes_of_tasks
from ..tasks.kinds import KINDS
from ..tor.criterion import parse_criteria
from .declared import SCALE, Declared, Given, Remedy, Severity, Step, Type

KEYS = {
    "release_incidents": ("severities", "types", "escalation", "channels"),
    "severities": ("name", "scale", "respond", "resolve", "update", "tells", "rollback"),
    "types": (
        "name",
        "severity",
        "title",
        "impact",
        "security",
        "affected",
        "symptoms",
        "evidence",
        "remedies",
        "contain",
        "follow_up",
        "contact",
    ),
    "escalation": ("role", "contact", "after", "tells"),
    "channels": ("chat", "status_page", "conference", "dashboards", "tracker"),
}
REQUIRED = {"severities": ("name", "scale"), "types": ("name", "severity"), "escalation": ("role", "contact")}
TYPE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")
_PLACEHOLDER = re.compile(
    r"^\s*$|\[[a-z][^]:]*\]|<[^@>]*>|\b(tbd|tba|todo|changeme|your[-_]\w+)\b|x{3,}", re.IGNORECASE
)


def mistakes(given: Given, tasks: Sequence[Given], notify: Sequence[Given], only: str = "") -> list[str]:
    """What is wrong; with ``only`` what keeps an incident of that type from being worked on."""
    shape = list(_shape(given))
    if shape:
        return shape
    try:
        declared = Declared.of(given)
    except ReleaseError as error:
        return [f"release_incidents: {error.what}. Do: {error.remedy}."]
    known = {str(one["name"]): one for one in tasks if isinstance(one, Mapping) and one.get("name")}
    told = {name_of(one["to"]) for one in notify if set(one["events"]) & set(INCIDENTS)}
    types = [text for one in declared.types if only in ("", one.name) for text in _type(one, declared, known)]
    if only:
        return types
    found = [*_severities(declared, told), *types]
    found += _twice("release_incidents.types", (one.name for one in declared.types))
    return [*found, *_escalation(declared.escalation, told), *_channels(declared.channels)]


def is_placeholder(text: str) -> bool:
    """Whether somebody meant to write a contact here and did not."""
    return bool(_PLACEHOLDER.search(text))


def _shape(given: Given) -> Iterator[str]:
    yield from _unknown("release_incidents", given, "release_incidents")
    yield from _unknown("release_incidents.channels", given.get("channels") or {}, "channels")
    for part, required in REQUIRED.items():
        for number, one in enumerate(given.get(part) or ()):
            where = f"release_incidents.{part}[{number}]"
            if not isinstance(one, Mapping):
                yield f"{where} is no mapping."
                continue
            yield from _unknown(where, one, part)
            for key in required:
                if one.get(key) in (None, ""):
                    yield f"{where}.{key} is missing."


def _unknown(where: str, given: Given, part: str) -> Iterator[str]:
    for key in given:
        if key not in KEYS[part]:
            yield f"{where}.{key} is nothing anybody reads. Do: use {', '.join(KEYS[part])}."


def _severities(declared: Declared, told: set[str]) -> Iterator[str]:
    where = "release_incidents.severities"
    yield from _twice(where, (one.name for one in declared.severities))
    if declared.types and not declared.severities:
        yield f"{where} is empty. Do: name the severities of the system."
    for one in declared.severities:
        if one.scale not in SCALE:
            yield f"{where} {one.name} has the scale {one.scale}. Do: use {', '.join(SCALE)}."
        if one.respond and one.resolve and one.resolve < one.respond:
            yield f"{where} {one.name} is to be resolved before anybody has to respond. Do: swap respond and resolve."
        yield from _untold(f"{where} {one.name}", one, told)


def _untold(where: str, one: Severity | Step, told: set[str]) -> Iterator[str]:
    for name in one.tells:
        if name not in told:
            yield f"{where} tells {name}, and release_notify tells them of no {INCIDENT}. Do: add that event."


def _type(one: Type, declared: Declared, known: Mapping[str, Given]) -> Iterator[str]:
    where = f"release_incidents.types {one.name}"
    if not TYPE_NAME.fullmatch(one.name):
        yield f"{where} is no name. Do: use at most 30 lower-case letters, digits and hyphens."
    if declared.severities and one.severity not in [name for it in declared.severities for name in (it.name, it.scale)]:
        yield f"{where} has the severity {one.severity}, which release_incidents.severities does not have."
    if one.contact and is_placeholder(one.contact):
        yield f"{where}.contact is still {one.contact!r}. Do: write whom to ask."
    if one.contain and not one.security:
        yield f"{where}.contain is for security incidents. Do: set security, or make these remedies."
    yield from _symptoms(where, one)
    yield from _evidence(where, one, known)
    for remedy in (*one.remedies, *one.contain):
        yield from _remedy(where, remedy, known)
    for remedy in one.contain:
        if not remedy.back:
            yield f"{where}.contain names {remedy.task} without the way back to the baseline. Do: add back, a task."


def _symptoms(where: str, one: Type) -> Iterator[str]:
    try:
        parse_criteria(one.symptoms, f"{where}.symptoms")
    except ReleaseError as error:
        yield f"{error.what}."


def _evidence(where: str, one: Type, known: Mapping[str, Given]) -> Iterator[str]:
    for name in one.evidence:
        wrong = _unusable(f"{where}.evidence names {name}", known.get(name))
        yield from wrong
        if not wrong and not Task.of(known[name]).looks:
            yield f"{where}.evidence names {name}, which does more than look. Do: name it under remedies."


def _remedy(where: str, remedy: Remedy, known: Mapping[str, Given]) -> Iterator[str]:
    wrong = _unusable(f"{where} names the remedy {remedy.task}", known.get(remedy.task))
    if remedy.back:
        wrong += _unusable(f"{where} takes {remedy.task} back by {remedy.back}", known.get(remedy.back))
    yield from wrong
    if not wrong and not remedy.back and leaves_changed(Task.of(known[remedy.task])):
        yield (
            f"{where} names the remedy {remedy.task}, which leaves something changed and has no way back. "
            "Do: give the task a time (for), or write {task: …, back: the task that takes it back}."
        )


def _unusable(who: str, task: Given | None) -> list[str]:
    if task is None:
        return [f"{who}, and release_tasks has no such task."]
    return [f"{who}. {wrong}" for wrong in mistakes_of_tasks([task])]


def leaves_changed(task: Task) -> bool:
    """Whether something of the cluster is another one afterwards, until somebody takes it back."""
    options = task.options if isinstance(task.options, Mapping) else {}
    does, kind = options.get("do", task.kind), KINDS[task.kind]
    lasting = does in kind.temporary or (task.kind == "pause" and does != "resume") or bool(options.get("settings"))
    return lasting and not task.seconds


def _escalation(steps: Sequence[Step], told: set[str]) -> Iterator[str]:
    where = "release_incidents.escalation"
    if [one.after for one in steps] != sorted(one.after for one in steps):
        yield f"{where} is out of order: a later step waits shorter. Do: sort it by after."
    for one in steps:
        if is_placeholder(one.contact):
            yield f"{where} {one.role}.contact is still {one.contact!r}. Do: write how to reach them."
        yield from _untold(f"{where} {one.role}", one, told)


def _channels(channels: Mapping[str, str]) -> Iterator[str]:
    for name, value in channels.items():
        if is_placeholder(value):
            yield f"release_incidents.channels.{name} is still {value!r}. Do: write it, or leave it out."


def _twice(where: str, names: Iterable[str]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{where} has {name} more than once. Do: keep one."
