# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Who is told of what: the variable release_notify. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import ReleaseError
from ..window.answer import inside

Given = Mapping[str, Any]

NOTICE, APPROVAL, BEGINS = "notice", "approval", "begins"
RELEASED, ROLLED_BACK, STOPPED, FAILED = "released", "rolled_back", "stopped", "failed"
RESTORED, RESTORE_FAILED = "restored", "restore_failed"
RESTORES = (RESTORED, RESTORE_FAILED)
MAINTENANCE = "maintenance"
INCIDENT, INCIDENT_UPDATE, INCIDENT_RESOLVED = "incident", "incident_update", "incident_resolved"
INCIDENTS = (INCIDENT, INCIDENT_UPDATE, INCIDENT_RESOLVED)
EVENTS = (NOTICE, APPROVAL, BEGINS, RELEASED, ROLLED_BACK, STOPPED, FAILED, *RESTORES, MAINTENANCE, *INCIDENTS)
NEEDED = {
    "mail": ("host", "sender", "recipients"),
    "slack": ("token",),
    "pagerduty": ("routing_key",),
    "webhook": ("url",),
}
READ = {
    "mail": (*NEEDED["mail"], "port", "tls", "username", "password"),
    "slack": ("token", "channel", "domain"),
    "pagerduty": NEEDED["pagerduty"],
    "webhook": ("url", "headers", "ca_cert", "status"),
}


def of_event(entries: Sequence[Given], event: str, at: float) -> list[dict[str, Any]]:
    """Who is told of ``event`` at ``at`` (epoch seconds), each with its ``name``; outside of their hours nobody is."""
    return [
        {"name": name_of(one["to"]), **one["to"]}
        for one in entries
        if event in one["events"] and (not one.get("hours") or inside(one["hours"], at)["open"])
    ]


def name_of(to: Given) -> str:
    """What the ledger and reports call a target; nothing in it is secret."""
    kind = str(to["kind"])
    if to.get("name"):
        return str(to["name"])
    if kind == "mail":
        return f"mail {', '.join(to['recipients'])}"
    if kind == "webhook":
        return f"webhook {urlsplit(str(to['url'])).hostname or ''}".strip()
    return f"{kind} {to['channel']}" if to.get("channel") else kind


def mistakes(entries: Sequence[Given]) -> list[str]:
    """One sentence for everything in release_notify that could never be delivered."""
    found: list[str] = []
    named: set[tuple[str, str]] = set()
    for number, one in enumerate(entries):
        where = f"release_notify[{number}]"
        told = (*_of_events(one), *_of_target(one["to"]), *_of_status(one), *_of_hours(one))
        wrong = [f"{where}.{what}" for what in told]
        found += wrong
        if wrong:
            continue
        twice = {(event, name_of(one["to"])) for event in one["events"]} & named
        found += [
            f"{where} tells {name} of {event}, and so does another one. Do: give one of them another to.name."
            for event, name in sorted(twice)
        ]
        named |= {(event, name_of(one["to"])) for event in one["events"]}
    return found


def _of_events(one: Given) -> Iterator[str]:
    for event in one["events"]:
        if event not in EVENTS:
            yield f"events names {event}. Do: use {', '.join(EVENTS)}."


def _of_target(to: Given) -> Iterator[str]:
    given = {key for key, value in to.items() if value is not None}
    kind = str(to.get("kind"))
    if kind not in NEEDED:
        yield f"to.kind is {kind}. Do: use {', '.join(NEEDED)}."
        return
    for key in NEEDED[kind]:
        if key not in given:
            yield f"to.{key} is missing, which {kind} needs."
    for key in sorted(given - {"kind", "name", *READ[kind]}):
        yield f"to.{key} is nothing that {kind} reads."
    if kind == "mail" and "password" in given and to.get("tls") == "never":
        yield "to.tls is never, so the password would be sent in clear. Do: leave it out, which means starttls."


def _of_status(one: Given) -> Iterator[str]:
    for event in one["to"].get("status") or {}:
        if event not in one["events"]:
            yield f"to.status names {event}, of which it is not told. Do: add it to events."


def _of_hours(one: Given) -> Iterator[str]:
    try:
        inside(one.get("hours") or [], 0)
    except ReleaseError as error:
        yield f"hours is wrong: {error}"
