# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The workloads of a namespace that can be paused, and what keeps them from being gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..kube.kinds import CRONJOB, DEPLOYMENT, HPA, JOB, POD, REPLICASET, STATEFULSET, Kind
from ..kube.readiness import pods_of, workload_ready
from ..kube.watch import Snapshot, Watch
from ..migration.job_spec import outcome
from .record import Record, Scaler, record_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = Mapping[str, Any]
Key = tuple[str, str]

KINDS: dict[str, Kind] = {kind.kind: kind for kind in (DEPLOYMENT, STATEFULSET, CRONJOB)}
UNNAMED = ("Deployment", "CronJob")


@dataclass(frozen=True)
class Workload:
    """One object with a size: its replicas, or of a CronJob whether it runs (1) or is suspended (0)."""

    obj: Obj
    record: Record | None
    scalers: tuple[Scaler, ...] = ()

    @property
    def key(self) -> Key:
        return str(self.obj["kind"]), str(self.obj["metadata"]["name"])

    @property
    def title(self) -> str:
        return " ".join(self.key)

    @property
    def size(self) -> int:
        spec = self.obj["spec"]
        if self.obj["kind"] == "CronJob":
            return 0 if spec.get("suspend") else 1
        return 1 if spec.get("replicas") is None else int(spec["replicas"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.obj["metadata"].get("labels") or {}


@dataclass(frozen=True)
class Selection:
    """Which workloads: by name, by label, or every Deployment and CronJob there is."""

    names: tuple[Key, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    everything: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Selection:
        names = tuple((one["kind"], one["name"]) for one in params["workloads"] or ())
        return cls(names, tuple(sorted((params["labels"] or {}).items())), bool(params["everything"]))

    def __bool__(self) -> bool:
        return bool(self.names or self.labels or self.everything)

    def has(self, workload: Workload) -> bool:
        return (
            self._labelled(workload) or workload.key in self.names or (self.everything and workload.key[0] in UNNAMED)
        )

    def missing(self, found: Sequence[Workload]) -> list[str]:
        there = {workload.key for workload in found}
        absent = [" ".join(key) for key in self.names if key not in there]
        if self.labels and not any(map(self._labelled, found)):
            absent.append(f"workload with the labels {','.join(f'{key}={value}' for key, value in self.labels)}")
        return absent

    def _labelled(self, workload: Workload) -> bool:
        return bool(self.labels) and all(workload.labels.get(key) == value for key, value in self.labels)


def observe(client: KubeClient, namespace: str) -> list[Workload]:
    """Every workload of the namespace, with its autoscalers."""
    scalers = [(hpa["spec"]["scaleTargetRef"], Scaler.of(hpa)) for hpa in client.list(HPA, namespace)]
    return [
        Workload(obj, record_of(obj), tuple(one for to, one in scalers if _is_of(to, obj)))
        for kind in KINDS.values()
        for obj in client.list(kind, namespace)
    ]


def _is_of(reference: Obj, obj: Obj) -> bool:
    return (reference.get("kind"), reference.get("name")) == (obj["kind"], obj["metadata"]["name"])


def watches(namespace: str) -> list[Watch]:
    return [Watch(kind, namespace) for kind in (*KINDS.values(), REPLICASET, JOB, POD)]


def remains(keys: Sequence[Key], snapshot: Snapshot) -> list[str]:
    """Pods, also those on their way out, and running Jobs of these workloads."""
    found: list[str] = []
    for kind, name in keys:
        obj = snapshot.objects[KINDS[kind]].get(name)
        if obj is None:
            continue
        if kind == "CronJob":
            jobs = [job for job in snapshot.objects[JOB].values() if _owned(job, obj) and outcome(job) is None]
            found += [f"Job {job['metadata']['name']}" for job in jobs]
        else:
            pods = pods_of(obj, snapshot.objects[POD].values(), snapshot.objects[REPLICASET].values())
            found += [f"pod {pod['metadata']['name']}" for pod in pods]
    return sorted(found)


def not_ready(keys: Sequence[Key], snapshot: Snapshot) -> list[str]:
    """What is missing until these workloads run as they should."""
    objects = [snapshot.objects[KINDS[kind]].get(name) for kind, name in keys if kind != "CronJob"]
    return [
        f"{obj['kind']} {obj['metadata']['name']}: {missing}"
        for obj in objects
        if obj
        for missing in workload_ready(obj).missing
    ]


def _owned(job: Obj, owner: Obj) -> bool:
    return owner["metadata"]["uid"] in {one["uid"] for one in job["metadata"].get("ownerReferences") or []}
