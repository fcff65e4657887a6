# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Where traffic goes: the entry, its two sides and their weights, as the cluster says it now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..colours import COLOURS, PREFIX, other
from ..errors import NotFound
from ..kube.kinds import ENDPOINTSLICE, SERVICE
from ..kube.readiness import ready_endpoints
from .router import Router, router_for

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = dict[str, Any]
Weights = Mapping[str, int]

SHIFT = PREFIX + "shift"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"

ENTRY_OPTIONS: dict[str, dict[str, Any]] = {
    "entry": {
        "type": "dict",
        "required": True,
        "options": {
            "kind": {"type": "str", "required": True, "choices": ["service", "httproute"]},
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str"},
        },
    },
    "services": {
        "type": "dict",
        "options": {"blue": {"type": "str", "required": True}, "green": {"type": "str", "required": True}},
    },
    "port": {"type": "int"},
}


@dataclass(frozen=True)
class Entry:
    """The object that decides where traffic goes, as the options name it."""

    kind: str
    name: str
    namespace: str
    port: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], namespace: str, port: int | None = None) -> Entry:
        return cls(options["kind"], options["name"], options.get("namespace") or namespace, port)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def colour_services(name: str, services: Mapping[str, str] | None) -> dict[str, str]:
    """The colour Services: as named in the options, else `<name>-<colour>`."""
    return {colour: (services or {}).get(colour) or f"{name}-{colour}" for colour in COLOURS}


@dataclass(frozen=True)
class Side:
    """One colour behind an entry."""

    colour: str
    service: str
    obj: Obj | None
    ready: frozenset[str] = frozenset()

    @property
    def selector(self) -> dict[str, str]:
        return dict(((self.obj or {}).get("spec") or {}).get("selector") or {})

    @property
    def version(self) -> str:
        return str(annotations_of(self.obj or {}).get(PREFIX + "version", ""))

    def report(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "exists": self.obj is not None,
            "version": self.version,
            "endpoints": sorted(self.ready),
        }


Sides = Mapping[str, Side]


@dataclass(frozen=True)
class Shift:
    """The newest shift through an entry: between which colours, and what they ran then."""

    source: str = ""
    target: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Shift:
        """Text that somebody else wrote there records no shift."""
        try:
            said = json.loads(text) if text else {}
        except ValueError:
            return cls()
        if not isinstance(said, dict) or {said.get("from"), said.get("to")} != set(COLOURS):
            return cls()
        versions = said.get("versions")
        return cls(said["from"], said["to"], versions if isinstance(versions, dict) else {})

    def report(self) -> dict[str, Any]:
        return {"from": self.source, "to": self.target, "versions": dict(self.versions)} if self.source else {}

    def dump(self) -> str:
        return json.dumps(self.report(), separators=(",", ":"), sort_keys=True) if self.source else ""


@dataclass(frozen=True)
class EntryState:
    """An entry as observed. `shares` holds the weights of each place in it that names the colours."""

    entry: Entry
    router: Router
    objs: tuple[Obj, ...]
    sides: Sides
    shares: tuple[Weights, ...]
    shift: Shift

    @property
    def obj(self) -> Obj:
        return self.objs[0]

    @property
    def weights(self) -> dict[str, int]:
        return dict(self.shares[0])

    @property
    def even(self) -> bool:
        """Whether every place of the entry has the same weights."""
        return all(dict(share) == self.weights for share in self.shares)

    @property
    def shifting(self) -> bool:
        return not self.even or 100 not in self.weights.values()

    @property
    def live(self) -> str:
        """The colour with all the weight; during a shift the colour it began from."""
        if not self.shifting:
            return next(colour for colour in COLOURS if self.weights[colour] == 100)
        if self.shift.source:
            return self.shift.source
        total = {colour: sum(share[colour] for share in self.shares) for colour in COLOURS}
        heavier = max(COLOURS, key=total.__getitem__)
        return heavier if total[heavier] > total[other(heavier)] else ""

    @property
    def previous(self) -> str:
        """The colour that was live before the newest shift."""
        return self.shift.source

    def seen_again(self, *objs: Obj) -> EntryState:
        """The same entry, its objects read again."""
        return replace(
            self, objs=objs, shares=self.router.shares(self.entry, objs, self.sides), shift=self.router.shift(objs)
        )

    def report(self) -> dict[str, Any]:
        """The entry for people and playbooks."""
        return {
            "live": self.live,
            "shifting": self.shifting,
            "previous": self.previous,
            "weights": self.weights,
            "even": self.even,
            "shift": self.shift.report(),
            "accepted": not self.router.unaccepted(self.objs, self.sides),
            "colours": {colour: self.sides[colour].report() for colour in COLOURS},
        }


def annotations_of(obj: Obj) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def shift_on(obj: Obj) -> Shift:
    return Shift.parse(annotations_of(obj).get(SHIFT, ""))


def read_objects(client: KubeClient, entry: Entry, router: Router) -> tuple[Obj, ...]:
    """The objects that together are the entry."""
    found = []
    for kind, name in router.refs(entry):
        obj = client.get(kind, name, entry.namespace)
        if obj is None:
            raise NotFound(
                f"The entry {kind.kind} {entry.namespace}/{name} does not exist",
                status=404,
                verb="get",
                object=f"{kind.kind} {entry.namespace}/{name}",
                where=f"entry {entry}",
                remedy="create it with the colour Services as its back ends, or correct entry.name",
            )
        found.append(obj)
    return tuple(found)


def observe_entry(client: KubeClient, entry: Entry, services: Mapping[str, str]) -> EntryState:
    """Read the entry, the colour Services and their endpoints at the same time."""
    router = router_for(entry.kind)
    names = ",".join(services[colour] for colour in COLOURS)
    with ThreadPoolExecutor(max_workers=4) as pool:
        reading = pool.submit(read_objects, client, entry, router)
        backing = {colour: pool.submit(client.get, SERVICE, services[colour], entry.namespace) for colour in COLOURS}
        slicing = pool.submit(
            client.list, ENDPOINTSLICE, namespace=entry.namespace, labels=f"{SERVICE_NAME_LABEL} in ({names})"
        )
        objs = reading.result()
        sides = {
            colour: Side(
                colour,
                services[colour],
                backing[colour].result(),
                frozenset(ready_endpoints(slices_of(slicing.result(), services[colour]))),
            )
            for colour in COLOURS
        }
    return EntryState(entry, router, objs, sides, router.shares(entry, objs, sides), router.shift(objs))


def slices_of(slices: list[Obj], service: str) -> list[Obj]:
    return [one for one in slices if one["metadata"].get("labels", {}).get(SERVICE_NAME_LABEL) == service]
