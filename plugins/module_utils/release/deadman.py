# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The dead man of a release: what it is told to give back, and the objects it consists of. Pure."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..colours import PREFIX, other
from ..errors import Refused
from ..kube.kinds import CONFIGMAP, JOB, LEASE, ROLE, ROLEBINDING, SERVICEACCOUNT, Kind
from ..traffic.state import EntryState
from . import deadman_job
from .run import Run

Obj = dict[str, Any]
LABEL = PREFIX + "dead-man"
DIGEST = PREFIX + "digest"
SCRIPT, PLAN = "dead_man.py", "plan.json"
FOLDER = "/dead-man"
KINDS = (JOB, ROLEBINDING, ROLE, SERVICEACCOUNT, CONFIGMAP)
"""In the order in which they are removed."""
KEEP_LOG = 24 * 3600
ATTEMPTS = 6


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
        {"path": path, "value": value, "given": deadman_job.value_at(there.objs[mutation.position], path)}
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
    image: str
    pull_policy: str = "IfNotPresent"
    user: int = 65534

    @property
    def name(self) -> str:
        return name_of(self.run.lease)

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
    def data(self) -> dict[str, str]:
        return {SCRIPT: inspect.getsource(deadman_job), PLAN: json.dumps(self.plan, indent=1, sort_keys=True)}

    @property
    def digest(self) -> str:
        """Of everything a running pod depends on."""
        text = json.dumps([self.data, self.image, self.pull_policy, self.user], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def namespaces(self) -> set[str]:
        """Where it needs a Role."""
        return {self.run.namespace} | {one.entry.entry.namespace for one in self.returns}

    def objects(self) -> list[tuple[Kind, Obj, str]]:
        """What the Job needs, in the order in which it is created; without the Job."""
        here = self.run.namespace
        found: list[tuple[Kind, Obj, str]] = [
            (CONFIGMAP, {"metadata": self._metadata(), "data": self.data}, here),
            (SERVICEACCOUNT, {"metadata": self._metadata(), "automountServiceAccountToken": False}, here),
        ]
        for namespace in sorted(self.namespaces):
            found.append((ROLE, {"metadata": self._metadata(), "rules": self.rules(namespace)}, namespace))
            found.append((ROLEBINDING, self._binding(), namespace))
        return found

    def rules(self, namespace: str) -> list[Obj]:
        """Exactly the Lease and the entries of one namespace, each by its name."""
        named = [one.kind_and_name for one in self.returns if one.entry.entry.namespace == namespace]
        if namespace == self.run.namespace:
            named.insert(0, (LEASE, self.run.lease))
        return [_rule(kind, name) for kind, name in dict.fromkeys(named)]

    def _binding(self) -> Obj:
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self.name}
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": self.run.namespace}
        return {"metadata": self._metadata(), "roleRef": role, "subjects": [subject]}

    def _metadata(self, **more: Any) -> Obj:
        return {"name": self.name, "labels": {LABEL: self.run.lease}, **more}

    def job(self) -> Obj:
        labels = {LABEL: self.run.lease, "sidecar.istio.io/inject": "false"}
        metadata = {"labels": labels, "annotations": {"linkerd.io/inject": "disabled"}}
        return {
            "metadata": self._metadata(annotations={DIGEST: self.digest}),
            "spec": {
                "backoffLimit": ATTEMPTS,
                "ttlSecondsAfterFinished": KEEP_LOG,
                "template": {"metadata": metadata, "spec": self._pod()},
            },
        }

    def _pod(self) -> Obj:
        security: Obj = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        if self.user:
            security["runAsUser"] = self.user
        return {
            "serviceAccountName": self.name,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": 2,
            "securityContext": security,
            "initContainers": [self._container("rehearsal", "--rehearse")],
            "containers": [self._container("dead-man")],
            "volumes": [{"name": "dead-man", "configMap": {"name": self.name}}],
        }

    def _container(self, name: str, *arguments: str) -> Obj:
        return {
            "name": name,
            "image": self.image,
            "imagePullPolicy": self.pull_policy,
            "command": ["python3", "-B", f"{FOLDER}/{SCRIPT}", f"{FOLDER}/{PLAN}", *arguments],
            "resources": {"requests": {"cpu": "5m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
            "volumeMounts": [{"name": "dead-man", "mountPath": FOLDER, "readOnly": True}],
        }


def _rule(kind: Kind, name: str) -> Obj:
    return {"apiGroups": [kind.group], "resources": [kind.plural], "resourceNames": [name], "verbs": ["get", "patch"]}


def namespaces_of(config: Obj | None) -> Iterable[str]:
    """Where an earlier dead man was given Roles, as its ConfigMap tells."""
    try:
        plan = json.loads((config or {})["data"][PLAN])
        return {path.split("/namespaces/")[1].split("/")[0] for path in [one["path"] for one in plan["entries"]]}
    except (KeyError, ValueError, IndexError, TypeError):
        return set()
