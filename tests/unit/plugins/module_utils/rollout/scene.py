# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads as the API server returns them, and what a plan needs to know about them."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import kind_of
from ansible_collections.runbook.release.plugins.module_utils.rollout.model import Want, key_of
from ansible_collections.runbook.release.plugins.module_utils.rollout.observe import Have
from ansible_collections.runbook.release.plugins.module_utils.rollout.record import APPLY, ROLLOUT, Record, Unit
from ansible_collections.runbook.release.plugins.module_utils.rollout.shape import Change

Obj = dict[str, Any]
WANT = Want("shop", "shop", "2")
REVISION = "deployment.kubernetes.io/revision"


def workload(name: str, tag: str = "1", kind: str = "Deployment", **spec: Any) -> Obj:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": f"app:{tag}"}]}}
    size = {} if kind == "DaemonSet" else {"replicas": 2}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"{kind}-{name}",
            "generation": 3,
            "annotations": {REVISION: "3"} if kind == "Deployment" else {},
        },
        "spec": {**size, "selector": {"matchLabels": {"app": name}}, "template": template, **spec},
        "status": {"observedGeneration": 3},
    }


def configmap(name: str, value: str = "1") -> Obj:
    metadata = {"name": name, "namespace": "shop", "uid": f"cm-{name}"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}}


def revision(owner: Obj, name: str, number: int, tag: str) -> Obj:
    kept = workload(owner["metadata"]["name"], tag, owner["kind"])["spec"]
    is_set = owner["kind"] == "Deployment"
    metadata = {"name": name, "ownerReferences": [{"uid": owner["metadata"]["uid"]}], "labels": {}}
    metadata |= {"annotations": {REVISION: str(number)}} if is_set else {}
    if is_set:
        kept["template"]["metadata"]["labels"]["pod-template-hash"] = "abc"
        return {"kind": "ReplicaSet", "metadata": metadata, "spec": kept}
    template = {**kept["template"], "$patch": "replace"}
    return {
        "kind": "ControllerRevision",
        "metadata": metadata,
        "revision": number,
        "data": {"spec": {"template": template}},
    }


def change(live: Obj | None, would: Obj, how: str = APPLY) -> Change:
    return Change(kind_of(would), copy.deepcopy(would), live, how, would)


def have(
    *objects: Obj, unit: Unit | None = None, revisions: tuple[Obj, ...] = (), budgets: tuple[Obj, ...] = ()
) -> Have:
    return Have(unit, {key_of(obj): obj for obj in objects}, revisions, (), budgets)


def recorded(obj: Obj, record: Record) -> Obj:
    told = copy.deepcopy(obj)
    told["metadata"].setdefault("annotations", {})[ROLLOUT] = record.text()
    return told
