# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whether what a workload grows to fits the quotas and the nodes, before it grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import Forbidden, Refused
from ..helm.capacity import asked
from ..helm.headroom import Demand, defaults_of, refuse_over_nodes, refuse_over_quota
from ..helm.objects import Obj, name_of, pod_template
from ..helm.selectors import owner_of
from ..kube.kinds import HPA, NODE, POD, RESOURCEQUOTA
from .draft import Draft
from .put_back import title_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

_ALIVE = "status.phase!=Succeeded,status.phase!=Failed"
Read = TypeVar("Read")


@dataclass(frozen=True)
class Growth:
    """The pods a workload is to have and may get; ``most`` is what an autoscaler may reach."""

    workload: Obj
    pod: Obj
    count: int
    most: int

    @property
    def grows(self) -> bool:
        return max(self.count, self.most) > asked(self.workload) or self._resources(self.pod) != self._resources(
            pod_template(self.workload)["spec"]
        )

    @staticmethod
    def _resources(pod: Obj) -> list[Any]:
        return [one.get("resources") for one in pod.get("containers") or []]

    def demand(self, count: int) -> Demand:
        present = int((self.workload.get("status") or {}).get("replicas") or 0)
        return Demand(title_of(self.workload), count, self.pod, present, pod_template(self.workload)["spec"])


def growth_of(draft: Draft, workload: Obj, would: Obj) -> Growth:
    """``would`` is the object as the API server would make it."""
    scaler = draft.create or would
    if scaler["kind"] == HPA.kind:
        spec = scaler["spec"]
        pod, size = pod_template(workload)["spec"], asked(workload)
        return Growth(workload, pod, max(size, int(spec.get("minReplicas") or 1)), int(spec["maxReplicas"]))
    size = int((workload.get("status") or {}).get("desiredNumberScheduled") or 0)
    count = size if would["kind"] == "DaemonSet" else asked(would)
    return Growth(workload, pod_template(would)["spec"], count, count)


@dataclass(frozen=True)
class Room:
    """What was looked at, in a sentence, and what could not be."""

    sentence: str = ""
    warnings: tuple[str, ...] = ()


def check(client: KubeClient, namespace: str, growth: Growth, limits: Sequence[Obj]) -> Room:
    """``Refused`` for what does not fit; where an autoscaler may only come to need it, a warning."""
    if not growth.grows:
        return Room()
    quotas = unless_forbidden(lambda: client.list(RESOURCEQUOTA, namespace))
    nodes = unless_forbidden(lambda: (client.list(NODE), client.list(POD, fields=_ALIVE)))
    title, defaults, warnings = title_of(growth.workload), defaults_of(limits), []

    def look(count: int) -> None:
        demands = [growth.demand(count)]
        refuse_over_quota(quotas or [], demands, defaults, title)
        if nodes:
            others = [pod for pod in nodes[1] if owner_of(pod) != (growth.workload["kind"], title.partition(" ")[2])]
            warnings.append(refuse_over_nodes(nodes[0], others, demands, defaults, title))

    look(growth.count)
    if growth.most > growth.count:
        try:
            look(growth.most)
        except Refused as refusal:
            warnings.append(f"It cannot come to {growth.most} pods: {refusal.what}")
    unread = [name for name, read in (("ResourceQuotas", quotas), ("nodes", nodes)) if read is None]
    if unread:
        warnings.append(f"The {' and the '.join(unread)} may not be read: whether {title} fits them is unknown")
    looked = [f"ResourceQuota {name_of(one)}" for one in quotas or []]
    looked += [_counted(len(nodes[0]), "node")] if nodes else []
    return Room(_sentence(growth, looked), tuple(filter(None, warnings)))


def _sentence(growth: Growth, looked: Sequence[str]) -> str:
    now = asked(growth.workload)
    more = growth.count - now
    pods = _counted(more, "more pod") if more > 0 else f"{_counted(growth.count, 'pod')} of this size"
    return f"there is room for {pods}: {' and '.join(looked)}" if looked else ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def unless_forbidden(read: Callable[[], Read]) -> Read | None:
    try:
        return read()
    except Forbidden:
        return None
