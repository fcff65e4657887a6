# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads and autoscalers as the API server has them, and what patches make of them."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.change.observe import Have
from ansible_collections.runbook.release.plugins.module_utils.change.want import Settings, Want

Obj = dict[str, Any]
NOW = "2026-11-21T16:00:00Z"
LATER = "2026-11-21T18:00:00Z"
SECONDS = 1795276800


def deployment(
    name: str = "api", replicas: int = 3, annotations: dict[str, str] | None = None, **container: Any
) -> Obj:
    first = {
        "name": "app",
        "image": "shop:1",
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        **container,
    }
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 1}
    if annotations:
        metadata["annotations"] = annotations
    spec = {"replicas": replicas, "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [first]}}}
    status = {"replicas": replicas}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": status}


def scaler(name: str = "api", low: int = 2, high: int = 5, cpu: int | None = 70, **metadata: Any) -> Obj:
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {"averageUtilization": 80}}}
    target = {"type": "Utilization", "averageUtilization": cpu}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}] if cpu else []
    to = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"minReplicas": low, "maxReplicas": high, "scaleTargetRef": to, "metrics": [*metrics, memory]}
    meta = {"name": name, "namespace": "shop", "uid": f"hpa-{name}", **metadata}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}


def have(*objects: Obj, now: int = SECONDS) -> Have:
    scalers = [one for one in objects if one["kind"] == "HorizontalPodAutoscaler"]
    workloads = {(one["kind"], one["metadata"]["name"]): one for one in objects if one not in scalers}
    return Have(workloads, scalers, [], [], now)


def want(state: str, **more: Any) -> Want:
    settings = {key: more.pop(key) for key in ("container", "env", "unset", "append", "resources") if key in more}
    return Want(state, "shop", name="api", settings=Settings(**settings), who="alice@a", **more)


def patched(obj: Obj, ops: list[Obj]) -> Obj:
    """RFC 6902 as the API server reads it: a test for null holds where nothing is."""
    result = copy.deepcopy(obj)
    for op in ops:
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in op["path"].split("/")[1:]]
        holder: Any = result
        for key in path:
            holder = holder[int(key)] if isinstance(holder, list) else holder[key]
        if op["op"] == "test":
            assert holder.get(last) == op["value"], f"test of {op['path']}: {holder.get(last)!r} is not {op['value']!r}"
        elif op["op"] == "remove":
            del holder[last]
        else:
            holder[last] = copy.deepcopy(op["value"])
    return result


def variables(obj: Obj) -> dict[str, Any]:
    env = obj["spec"]["template"]["spec"]["containers"][0].get("env") or []
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in env}
