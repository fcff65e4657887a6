# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of dictionaries: just enough of the API for entries, with a seam where somebody else edits."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    ENDPOINTSLICE,
    HTTPROUTE,
    POD,
    SERVICE,
    STATEFULSET,
    Kind,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Snapshot

Obj = dict[str, Any]
NAMESPACE = "shop"
VERSIONS = {"blue": "1.0", "green": "2.0"}
SELECTORS = {colour: {"app": "shop", "colour": colour} for colour in VERSIONS}
SERVICES = {colour: f"shop-{colour}" for colour in VERSIONS}


def meta(name: str, **more: Any) -> Obj:
    return {"name": name, "namespace": NAMESPACE, "resourceVersion": "1", "generation": 1, **more}


def service(name: str, selector: Obj | None, version: str = "", **spec: Any) -> Obj:
    annotations = {"annotations": {"runbook.release/version": version}} if version else {}
    return {
        "kind": "Service",
        "metadata": meta(name, **annotations),
        "spec": {"selector": selector, "ports": [{"port": 80}], **spec},
    }


def endpoint_slice(service_name: str, *pods: str) -> Obj:
    endpoints = [{"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": name}} for name in pods]
    labels = {"kubernetes.io/service-name": service_name}
    return {"metadata": meta(f"{service_name}-x", labels=labels), "endpoints": endpoints}


def pod(name: str, labels: Obj, ready: str = "True") -> Obj:
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": meta(name, labels=labels), "spec": {}, "status": {"phase": "Running", "conditions": conditions}}


def ref(name: str, weight: int | None = 1, **more: Any) -> Obj:
    return {"name": name, "port": 80, **({} if weight is None else {"weight": weight}), **more}


def rule(blue: int | None, green: int | None, *others: Obj, **more: Any) -> Obj:
    return {"backendRefs": [ref("shop-blue", blue), ref("shop-green", green), *others], **more}


def parent(name: str = "public", generation: int = 1, **statuses: str) -> Obj:
    wanted = {"Accepted": "True", "ResolvedRefs": "True"} | statuses
    return {
        "parentRef": {"name": name},
        "conditions": [
            {"type": kind, "status": status, "observedGeneration": generation, "message": "said so"}
            for kind, status in wanted.items()
        ],
    }


def route(*rules: Obj, annotations: Obj | None = None) -> Obj:
    more = {} if annotations is None else {"annotations": annotations}
    return {
        "metadata": meta("shop", **more),
        "spec": {"parentRefs": [{"name": "public"}], "rules": list(rules)},
        "status": {"parents": [parent()]},
    }


def apply_ops(document: Obj, ops: list[Obj]) -> Obj:
    """RFC 6902: test, add and replace."""
    result = copy.deepcopy(document)
    for op in ops:
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in op["path"].split("/")[1:]]
        target: Any = result
        for key in path:
            target = target[int(key)] if isinstance(target, list) else target[key]
        key = int(last) if isinstance(target, list) else last
        present = key < len(target) if isinstance(target, list) else key in target
        if op["op"] != "add" and not present:
            raise KeyError(op["path"])
        if op["op"] == "test" and target[key] != op["value"]:
            raise ValueError(op["path"])
        if op["op"] != "test":
            target[key] = copy.deepcopy(op["value"])
    return result


class World:
    """`edits` are called one by one, each before one patch, and may change anything: other people."""

    def __init__(self, entry_kind: Kind, entry: Obj, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.edits: list[Callable[[World], None]] = []
        self.patches: list[list[Obj]] = []
        self.frames: list[Callable[[World], None]] = []
        self.lost = False
        kinds = (HTTPROUTE, SERVICE, ENDPOINTSLICE, POD, DEPLOYMENT, STATEFULSET)
        self.objects: dict[Kind, dict[str, Obj]] = {kind: {} for kind in kinds}
        for colour, version in VERSIONS.items():
            self.put(SERVICE, service(SERVICES[colour], SELECTORS[colour], version))
            self.put(ENDPOINTSLICE, endpoint_slice(SERVICES[colour], f"{colour}-1"))
            self.put(POD, pod(f"{colour}-1", SELECTORS[colour]))
        self.put(entry_kind, entry)

    def put(self, kind: Kind, obj: Obj) -> None:
        self.objects[kind][obj["metadata"]["name"]] = obj

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj | None:
        return copy.deepcopy(self.objects[kind].get(name))

    def list(self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "") -> list[Obj]:
        return [copy.deepcopy(obj) for obj in self.objects[kind].values() if _matches(obj, labels)]

    def json_patch(self, kind: Kind, name: str, ops: list[Obj], namespace: str = "", subresource: str = "") -> Obj:
        if self.edits:
            self.edits.pop(0)(self)
        self.patches.append(ops)
        try:
            changed = apply_ops(self.objects[kind][name], ops)
        except (KeyError, ValueError) as exc:
            raise Conflict(f"test of {exc} failed", status=422) from exc
        changed["metadata"]["resourceVersion"] += "1"
        if not self.dry_run:
            self.objects[kind][name] = changed
        return copy.deepcopy(changed)

    def watch(self, kinds: Any, deadline: float, *, tick: float = 1.0) -> Iterator[Snapshot]:
        """One frame after the other, the last one until the deadline."""
        while time.monotonic() < deadline:
            if self.frames:
                self.frames.pop(0)(self)
            yield Snapshot(
                {
                    one.kind: {obj["metadata"]["name"]: obj for obj in self.list(one.kind, labels=one.labels)}
                    for one in kinds
                },
                live=not self.lost,
            )
            time.sleep(min(tick, 0.01))


def _matches(obj: Obj, labels: str) -> bool:
    have = obj["metadata"].get("labels") or {}
    if " in (" in labels:
        key, _in, names = labels.partition(" in (")
        return have.get(key) in names.rstrip(")").split(",")
    wanted = dict(one.split("=") for one in labels.split(",") if one)
    return all(have.get(key) == value for key, value in wanted.items())


def weigh(blue: int, manager: str = "kubectl-edit") -> Callable[[World], None]:
    """Somebody else sets the weights of the first rule."""

    def edit(world: World) -> None:
        entry = world.objects[HTTPROUTE]["shop"]
        changed = apply_ops(
            entry,
            [
                {"op": "add", "path": f"/spec/rules/0/backendRefs/{index}/weight", "value": value}
                for index, value in ((0, blue), (1, 100 - blue))
            ],
        )
        changed["metadata"]["resourceVersion"] += "1"
        changed["metadata"]["managedFields"] = [
            {"manager": "runbook.release", "time": "2026-01-01", "fieldsV1": {"f:metadata": {"f:annotations": {}}}},
            {"manager": manager, "time": "2026-01-02", "fieldsV1": {"f:spec": {"f:rules": {}}}},
        ]
        world.put(HTTPROUTE, changed)

    return edit


def says(version: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {"X-Version": version}, json.dumps({"app": {"version": version}, "list": [1]}).encode()
