# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whose pods a selector catches: one colour's selectors must never reach the pods of another workload."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import Refused
from ..kube.readiness import selects
from .content import identity
from .objects import WORKLOADS, Obj, kind_name, labels_of, meta, name_of, of_kind, pod_template, title

Labels = t.Mapping[str, str]
Owner = tuple[str, str]
_OWNED_LIKE_WORKLOADS = ("ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController")


@dataclass(frozen=True)
class Selector:
    """A label selector, and the object it belongs to."""

    owner: Obj
    terms: Obj

    def matches(self, labels: Labels) -> bool:
        """As the API server decides it; a Service without a selector selects nothing."""
        if kind_name(self.owner) == "Service" and not self.terms.get("matchLabels"):
            return False
        return selects(self.terms, labels)

    def __str__(self) -> str:
        parts = [f"{key}={value}" for key, value in sorted((self.terms.get("matchLabels") or {}).items())]
        for one in self.terms.get("matchExpressions") or []:
            parts.append(f"{one['key']} {one['operator']} {','.join(one.get('values') or [])}")
        return ",".join(parts) or "everything"


def service_selector(service: Obj) -> Selector:
    return Selector(service, {"matchLabels": (service.get("spec") or {}).get("selector") or {}})


def selector_of(obj: Obj) -> Selector | None:
    """The selector by which an object finds pods."""
    if kind_name(obj) == "Service":
        return service_selector(obj)
    spec = obj.get("spec") or {}
    if kind_name(obj) not in (*WORKLOADS, "PodDisruptionBudget") or "selector" not in spec:
        return None
    return Selector(obj, spec["selector"] or {})


def selectors(objects: t.Iterable[Obj]) -> list[Selector]:
    return [selector for selector in map(selector_of, objects) if selector]


def owner_of(pod: Obj) -> Owner | None:
    """Kind and name of the workload a pod belongs to; a ReplicaSet stands for its Deployment."""
    for reference in meta(pod).get("ownerReferences") or []:
        if reference.get("controller") and reference.get("kind") in _OWNED_LIKE_WORKLOADS:
            template_hash = labels_of(pod).get("pod-template-hash", "")
            if reference["kind"] == "ReplicaSet" and template_hash:
                return "Deployment", str(reference["name"]).removesuffix(f"-{template_hash}")
            return str(reference["kind"]), str(reference["name"])
    return None


def refuse_shared_names(target: t.Iterable[Obj], opposite: t.Iterable[Obj]) -> None:
    """Two Helm releases cannot own one object."""
    there = {identity(obj) for obj in opposite}
    same = [title(obj) for obj in target if identity(obj) in there]
    if same:
        raise Refused(
            f"Both colours render the same object: {', '.join(same)}",
            where=same[0],
            remedy="let its name depend on the release name (drop fullnameOverride and fixed names), "
            "or move what both colours share out of the chart",
        )


def refuse_overlap(colour: str, target: t.Sequence[Obj], opposite: t.Sequence[Obj]) -> None:
    """No selector of either rendering may match the pods of the other."""
    for mine, theirs in ((target, opposite), (opposite, target)):
        for selector in selectors(mine):
            for workload in of_kind(theirs, *WORKLOADS):
                if selector.matches(labels_of(pod_template(workload))):
                    raise Refused(
                        f"The selector of {title(selector.owner)} would match the pods of both colours, "
                        f"also those of {title(workload)}",
                        where=f"{title(selector.owner)}: {selector}",
                        remedy="add a label that differs per release, as app.kubernetes.io/instance, to selectors and "
                        "pod templates of the chart",
                        colour=colour,
                    )


def refuse_foreign_pods(target: t.Sequence[Obj], own: t.Iterable[Owner], pods: t.Iterable[Obj]) -> None:
    """No selector of the colour may match a pod of a workload that is not its own, now or after the installation."""
    mine = {*own, *((kind_name(obj), name_of(obj)) for obj in of_kind(target, *WORKLOADS))}
    foreign = [(pod, owner) for pod in pods if (owner := owner_of(pod)) and owner not in mine]
    for selector in selectors(target):
        for pod, (kind, name) in foreign:
            if selector.matches(labels_of(pod)):
                raise Refused(
                    f"The selector of {title(selector.owner)} would match pods of {kind} {name}, which is not part of "
                    "this colour",
                    where=f"{title(selector.owner)}: {selector}, pod {name_of(pod)}",
                    remedy="make the labels of the two differ",
                )


def refuse_early_traffic(target: t.Sequence[Obj], services: t.Iterable[Obj], serving: t.Container[str]) -> list[str]:
    """No serving Service may reach the new pods before the switch; any other that does is worth a warning."""
    own = {name_of(obj) for obj in of_kind(target, "Service")}
    warnings = []
    for service in services:
        name, selector = name_of(service), service_selector(service)
        caught = [obj for obj in of_kind(target, *WORKLOADS) if selector.matches(labels_of(pod_template(obj)))]
        if not caught or name in own:
            continue
        if name in serving:
            raise Refused(
                f"Service {name} would send traffic to {title(caught[0])} before the switch",
                where=f"Service {name}: {selector}",
                remedy="let its selector name the live colour alone",
            )
        warnings.append(f"Service {name} selects the pods of {title(caught[0])}, too")
    return warnings
