# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The dead man of a release: what it is told to give back, and the objects it consists of. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..colours import PREFIX, other
from ..errors import Refused
from ..kube.kinds import CONFIGMAP, LEASE, Kind
from ..traffic.state import EntryState
from . import deadman_job, pod_api
from .pod_keep import absent
from .pod_program import PLAN, Image, Program, rule
from .run import Run

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = dict[str, Any]
LABEL = PREFIX + "dead-man"


def name_of(lease: str) -> str:
    return f"dead-man-{lease}"


@dataclass(frozen=True)
class Return:
    """One entry and what gives all its traffic back to the colour it had before the shift."""

    entry: EntryState
    colour: str
    still: list[Obj]
    back: list[Obj]

    def plan(self) -> Obj:
        kind, name = self.kind_and_name
        return {
            "title": f"{kind.kind} {self.entry.entry.namespace}/{name}",
            "path": kind.path(self.entry.entry.namespace, name),
            "shift": {"from": self.colour, "to": other(self.colour)},
            "still": self.still,
            "back": self.back,
        }

    @property
    def kind_and_name(self) -> tuple[Kind, str]:
        return self.entry.router.refs(self.entry.entry)[0]

    def report(self) -> Obj:
        weights = {self.colour: 100, other(self.colour): 0}
        return {"entry": str(self.entry.entry), "colour": self.colour, "weights": weights}


def way_back(state: EntryState, version: str = "") -> Return | None:
    """What gives the traffic back; None while nothing can be shifted, because the other colour has no Service yet."""
    shift = state.shift
    colour = shift.source if version and shift.versions.get(shift.target) == version else state.live
    if not colour:
        raise Refused(
            "No colour of the entry is live, so nobody can tell where its traffic belongs",
            where=f"entry {state.entry}",
            remedy="give all its traffic to one colour first (traffic_switch)",
        )
    if any(side.obj is None for side in state.sides.values()):
        return None
    there = shifted(state, {colour: 0, other(colour): 100})
    mutation = there.router.mutation(there.entry, there.objs, there.sides, {colour: 100, other(colour): 0})
    written = {op["path"]: op["value"] for op in mutation.ops if op["op"] != "test"}
    passed_over = {*written, "/metadata/resourceVersion"}
    still = [op for op in mutation.ops if op["op"] == "test" and op["path"] not in passed_over]
    back = [
        {"path": path, "value": value, "given": pod_api.value_at(there.objs[mutation.position], path)}
        for path, value in written.items()
    ]
    return Return(state, colour, still, back)


def shifted(state: EntryState, wanted: Mapping[str, int]) -> EntryState:
    """The entry as it would be with these weights."""
    mutation = state.router.mutation(state.entry, state.objs, state.sides, wanted)
    objs = [copy.deepcopy(obj) for obj in state.objs]
    for op in mutation.ops:
        if op["op"] != "test":
            _write(objs[mutation.position], op["path"], op["value"])
    return state.seen_again(*objs)


def _write(obj: Any, path: str, value: Any) -> None:
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    for part in above:
        obj = obj[int(part)] if isinstance(obj, list) else obj[part]
    obj[last] = value


@dataclass(frozen=True)
class Man:
    """Everything the dead man is made of."""

    run: Run
    returns: Sequence[Return]
    image: Image

    @property
    def plan(self) -> Obj:
        return {
            "release": self.run.release,
            "lease": LEASE.path(self.run.namespace, self.run.lease),
            "token": self.run.token,
            "ttl": self.run.ttl,
            "entries": [one.plan() for one in self.returns],
        }

    @property
    def program(self) -> Program:
        return Program(
            name_of(self.run.lease),
            self.run.namespace,
            (LABEL, self.run.lease),
            "dead man",
            "dead-man",
            (pod_api, deadman_job),
            self.plan,
            {namespace: self._rules(namespace) for namespace in self.namespaces},
            self.image,
        )

    @property
    def namespaces(self) -> set[str]:
        """Where it needs a Role."""
        return {self.run.namespace} | {one.entry.entry.namespace for one in self.returns}

    def _rules(self, namespace: str) -> list[Obj]:
        """Exactly the Lease and the entries of one namespace, each by its name."""
        named = [one.kind_and_name for one in self.returns if one.entry.entry.namespace == namespace]
        if namespace == self.run.namespace:
            named.insert(0, (LEASE, self.run.lease))
        return [rule(kind, name, "get", "patch") for kind, name in dict.fromkeys(named)]


def remove(client: KubeClient, namespace: str, lease: str) -> bool:
    """Remove every trace of the dead man of a lock; whether there was any."""
    name = name_of(lease)
    elsewhere = set(namespaces_of(client.get(CONFIGMAP, name, namespace))) - {namespace}
    return absent(client, name, namespace, elsewhere)


def namespaces_of(config: Obj | None) -> Iterable[str]:
    """Where an earlier dead man was given Roles, as its ConfigMap tells."""
    try:
        plan = json.loads((config or {})["data"][PLAN])
        return {path.split("/namespaces/")[1].split("/")[0] for path in [one["path"] for one in plan["entries"]]}
    except (KeyError, ValueError, IndexError, TypeError):
        return set()
