# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One run of workload_pause: observe, decide, apply, and watch until all pods are gone, or all are back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NotReady
from ..kube.patches import managers_of
from ..kube.watch import Snapshot
from ..release import machine
from ..release.journal import Book
from .decide import Plan, Step, pause, resume
from .observe import KINDS, Key, Selection, Workload, not_ready, observe, remains, watches

if TYPE_CHECKING:
    from ..kube.client import KubeClient


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``timeout`` in seconds, ``ready`` also waits for what comes back."""

    namespace: str
    name: str
    state: str
    selection: Selection
    timeout: float
    ready: bool = True

    @property
    def where(self) -> str:
        return f"namespace {self.namespace}"


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    plan: Plan
    before: Sequence[Workload]
    seconds: float

    def report(self) -> dict[str, Any]:
        return {
            "changed": bool(self.plan.steps),
            "plan": self.plan.sentences(),
            "workloads": [self._workload(workload) for workload in self.before if workload.key in self.plan.concerned],
            "seconds": round(self.seconds, 2),
        }

    def _workload(self, workload: Workload) -> dict[str, Any]:
        size = {step.workload.key: step.size for step in self.plan.steps}.get(workload.key)
        kind, name = workload.key
        return {"kind": kind, "name": name, "before": workload.size, "after": workload.size if size is None else size}

    def diff(self) -> dict[str, str]:
        sizes = [self._workload(workload) for workload in self.before if workload.key in self.plan.concerned]
        return {
            moment: "".join(f"{one['kind']} {one['name']}: {one[moment]}\n" for one in sizes)
            for moment in ("before", "after")
        }


def operate(client: KubeClient, request: Request, book: Book) -> Outcome:
    """Pause or resume; in check mode the API server only checks the patches."""
    started = time.monotonic()
    found = observe(client, request.namespace)
    paused = request.state == "paused"
    plan = _decide(request, found)
    if plan.steps and not client.dry_run:
        before = {workload.title: workload.size for workload in found if workload.key in plan.concerned}
        word = "-".join(request.name.split())
        title = machine.pause(word) if paused else machine.resume(word)
        with book.step(title, before, plan.sentences()) as done:
            _apply(client, request, plan, book.check)
            done(plan.sentences())
    elif client.dry_run:
        _patch(client, request, plan.steps)
    else:
        _wait(client, request, plan, book.check)
    return Outcome(plan, found, time.monotonic() - started)


def _decide(request: Request, found: Sequence[Workload]) -> Plan:
    if request.state == "paused":
        return pause(found, request.selection, request.name, request.where)
    return resume(found, request.selection, request.name)


def _apply(client: KubeClient, request: Request, plan: Plan, check: Callable[[], None]) -> None:
    _patch(client, request, plan.steps)
    _wait(client, request, plan, check)


def _patch(client: KubeClient, request: Request, steps: Sequence[Step]) -> None:
    for step in steps:
        kind, name = step.workload.key
        client.json_patch(KINDS[kind], name, step.patch(), request.namespace)


def _wait(client: KubeClient, request: Request, plan: Plan, check: Callable[[], None]) -> None:
    if not plan.concerned or (request.state == "resumed" and not request.ready):
        return
    left: list[str] = []
    for snapshot in client.watch(watches(request.namespace), time.monotonic() + request.timeout):
        check()
        if not snapshot.live:
            continue
        left = _left(request, plan, snapshot)
        if not left:
            return
    still = "are still there" if request.state == "paused" else "is missing"
    raise NotReady(
        f"After {request.timeout:g} s {still}: {'; '.join(left) or 'nobody knows, the cluster did not answer'}",
        where=request.where,
        remedy="look at the events of these pods, and run this again" if left else "run this again",
        left=left,
    )


def _left(request: Request, plan: Plan, snapshot: Snapshot) -> list[str]:
    if request.state == "resumed":
        return not_ready(plan.concerned, snapshot)
    _check_still(plan.concerned, snapshot.objects, request)
    return remains(plan.concerned, snapshot)


def _check_still(keys: Sequence[Key], objects: Mapping[Any, Mapping[str, Any]], request: Request) -> None:
    """Nobody may scale up what has to be gone."""
    for kind, name in keys:
        obj = objects[KINDS[kind]].get(name)
        if obj is None or not Workload(obj, None).size:
            continue
        raise NotReady(
            f"{kind} {name} was scaled up again while it has to be gone"
            + "".join(f", by {one}" for one in managers_of(obj, "/spec/replicas")[:1]),
            where=request.where,
            remedy="stop whoever does that (an operator, another autoscaler), and run this again",
        )
