# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""In which pods a program of a task runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..kube.kinds import DAEMONSET, DEPLOYMENT, POD, STATEFULSET
from ..kube.readiness import is_pod_ready, pods_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = Mapping[str, Any]
KINDS = {one.kind: one for one in (DEPLOYMENT, STATEFULSET, DAEMONSET)}


@dataclass(frozen=True)
class Where:
    """Pods of a ``workload`` of this ``kind``, or those with all of ``labels``; the first that is ready, or all."""

    namespace: str
    kind: str = "Deployment"
    workload: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    container: str = ""
    everywhere: bool = False

    @property
    def title(self) -> str:
        labels = ", ".join(f"{key}={value}" for key, value in self.labels.items())
        return f"{f'{self.kind} {self.workload}' if self.workload else labels} in namespace {self.namespace}"


@dataclass(frozen=True)
class Chosen:
    """The container by the pod it is in, and pods that are left out because they are not ready."""

    containers: Mapping[str, str]
    unready: Sequence[str]

    @property
    def sentence(self) -> str:
        left = f" Not ready, and left out: {', '.join(self.unready)}." if self.unready else ""
        return f"in {', '.join(self.containers)}.{left}"


def choose(where: Where, pods: Sequence[Obj]) -> Chosen:
    """The first container of a pod unless one is named, as kubectl does; ``Refused`` if no pod is ready. Pure."""
    running = {str(pod["metadata"]["name"]): pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"}
    ready = sorted(name for name, pod in running.items() if is_pod_ready(pod))
    if not ready:
        raise Refused(
            "No pod is ready, so nothing was run", where=where.title, remedy="see why none is: overview is such a task"
        )
    taken = ready if where.everywhere else ready[:1]
    own = {name: where.container or str(running[name]["spec"]["containers"][0]["name"]) for name in taken}
    return Chosen(own, sorted(running.keys() - set(ready)) if where.everywhere else [])


def find(client: KubeClient, where: Where) -> Chosen:
    """As ``choose`` does, among those that are there now."""
    if not where.workload:
        labels = ",".join(f"{key}={value}" for key, value in where.labels.items())
        return choose(where, client.list(POD, where.namespace, labels))
    workload = client.get(KINDS[where.kind], where.workload, where.namespace)
    if workload is None:
        raise Refused(f"There is no {where.title}, so nothing was run", remedy="check workload, kind and namespace")
    return choose(where, pods_of(workload, client.list(POD, where.namespace)))
