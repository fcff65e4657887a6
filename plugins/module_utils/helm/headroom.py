# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whether more pods fit: ResourceQuota and what the nodes can still take, before anything is created."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from decimal import Decimal

from ..errors import Refused
from .objects import Obj, kind_name, labels_of, name_of, pod_template

Amounts = dict[str, Decimal]
Key = tuple[str, str]

_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal("1e3"),
    "M": Decimal("1e6"),
    "G": Decimal("1e9"),
    "T": Decimal("1e12"),
    "P": Decimal("1e15"),
    "E": Decimal("1e18"),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY = re.compile(r"^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)$")
_POOL_LABELS = (
    "karpenter.sh/nodepool",
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "machine.openshift.io/cluster-api-machineset",
)
_BYTES = ("memory", "storage")
SECOND_COLOUR = "The second colour"


def quantity(text: t.Any) -> Decimal:
    """A Kubernetes quantity as a number: `250m`, `1Gi`, `2`."""
    match = _QUANTITY.match(str(text).strip())
    if not match or match[2] not in _SUFFIXES:
        raise Refused(f"{text!r} is not a quantity", remedy="correct the resources of the containers")
    return Decimal(match[1]) * _SUFFIXES[match[2]]


@dataclass(frozen=True)
class Demand:
    """The pods a workload is to have, and the ones it has now, which they replace."""

    workload: str
    count: int
    pod: Obj
    present: int = 0
    replaced: Obj | None = None

    def each(self, defaults: Obj) -> Amounts:
        return pod_amounts(self.pod, defaults)

    def more(self, key: str, defaults: Obj) -> Decimal:
        """How much of a resource it takes beyond what it takes now."""
        now = pod_amounts(self.replaced, {}).get(key, Decimal(0)) if self.replaced else Decimal(0)
        return self.count * self.each(defaults).get(key, Decimal(0)) - self.present * now


def pod_amounts(pod: Obj, defaults: Obj) -> Amounts:
    """Requests and limits of one pod as a quota counts them: sum of containers or the largest init container."""
    amounts: Amounts = {"pods": Decimal(1)}
    for part in ("requests", "limits"):
        running = _total(pod.get("containers") or [], part, defaults)
        starting = [_total([one], part, defaults) for one in pod.get("initContainers") or []]
        overhead = {name: quantity(value) for name, value in (pod.get("overhead") or {}).items()}
        for name in {*running, *(key for one in starting for key in one)}:
            peak = max([running.get(name, Decimal(0)), *(one.get(name, Decimal(0)) for one in starting)])
            amounts[f"{part}.{name}"] = peak + overhead.get(name, Decimal(0))
    return amounts


def _total(containers: t.Iterable[Obj], part: str, defaults: Obj) -> Amounts:
    total: Amounts = {}
    for container in containers:
        for name, value in _stated(container, part, defaults).items():
            total[name] = total.get(name, Decimal(0)) + quantity(value)
    return total


def _stated(container: Obj, part: str, defaults: Obj) -> Obj:
    """What a container states, completed as the API server does: by its limits, then by a LimitRange."""
    resources = container.get("resources") or {}
    limits = {**defaults.get("limits", {}), **(resources.get("limits") or {})}
    if part == "limits":
        return limits
    return {**defaults.get("requests", {}), **(resources.get("limits") or {}), **(resources.get("requests") or {})}


def defaults_of(limit_ranges: t.Iterable[Obj]) -> Obj:
    """What the LimitRanges of the namespace give a container that states nothing."""
    defaults: Obj = {"requests": {}, "limits": {}}
    for limit_range in limit_ranges:
        for limit in (limit_range.get("spec") or {}).get("limits") or []:
            if limit.get("type") == "Container":
                defaults["limits"] |= limit.get("default") or {}
                defaults["requests"] |= limit.get("defaultRequest") or limit.get("default") or {}
    return defaults


def refuse_over_quota(
    quotas: t.Iterable[Obj], demands: t.Sequence[Demand], defaults: Obj, what: str = SECOND_COLOUR
) -> None:
    """Refuse what a ResourceQuota would reject pod by pod, with the numbers; ``what`` is to have room."""
    for quota in quotas:
        counted = [demand for demand in demands if demand.count and _applies(quota, demand.pod, defaults)]
        status = quota.get("status") or {}
        hard = status.get("hard") or (quota.get("spec") or {}).get("hard") or {}
        for resource, limit in hard.items():
            key = _canonical(resource)
            if counted and key.startswith(("requests.", "limits.")) and key.rpartition(".")[2] in ("cpu", "memory"):
                _require_stated(quota, key, counted, defaults)
            used = quantity((status.get("used") or {}).get(resource, "0"))
            more = sum((demand.more(key, defaults) for demand in counted), Decimal(0))
            if more > 0 and used + more > quantity(limit):
                raise Refused(
                    f"{what} does not fit the quota: it needs {_show(key, more)} more {resource}, "
                    f"{_show(key, used)} of {limit} are used",
                    where=f"ResourceQuota {name_of(quota)}",
                    remedy="raise the quota, lower replicas or requests, or retire what is idle",
                    quota={"name": name_of(quota), "resource": resource, "needed": str(more), "used": str(used)},
                )


def _canonical(resource: str) -> str:
    if resource in ("cpu", "memory", "ephemeral-storage"):
        return f"requests.{resource}"
    return "pods" if resource == "count/pods" else resource


def _require_stated(quota: Obj, key: str, demands: t.Iterable[Demand], defaults: Obj) -> None:
    part, _dot, name = key.partition(".")
    for demand in demands:
        silent = [one["name"] for one in demand.pod.get("containers") or [] if name not in _stated(one, part, defaults)]
        if silent:
            raise Refused(
                f"The quota counts {key}, and container {silent[0]} of {demand.workload} states none: its pods would "
                "be rejected",
                where=f"ResourceQuota {name_of(quota)}",
                remedy=f"set resources.{key} for the container, or a LimitRange with a default",
            )


def _applies(quota: Obj, pod: Obj, defaults: Obj) -> bool:
    spec = quota.get("spec") or {}
    best_effort = set(pod_amounts(pod, defaults)) == {"pods"}
    ends = "activeDeadlineSeconds" in pod
    holds = {
        "BestEffort": best_effort,
        "NotBestEffort": not best_effort,
        "Terminating": ends,
        "NotTerminating": not ends,
    }
    if not all(holds.get(scope, False) for scope in spec.get("scopes") or []):
        return False
    return all(_in_scope(one, pod, holds) for one in (spec.get("scopeSelector") or {}).get("matchExpressions") or [])


def _in_scope(expression: Obj, pod: Obj, holds: t.Mapping[str, bool]) -> bool:
    if expression["scopeName"] != "PriorityClass":
        return holds.get(expression["scopeName"], False)
    name, values = pod.get("priorityClassName"), expression.get("values") or []
    return {"In": name in values, "NotIn": name not in values, "Exists": bool(name), "DoesNotExist": not name}[
        expression["operator"]
    ]


def refuse_over_nodes(
    nodes: t.Sequence[Obj],
    pods: t.Iterable[Obj],
    demands: t.Sequence[Demand],
    defaults: Obj,
    what: str = SECOND_COLOUR,
) -> str:
    """Refuse what cannot be scheduled even if every constraint but size is ignored; a warning where nodes may grow."""
    usable = [node for node in nodes if _usable(node)]
    if not usable:
        return "No node is ready to take pods"
    free = _free(usable, pods)
    for demand in demands:
        needs = {key: value for key, value in _scheduled(demand.each(defaults)).items() if value}
        if demand.count and not any(
            all(room.get(key, Decimal(0)) >= need for key, need in needs.items()) for room in free
        ):
            return _too_big(usable, f"No node has room for one pod of {demand.workload}: it asks for {_list(needs)}")
    for key in ("cpu", "memory", "pods"):
        need = sum((one.count * _scheduled(one.each(defaults)).get(key, Decimal(0)) for one in demands), Decimal(0))
        room = sum((one.get(key, Decimal(0)) for one in free), Decimal(0))
        if need > room:
            return _too_big(usable, f"{what} needs {_show(key, need)} {key}, the nodes have {_show(key, room)} left")
    return ""


def _usable(node: Obj) -> bool:
    if (node.get("spec") or {}).get("unschedulable"):
        return False
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _free(nodes: t.Sequence[Obj], pods: t.Iterable[Obj]) -> list[Amounts]:
    free = {
        name_of(node): {
            key: quantity(value) for key, value in ((node.get("status") or {}).get("allocatable") or {}).items()
        }
        for node in nodes
    }
    for pod in pods:
        room = free.get((pod.get("spec") or {}).get("nodeName", ""))
        if room is None or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        for key, amount in _scheduled(pod_amounts(pod["spec"], {})).items():
            room[key] = room.get(key, Decimal(0)) - amount
    return list(free.values())


def _scheduled(amounts: Amounts) -> Amounts:
    """What the scheduler counts, by the names nodes use."""
    return {key.removeprefix("requests."): value for key, value in amounts.items() if not key.startswith("limits.")}


def _too_big(nodes: t.Sequence[Obj], problem: str) -> str:
    if any(label in labels_of(node) for node in nodes for label in _POOL_LABELS):
        return f"{problem}; the node pool has to grow"
    raise Refused(
        problem, where=f"{len(nodes)} nodes", remedy="lower requests or replicas, retire what is idle, or add a node"
    )


def _list(amounts: Amounts) -> str:
    return ", ".join(f"{_show(key, value)} {key}" for key, value in sorted(amounts.items()) if key != "pods")


def _show(resource: str, amount: Decimal) -> str:
    if any(word in resource for word in _BYTES):
        return f"{amount / 2**20:.0f}Mi"
    return f"{amount.normalize():f}"


def demands_of(objects: t.Iterable[Obj], counts: t.Mapping[Key, int], now: t.Iterable[Obj]) -> list[Demand]:
    """What the workloads of a rendering take at their counts, and what their present selves take."""
    present = {(kind_name(obj), name_of(obj)): obj for obj in now}
    return [
        _demand(obj, counts[key], present.get(key))
        for obj in objects
        for key in [(kind_name(obj), name_of(obj))]
        if key in counts
    ]


def _demand(obj: Obj, count: int, now: Obj | None) -> Demand:
    title, pod = f"{kind_name(obj)} {name_of(obj)}", pod_template(obj)["spec"]
    if now is None:
        return Demand(title, count, pod)
    return Demand(title, count, pod, int((now.get("status") or {}).get("replicas") or 0), pod_template(now)["spec"])
