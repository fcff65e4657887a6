# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A volume claim that is to be larger: read it, decide whether that can be, ask for it, and watch until it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Forbidden, NotReady, Refused
from ..helm.headroom import quantity
from ..kube.kinds import PERSISTENTVOLUMECLAIM, Kind
from ..kube.watch import Watch
from ..release import machine
from ..release.journal import Book

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = Mapping[str, Any]
STORAGECLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
GROW, AWAIT, LEAVE = "grow", "await", "leave"
PATH = "/spec/resources/requests/storage"
TROUBLES = ("ControllerResizeError", "NodeResizeError")


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``timeout`` in seconds."""

    namespace: str
    name: str
    size: str
    timeout: float

    @property
    def where(self) -> str:
        return f"PersistentVolumeClaim {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Claim:
    """What the cluster says of it."""

    obj: Obj

    @property
    def status(self) -> Obj:
        return self.obj.get("status") or {}

    @property
    def requested(self) -> str:
        return str(self.obj["spec"]["resources"]["requests"]["storage"])

    @property
    def capacity(self) -> str:
        return str((self.status.get("capacity") or {}).get("storage") or "0")

    @property
    def storage_class(self) -> str:
        return str(self.obj["spec"].get("storageClassName") or "")

    @property
    def bound(self) -> bool:
        return bool(self.status.get("phase") == "Bound")

    def problem(self) -> str:
        """What says that it will not become larger; empty while it still may."""
        told = [
            f"{one['type']}: {one.get('message', '')}"
            for one in self.status.get("conditions") or ()
            if one.get("type") in TROUBLES and one.get("status") == "True"
        ]
        states = (self.status.get("allocatedResourceStatuses") or {}).items()
        told += [f"{name} is {state}" for name, state in states if str(state).endswith("Infeasible")]
        return "; ".join(told)

    def report(self) -> dict[str, str]:
        return {"requested": self.requested, "capacity": self.capacity}


@dataclass(frozen=True)
class Plan:
    """What is done about a claim, and why."""

    act: str
    sentence: str


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    plan: Plan
    before: Claim
    after: Claim
    seconds: float

    def report(self) -> dict[str, Any]:
        sides = {"before": self.before.report(), "after": self.after.report()}
        return {
            "changed": self.plan.act == GROW,
            "plan": self.plan.sentence,
            **sides,
            "seconds": round(self.seconds, 2),
        }


def decide(claim: Claim, size: str, storage_class: Obj | None, where: str) -> Plan:
    """``storage_class`` is None where it may not be read: then the API server says whether it lets its volumes grow."""
    wanted, requested = quantity(size), quantity(claim.requested)
    why, remedy = "", ""
    if not claim.bound:
        why, remedy = "It has no volume yet, so nothing can grow", "see why it is not bound"
    elif wanted < requested:
        why, remedy = (
            f"It asks for {claim.requested} already, and no volume ever shrinks",
            "ask for that or more; a smaller one is a new claim that the data is copied to",
        )
    elif wanted > requested and storage_class is not None and not storage_class.get("allowVolumeExpansion"):
        why, remedy = (
            f"StorageClass {claim.storage_class or 'none'} does not let its volumes grow",
            "set allowVolumeExpansion there if its driver can do that, or copy the data to a larger claim",
        )
    if why:
        raise Refused(f"{why}. Nothing was changed", where=where, remedy=remedy)
    if wanted > requested:
        return Plan(GROW, f"it grows from {claim.requested} to {size}")
    if quantity(claim.capacity) < wanted:
        return Plan(AWAIT, f"{size} is asked for already, and is awaited")
    return Plan(LEAVE, f"it has {claim.capacity}")


def operate(client: KubeClient, request: Request, book: Book) -> Outcome:
    """Ask for the size if that is called for, and return once the volume has it, with its file system."""
    started, before = time.monotonic(), observe(client, request)
    plan = decide(before, request.size, _class(client, before), request.where)
    after = before
    if plan.act == GROW:
        with book.step(machine.grow(request.name), before.report(), plan.sentence) as done:
            after = _ask(client, request, before)
            after = after if client.dry_run else _awaited(client, request, book)
            done(after.report())
    elif plan.act == AWAIT and not client.dry_run:
        after = _awaited(client, request, book)
    return Outcome(plan, before, after, time.monotonic() - started)


def observe(client: KubeClient, request: Request) -> Claim:
    found = client.get(PERSISTENTVOLUMECLAIM, request.name, request.namespace)
    if found is None:
        raise Refused("There is no such claim", where=request.where, remedy="correct the name")
    return Claim(found)


def _class(client: KubeClient, claim: Claim) -> Obj | None:
    if not claim.storage_class:
        return {}
    try:
        return client.get(STORAGECLASS, claim.storage_class)
    except Forbidden:
        return None


def _ask(client: KubeClient, request: Request, before: Claim) -> Claim:
    """It fails if somebody else was faster."""
    ops = [
        {"op": "test", "path": PATH, "value": before.requested},
        {"op": "replace", "path": PATH, "value": request.size},
    ]
    return Claim(client.json_patch(PERSISTENTVOLUMECLAIM, request.name, ops, request.namespace))


def _awaited(client: KubeClient, request: Request, book: Book) -> Claim:
    """The claim once it has that much; ``NotReady`` when that cannot be any more, or takes too long."""
    wanted, said = quantity(request.size), "its driver said nothing"
    for snapshot in client.watch([Watch(PERSISTENTVOLUMECLAIM, request.namespace)], time.monotonic() + request.timeout):
        book.check()
        obj = snapshot.objects[PERSISTENTVOLUMECLAIM].get(request.name)
        if obj is None:
            raise NotReady("It was deleted while it grew", where=request.where, remedy="find out who did that")
        now = Claim(obj)
        if quantity(now.capacity) >= wanted:
            return now
        if now.problem():
            raise _not_grown(request, now, now.problem())
        told = [str(one.get("message") or one["type"]) for one in now.status.get("conditions") or ()]
        said = "; ".join(told) or said
    raise _not_grown(request, observe(client, request), f"{said} for {request.timeout:g} s")


def _not_grown(request: Request, now: Claim, said: str) -> NotReady:
    return NotReady(
        f"It has {now.capacity} and not {request.size}: {said}",
        where=request.where,
        remedy="look at its events and its driver; a file system that waits for a pod grows when that is restarted",
    )
