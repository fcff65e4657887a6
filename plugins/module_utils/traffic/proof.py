# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Cutover proof: a step is done when endpoints, entry, answers and witness say so, not when the API took the patch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..colours import other
from ..errors import NotFound, NotReady
from ..kube.kinds import ENDPOINTSLICE, POD
from ..kube.readiness import is_pod_ready, ready_endpoints
from .entry import SERVICE_NAME_LABEL, Obj
from .patch import Plan, contested, seen_by_others, text
from .prober import Expectation, Prober, Terms
from .state import EntryState

if TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..kube.watch import Snapshot, Watch
    from .probe import Probe

TICK = 0.05


@dataclass(frozen=True)
class Moment:
    """When the patch was in the cluster, on both clocks."""

    monotonic: float
    epoch: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.monotonic(), time.time())


@dataclass(frozen=True)
class Cutover:
    """What was proven."""

    endpoints: int
    urls: list[dict[str, Any]]

    @property
    def connections(self) -> int:
        return sum(url["connections"] for url in self.urls)

    @property
    def failed(self) -> int:
        return sum(url["failed"] for url in self.urls)

    @property
    def last_old_ms(self) -> int | None:
        return max((url["last_old_ms"] for url in self.urls if url["last_old_ms"] is not None), default=None)

    def report(self, seconds: float) -> dict[str, Any]:
        return {
            "proven": True,
            "seconds": round(seconds, 3),
            "last_old_ms": self.last_old_ms,
            "connections": self.connections,
            "failed": self.failed,
            "endpoints": self.endpoints,
            "urls": self.urls,
        }


def prove(
    client: KubeClient,
    state: EntryState,
    plan: Plan,
    probes: Sequence[Probe],
    terms: Terms,
    patched: Moment,
    witness: str = "",
) -> Cutover:
    """Return once everything holds at the same time; NotReady with what is missing when that takes too long."""
    sides = state.sides
    expectation = Expectation(sides[plan.target].version, sides[other(plan.target)].version, plan.whole)
    missing = ["the cluster has not been seen"]
    began = seen = time.monotonic()
    away = 0.0
    with Prober(probes, expectation, terms, patched.monotonic) as prober:
        for snapshot in client.watch(watches(state, plan), began + terms.timeout + terms.grace, tick=TICK):
            away, seen = away + (0.0 if snapshot.live else time.monotonic() - seen), time.monotonic()
            if seen - began - away > terms.timeout:
                break
            endpoints, missing = unproven(state, plan, snapshot)
            missing += prober.missing()
            missing = missing or list(unwitnessed(witness, patched, sides[plan.target].version))
            if not missing:
                return Cutover(endpoints, prober.report())
        raise NotReady(
            f"The cutover to {plan.target} is not proven after {terms.timeout:g} s: {'; '.join(missing)}",
            where=f"entry {state.entry}",
            remedy=f"the weights stay at {text(plan.wanted)}: go back with colour previous, or run the step again",
            cutover={"proven": False, "missing": missing, "urls": prober.report()},
        )


def watches(state: EntryState, plan: Plan) -> list[Watch]:
    """The objects of the entry, the endpoints behind it and the pods that should be those endpoints."""
    from ..kube.watch import Watch

    side = state.sides[plan.target]
    namespace = state.entry.namespace
    backing = state.router.backing(state.entry, side)
    selector = ",".join(f"{key}={value}" for key, value in sorted(side.selector.items()))
    kinds = dict.fromkeys(kind for kind, _name in state.router.refs(state.entry))
    return [
        *(Watch(kind, namespace) for kind in kinds),
        Watch(ENDPOINTSLICE, namespace, f"{SERVICE_NAME_LABEL}={backing}"),
        Watch(POD, namespace, selector),
    ]


def unproven(state: EntryState, plan: Plan, snapshot: Snapshot) -> tuple[int, list[str]]:
    """How many endpoints receive traffic, and what the cluster still owes; Contested when the weights are not ours."""
    objs = tuple(_object(state, snapshot, position) for position in range(len(state.objs)))
    now = seen_by_others(state, plan, *objs)
    if any(share != plan.wanted for share in now.shares):
        raise contested(now, plan)
    endpoints = set(ready_endpoints(list(snapshot.objects[ENDPOINTSLICE].values())))
    pods = {name for name, pod in snapshot.objects[POD].items() if is_pod_ready(pod)}
    backing = state.router.backing(state.entry, state.sides[plan.target])
    missing = [f"the endpoints of Service {backing} lack pod {name}" for name in sorted(pods - endpoints)]
    missing += [f"the endpoints of Service {backing} still hold {name}" for name in sorted(endpoints - pods)]
    if not pods:
        missing.append(f"no pod of {plan.target} is ready")
    if not snapshot.live:
        missing.append("the connection to the API server is lost")
    return len(endpoints), missing + state.router.unaccepted(objs, state.sides)


def unwitnessed(path: str, patched: Moment, target: str) -> Iterator[str]:
    """A request lost since the patch cannot be undone, so it ends the proof at once.

    Errors the target answered itself are none of the switch's: the gate of the step judges them.
    """
    if not path:
        return
    from ..witness.log import read
    from ..witness.verdict import describe

    tally = read(path, since=patched.epoch)
    own = tally.by_version.get(target)
    bad = tally.failed + tally.wrong - (own.failed if own else 0)
    first = describe(tally.first_failure) if tally.first_failure else "unknown"
    if bad:
        raise NotReady(
            f"The witness saw {bad} of {tally.sent} requests fail since the patch, first: {first}",
            where=f"witness {path}",
            remedy="give the traffic back with colour previous, then look at what failed",
        )
    if not tally.sent:
        yield f"the witness in {path} has recorded no request since the patch"


def _object(state: EntryState, snapshot: Snapshot, position: int) -> Obj:
    kind, name = state.router.refs(state.entry)[position]
    obj = snapshot.objects[kind].get(name)
    if obj is None:
        raise NotFound(
            f"The entry {kind.kind} {state.entry.namespace}/{name} was deleted during the step",
            where=f"entry {state.entry}",
            remedy="create it again; until then nothing answers",
        )
    return dict(obj)
