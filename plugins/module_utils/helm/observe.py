# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What the cluster has: both colours, the entry and the Helm records, read at the same time."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..colours import COLOURS, other
from ..errors import Forbidden, NotFound
from ..kube.kinds import CRONJOB, DEPLOYMENT, HPA, NAMESPACE, STATEFULSET
from ..traffic.entry import Entry, colour_services
from ..traffic.observe import observe_entry
from ..traffic.state import EntryState
from .capacity import Autoscaler, Key, Scale, autoscaler_of, scale_of, serving
from .objects import (
    DIGEST,
    HELM_RELEASE,
    QUARANTINED,
    REVISION,
    SCALABLE,
    VERSION,
    Obj,
    annotations_of,
    of_kind,
)
from .record import Revision, revisions
from .workers import Worker, marked, worker_of

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient


@dataclass(frozen=True)
class Target:
    """The component a module was told to act on."""

    name: str
    namespace: str
    entry: Entry
    services: t.Mapping[str, str]

    @classmethod
    def of(cls, options: t.Mapping[str, t.Any]) -> Target:
        entry = Entry.of(options["entry"], options["namespace"], options.get("port"))
        return cls(
            options["name"], options["namespace"], entry, colour_services(options["name"], options.get("services"))
        )

    def release(self, colour: str) -> str:
        return f"{self.name}-{colour}"


@dataclass(frozen=True)
class Colour:
    """One colour as it is: its Helm release, what it provably runs, and how many pods of it are ready."""

    colour: str
    release: str
    service: str
    revision: Revision | None = None
    front: Obj | None = None
    endpoints: int = 0
    workloads: tuple[Obj, ...] = ()
    autoscalers: tuple[Autoscaler, ...] = ()
    cronjobs: tuple[Obj, ...] = ()
    weight: int = 0

    @property
    def annotations(self) -> t.Mapping[str, str]:
        return annotations_of(self.front) if self.front else {}

    @property
    def proven(self) -> bool:
        """Whether what its Service says is still what Helm installed last."""
        return bool(
            self.revision and self.revision.deployed and self.annotations.get(REVISION) == str(self.revision.number)
        )

    @property
    def version(self) -> str:
        return self.annotations.get(VERSION, "") if self.proven else ""

    @property
    def digest(self) -> str:
        return self.annotations.get(DIGEST, "") if self.proven else ""

    @property
    def quarantined(self) -> str:
        return self.annotations.get(QUARANTINED, "")

    @property
    def scales(self) -> tuple[Scale, ...]:
        return tuple(scale_of(workload) for workload in self.workloads)

    @property
    def desired(self) -> int:
        return sum(scale.desired for scale in self.scales)

    @property
    def ready(self) -> int:
        return sum(scale.ready for scale in self.scales)

    @property
    def behind(self) -> list[Key]:
        """The workloads whose pods the colour Service selects."""
        return serving([self.front, *self.workloads], self.service) if self.front else []

    def report(self) -> dict[str, t.Any]:
        return {
            "release": self.release,
            "service": self.service,
            "version": self.version,
            "digest": self.digest,
            "revision": self.revision.number if self.revision else 0,
            "status": self.revision.status if self.revision else "",
            "ready": self.ready,
            "desired": self.desired,
            "weight": self.weight,
            "quarantined": self.quarantined,
        }


@dataclass(frozen=True)
class Have:
    """Everything that is decided upon."""

    target: Target
    entry: EntryState
    colours: dict[str, Colour]
    revisions: t.Mapping[str, list[Revision]]

    @property
    def pointed(self) -> str:
        """The colour the entry sends its traffic to."""
        return self.entry.live

    @property
    def first(self) -> bool:
        """Whether nothing is live yet: the colour the entry points at has never been proven and serves nothing."""
        if not self.pointed:
            return False
        live = self.colours[self.pointed]
        return not live.annotations.get(VERSION) and not live.endpoints and not self.colours[other(self.pointed)].weight

    def workers(self, colour: str, named: t.Container[Key] = ()) -> tuple[Worker, ...]:
        """What of a colour works by itself. A workload is one if it is named, or a release called it or its twin so."""
        called = {worker_of(obj).twin for one in self.colours.values() for obj in one.workloads if marked(obj)}
        side = self.colours[colour]
        found = [worker_of(obj) for obj in side.workloads]
        chosen = [one for one in found if one.key in named or (one.twin in called and one.key not in side.behind)]
        return (*chosen, *map(worker_of, side.cronjobs))

    @property
    def live(self) -> str:
        return "" if self.first else self.pointed

    @property
    def idle(self) -> str:
        return other(self.live) if self.live else ""

    def report(self) -> dict[str, t.Any]:
        return {
            "live": self.live,
            "idle": self.idle,
            "first": self.first,
            "previous": self.entry.previous,
            "versions": {name: colour.version for name, colour in self.colours.items()},
            "colours": self.sides(),
            "history": {
                name: [
                    {"revision": one.number, "status": one.status, "modified": int(one.modified)}
                    for one in self.revisions[colour.release]
                ]
                for name, colour in self.colours.items()
            },
        }

    def sides(self) -> dict[str, dict[str, t.Any]]:
        """Both colours, and how much of what works by itself each of them has at work."""
        return {
            name: {**colour.report(), "workers": {one.title: one.size for one in self.workers(name)}}
            for name, colour in self.colours.items()
        }


def observe(client: KubeClient, target: Target) -> Have:
    """Read it all concurrently; a namespace or an entry that is missing is an error."""
    releases = [target.release(colour) for colour in COLOURS]
    with ThreadPoolExecutor(max_workers=7) as pool:
        existing = pool.submit(client.get, NAMESPACE, target.namespace)
        entry = pool.submit(observe_entry, client, target.entry, target.services)
        records = pool.submit(revisions, client, target.namespace, releases)
        workloads = [pool.submit(client.list, kind, target.namespace) for kind in (DEPLOYMENT, STATEFULSET)]
        autoscalers = pool.submit(client.list, HPA, target.namespace)
        cronjobs = pool.submit(_cronjobs, client, target.namespace)
        _require_namespace(existing, target.namespace)
        state, found = entry.result(), records.result()
        owned = [obj for reading in workloads for obj in reading.result()]
        owned += cronjobs.result()
        colours = {colour: _colour(target, colour, state, found, owned, autoscalers.result()) for colour in COLOURS}
    return Have(target, state, colours, found)


def _require_namespace(reading: t.Any, namespace: str) -> None:
    """Namespaces are cluster objects: who may not read them learns of a missing one from the entry."""
    try:
        found = reading.result()
    except Forbidden:
        return
    if found is None:
        raise NotFound(
            f"The namespace {namespace} does not exist",
            where="option namespace",
            remedy=f"create it with: kubectl create namespace {namespace}",
        )


def _cronjobs(client: KubeClient, namespace: str) -> list[Obj]:
    """None where they may not be read: whoever stages one needs that right, so there is none of a colour."""
    try:
        return client.list(CRONJOB, namespace)
    except Forbidden:
        return []


def _colour(
    target: Target,
    colour: str,
    entry: EntryState,
    records: t.Mapping[str, list[Revision]],
    owned: t.Sequence[Obj],
    hpas: t.Sequence[Obj],
) -> Colour:
    release, side = target.release(colour), entry.sides[colour]
    own = [obj for obj in owned if annotations_of(obj).get(HELM_RELEASE) == release]
    return Colour(
        colour,
        release,
        target.services[colour],
        next(iter(records[release]), None),
        side.obj,
        len(side.ready),
        tuple(of_kind(own, *SCALABLE)),
        tuple(autoscaler_of(obj) for obj in hpas if annotations_of(obj).get(HELM_RELEASE) == release),
        tuple(of_kind(own, CRONJOB.kind)),
        entry.weights[colour],
    )
