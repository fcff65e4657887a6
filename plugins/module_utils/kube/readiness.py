# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is it ready, and if not, what is missing: pure functions over objects as the API server returns them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .problems import Problem, Watchdog, pod_problem, workload_problem

Obj = t.Mapping[str, t.Any]
Objs = t.Iterable[Obj]
REVISION = "deployment.kubernetes.io/revision"

__all__ = [
    "Problem",
    "Readiness",
    "Watchdog",
    "current_pods_of",
    "is_pod_ready",
    "pod_problem",
    "pods_of",
    "ready_endpoints",
    "restarts",
    "workload_problem",
    "workload_ready",
]


@dataclass(frozen=True)
class Readiness:
    """Counts of one workload, and what is missing until it is ready; true when nothing is."""

    desired: int
    updated: int
    ready: int
    available: int
    missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.missing


def workload_ready(workload: Obj) -> Readiness:
    """Deployment, StatefulSet or DaemonSet: observed at this generation; updated, ready and available as desired."""
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    if workload.get("kind") == "DaemonSet":
        desired = int(status.get("desiredNumberScheduled") or 0)
        total = int(status.get("currentNumberScheduled") or 0)
        names = ("updatedNumberScheduled", "numberReady", "numberAvailable")
    else:
        desired = int(spec.get("replicas", 1))
        total = int(status.get("replicas") or 0)
        names = ("updatedReplicas", "readyReplicas", "availableReplicas")
    updated, ready, available = (int(status.get(name) or 0) for name in names)
    generation, observed = workload["metadata"].get("generation", 0), status.get("observedGeneration", 0)
    missing = [] if observed >= generation else [f"generation {generation} is not observed yet (at {observed})"]
    counts = (("updated", updated), ("ready", ready), ("available", available))
    missing += [f"{count} of {desired} pods {name}" for name, count in counts if count < desired]
    if total > desired or updated > desired:
        missing.append(f"{max(total, updated) - desired} surplus pods of an older version or scale are still there")
    return Readiness(desired, updated, ready, available, tuple(missing))


def pods_of(workload: Obj, pods: Objs, replicasets: Objs | None = None) -> list[Obj]:
    """The pods a workload owns; those of a Deployment by its ReplicaSets, or by selector without these."""
    uid = workload["metadata"]["uid"]
    if workload.get("kind") != "Deployment":
        return [pod for pod in pods if uid in _owners(pod)]
    if replicasets is None:
        selector = workload["spec"]["selector"]
        return [pod for pod in pods if selects(selector, pod["metadata"].get("labels") or {})]
    owned = {rs["metadata"]["uid"] for rs in replicasets if uid in _owners(rs)}
    return [pod for pod in pods if owned & _owners(pod)]


def current_pods_of(workload: Obj, pods: Objs, replicasets: Objs = ()) -> list[Obj]:
    """The pods of the newest revision only, so that a pod that is being replaced cannot fail its replacement."""
    if workload.get("kind") == "Deployment":
        uid, annotations = workload["metadata"]["uid"], workload["metadata"].get("annotations") or {}
        newest = {
            rs["metadata"]["uid"]
            for rs in replicasets
            if uid in _owners(rs)
            and (rs["metadata"].get("annotations") or {}).get(REVISION) == annotations.get(REVISION)
        }
        return [pod for pod in pods if newest & _owners(pod)]
    revision = (workload.get("status") or {}).get("updateRevision")
    return [
        pod
        for pod in pods_of(workload, pods)
        if not revision or (pod["metadata"].get("labels") or {}).get("controller-revision-hash") == revision
    ]


def selects(selector: Obj, labels: t.Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels and matchExpressions) matches."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(one, labels) for one in selector.get("matchExpressions") or [])


def _expression(expression: Obj, labels: t.Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def is_pod_ready(pod: Obj) -> bool:
    """Ready by its condition, and not on its way out."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def restarts(pod: Obj) -> int:
    """Restarts of all containers together."""
    return sum(int(one.get("restartCount") or 0) for one in (pod.get("status") or {}).get("containerStatuses") or [])


def ready_endpoints(slices: Objs) -> set[str]:
    """Names of the pods that receive traffic by these EndpointSlices: ready, serving, not terminating."""
    return {
        endpoint["targetRef"]["name"]
        for one in slices
        for endpoint in one.get("endpoints") or []
        if _serves(endpoint.get("conditions") or {}) and endpoint.get("targetRef", {}).get("kind") == "Pod"
    }


def _serves(conditions: Obj) -> bool:
    """A condition that is not given counts as good, as the API defines it."""
    good = all(conditions.get(name) is not False for name in ("ready", "serving"))
    return good and not conditions.get("terminating")


def _owners(obj: Obj) -> set[str]:
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences") or []}
