# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Incidents in the cluster: a ledger each, named after its system, environment, type and number.

The number makes two people who open the same type at the same moment write into the same ledger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..kube.kinds import CONFIGMAP
from ..ledger.chain import Draft, Entry, now
from ..ledger.store import LABEL, RELEASE_ID, Store
from ..release.index import read
from .decide import Asked, Page, decide
from .declared import Declared, Step
from .report import of_release, of_story, timeline
from .story import OPENED, Story
from .timers import due

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Report = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where the incidents of a system in one environment are; ``lease`` is the name of its lock."""

    namespace: str
    lease: str

    def id(self, type: str, number: int) -> str:
        """The name of the ledger of an incident."""
        name = f"{self._prefix}{type}-{number}"
        if not RELEASE_ID.fullmatch(name):
            raise Refused(f"{name!r} is too long for the id of an incident", remedy="give its type a shorter name")
        return name

    def known(self, client: KubeClient) -> dict[str, int]:
        """The newest number of each type there was an incident of."""
        form = re.compile(rf"ledger-{re.escape(self._prefix)}(.+)-(\d+)-1")
        names = (str(one["metadata"]["name"]) for one in client.list_metadata(CONFIGMAP, self.namespace, labels=LABEL))
        found: dict[str, int] = {}
        for type, number in (match.groups() for name in names if (match := form.fullmatch(name))):
            found[type] = max(found.get(type, 0), int(number))
        return found

    def ledger(self, client: KubeClient, incident: str) -> Store:
        return Store(client, self.namespace, incident)

    @property
    def _prefix(self) -> str:
        return f"{self.lease}-incident-"


@dataclass(frozen=True)
class Call:
    """What one task does with the incidents of a type: the newest one, unless it has a ``number``."""

    place: Place
    declared: Declared
    type: str
    asked: Asked
    who: str
    number: int = 0
    zone: str = "UTC"


def operate(client: KubeClient, call: Call) -> Report:
    """Note what is asked; the incident as it then is, and the plan that led there."""
    kind = call.declared.type(call.type)
    incident, entries = _find(client, call)
    if not entries and call.asked.state != "opened":
        raise Refused(
            f"there is no incident of the type {call.type} to do this to",
            where=f"namespace {call.place.namespace}",
            remedy="open one first, with -e incident_type and nothing else",
        )
    story = Story.of(entries)
    page = decide(story, call.asked, kind, call.declared, now(), call.who)
    made = [] if client.dry_run else _write(call, call.place.ledger(client, incident), page)
    told = of_story(incident, page.story, datetime.now(UTC), call.zone)
    return {
        "changed": bool(page.notes),
        "id": incident,
        "new": any(one.what == OPENED for one in page.notes),
        "plan": [one.what for one in page.notes],
        "incident": {**told, "timeline": timeline([*entries, *made], call.zone)},
        "before": dict(story.facts),
        "after": dict(page.story.facts),
    }


def _find(client: KubeClient, call: Call) -> tuple[str, list[Entry]]:
    """The incident that is meant, and its entries: none of a new one, which ``opened`` asks for when none is open."""
    newest = call.place.known(client).get(call.type, 0)
    number = call.number or newest
    if call.number > newest:
        raise Refused(
            f"there is no incident {call.number} of the type {call.type}", remedy=f"the newest one is {newest}"
        )
    if number:
        incident = call.place.id(call.type, number)
        entries = read(call.place.ledger(client, incident))
        if call.number or call.asked.state != "opened" or Story.of(entries).open:
            return incident, entries
    return call.place.id(call.type, newest + 1), []


def _write(call: Call, store: Store, page: Page) -> list[Entry]:
    made = [store.append(Draft(one.what, one.before, one.after, call.who, 0)) for one in page.notes]
    if page.story.state == "reviewed" and not page.story.sealed:
        store.seal(call.who, 0)
    return made


@dataclass(frozen=True)
class Look:
    """Which incidents are told: the newest of each type unless ``everything``, and only of ``type`` if there is one."""

    place: Place
    steps: Sequence[Step] = ()
    type: str = ""
    everything: bool = False
    zone: str = "UTC"


def tell(client: KubeClient, look: Look, now: datetime) -> Report:
    """The incidents, the sentences of those that are open, and what is due."""
    incidents: list[Report] = []
    overdue: list[Report] = []
    for incident, entries in _listed(client, look):
        story = Story.of(entries)
        told = {**of_story(incident, story, now, look.zone), "timeline": timeline(entries, look.zone)}
        incidents.append(told)
        about = {"incident": incident, "type": told["type"]}
        overdue += [{**about, **one.report()} for one in due(incident, story, look.steps, now)]
    return {"incidents": incidents, "open": [one["sentence"] for one in incidents if one["open"]], "due": overdue}


def tell_release(client: KubeClient, look: Look, release: str) -> Report:
    """A release as its ledger tells it; empty without one."""
    return of_release(release, read(look.place.ledger(client, release)), look.zone) if release else {}


def _listed(client: KubeClient, look: Look) -> Iterator[tuple[str, list[Entry]]]:
    for type, last in sorted(look.place.known(client).items()):
        if look.type in ("", type):
            for number in range(1 if look.everything else last, last + 1):
                incident = look.place.id(type, number)
                yield incident, read(look.place.ledger(client, incident))
