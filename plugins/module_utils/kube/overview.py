# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How everything in a namespace is doing, read at once; of Secrets, settings and environments nothing is read."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..errors import ApiError
from .kinds import (
    CRONJOB,
    DAEMONSET,
    DEPLOYMENT,
    ENDPOINTSLICE,
    EVENT,
    HPA,
    INGRESS,
    JOB,
    POD,
    SERVICE,
    STATEFULSET,
    Kind,
)
from .problems import occurrences, pod_problem, seen_at
from .readiness import is_pod_ready, ready_endpoints, restarts, workload_ready

if t.TYPE_CHECKING:
    from .client import KubeClient

Obj = dict[str, t.Any]

NODE_USE = Kind("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", namespaced=False)
POD_USE = Kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods")
WORKLOADS = (DEPLOYMENT, STATEFULSET, DAEMONSET)
OTHERS = (SERVICE, INGRESS, CRONJOB, JOB, HPA)
READ = (POD, EVENT, ENDPOINTSLICE, *WORKLOADS, *OTHERS, NODE_USE, POD_USE)
AT_ONCE = 8


def overview(client: KubeClient, namespace: str, events: int) -> Obj:
    """Everything by what it is; the newest ``events``, oldest first. ``unreadable`` names what could not be read."""
    unreadable: list[str] = []

    def read(kind: Kind) -> list[Obj]:
        try:
            return client.list(kind, namespace if kind.namespaced else "")
        except ApiError as error:
            unreadable.append(f"{kind.resource}: {error}")
            return []

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        found = dict(zip(READ, pool.map(read, READ), strict=True))
    recent = sorted(found[EVENT], key=seen_at)
    return {
        "pods": [_pod(one, recent) for one in found[POD]],
        "workloads": [_workload(kind, one) for kind in WORKLOADS for one in found[kind]],
        "services": [_service(one, found[ENDPOINTSLICE]) for one in found[SERVICE]],
        "others": [f"{kind.kind} {_name(one)}" for kind in OTHERS if kind != SERVICE for one in found[kind]],
        "autoscalers": [_autoscaler(one) for one in found[HPA]],
        "events": [_event(one) for one in recent[-events:]],
        "node_use": [{"name": _name(one), **one["usage"]} for one in found[NODE_USE]],
        "pod_use": [_use(pod, one) for pod in found[POD_USE] for one in pod["containers"]],
        "unreadable": sorted(unreadable),
    }


def summary(seen: Obj) -> list[str]:
    """What a person reads first: what is not as it should be."""
    ready = sum(one["ready"] for one in seen["pods"])
    lines = [f"{ready} of {len(seen['pods'])} pods are ready"]
    lines += [one["problem"] for one in seen["pods"] if one["problem"]]
    lines += [
        f"{one['kind']} {one['name']}: {one['ready']} of {one['desired']} pods ready"
        for one in seen["workloads"]
        if one["ready"] < one["desired"]
    ]
    lines += [
        f"Service {one['name']} has no pods behind it"
        for one in seen["services"]
        if one["selects"] and not one["endpoints"]
    ]
    lines += [
        f"HorizontalPodAutoscaler {one['name']} is at its maximum" for one in seen["autoscalers"] if one["at_maximum"]
    ]
    return lines + [f"could not be read: {text}" for text in seen["unreadable"]]


def _pod(pod: Obj, events: t.Sequence[Obj]) -> Obj:
    status, problem = pod.get("status") or {}, pod_problem(pod, events)
    return {
        "name": _name(pod),
        "phase": status.get("phase", ""),
        "ready": is_pod_ready(pod),
        "restarts": restarts(pod),
        "node": (pod.get("spec") or {}).get("nodeName", ""),
        "started": status.get("startTime", ""),
        "problem": str(problem) if problem else "",
    }


def _workload(kind: Kind, workload: Obj) -> Obj:
    readiness = workload_ready(workload)
    containers = workload["spec"]["template"]["spec"]["containers"]
    return {
        "kind": kind.kind,
        "name": _name(workload),
        "desired": readiness.desired,
        "ready": readiness.ready,
        "missing": list(readiness.missing),
        "images": [one.get("image", "") for one in containers],
        "resources": {one["name"]: one["resources"] for one in containers if one.get("resources")},
    }


def _service(service: Obj, slices: t.Sequence[Obj]) -> Obj:
    own = [
        one
        for one in slices
        if (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == _name(service)
    ]
    spec = service.get("spec") or {}
    return {
        "name": _name(service),
        "type": spec.get("type", ""),
        "selects": bool(spec.get("selector")),
        "endpoints": sorted(ready_endpoints(own)),
    }


def _autoscaler(autoscaler: Obj) -> Obj:
    spec, status = autoscaler["spec"], autoscaler.get("status") or {}
    desired = status.get("desiredReplicas", 0)
    return {
        "name": _name(autoscaler),
        "min": spec.get("minReplicas", 1),
        "max": spec["maxReplicas"],
        "desired": desired,
        "at_maximum": desired >= spec["maxReplicas"],
    }


def _event(event: Obj) -> str:
    about = event.get("involvedObject") or {}
    what = f"{about.get('kind', '')}/{about.get('name', '')}"
    said = " ".join(str(event.get("message") or "").split())[:500]
    return f"{seen_at(event)} {event.get('type', '')} x{occurrences(event)} {what} {event.get('reason', '')}: {said}"


def _use(pod: Obj, container: Obj) -> Obj:
    return {"pod": _name(pod), "container": container["name"], **container["usage"]}


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])
