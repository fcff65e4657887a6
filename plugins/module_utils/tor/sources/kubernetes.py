# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One object of the cluster: how many of its pods are ready, how often they restarted, or any of its fields."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import ReleaseError
from ...kube.kinds import POD, REPLICASET
from ..select import pick_from
from .base import Ask, Readings, Source, World

if TYPE_CHECKING:
    from ...kube.client import KubeClient

    Obj = dict[str, Any]


@dataclass(frozen=True)
class Kubernetes(Source):
    """`ready_share` is ready of desired pods; `restarts` sums over the pods of a workload, or of the pod."""

    object_kind: str
    name: str
    namespace: str = ""
    api_version: str = "apps/v1"

    selects: ClassVar[dict[str, str]] = {
        "desired": "",
        "updated": "",
        "ready": "",
        "available": "",
        "ready_share": "share",
        "restarts": "",
    }

    @property
    def text(self) -> str:
        return f"{self.object_kind} {self.name}"

    def read(self, ask: Ask, world: World) -> Readings:
        client = world.client()
        kind = client.resolve(self.api_version, self.object_kind)
        namespace = world.namespace_of(self.namespace) if kind.namespaced else ""
        found = client.get(kind, self.name, namespace)
        if found is None:
            raise ReleaseError(
                f"{self.object_kind} {self.name} does not exist" + (f" in namespace {namespace}" if namespace else "")
            )
        values = self._values(client, found, ask.select)
        return Readings(values, len(values), found.get("status"))

    def _values(self, client: KubeClient, found: Obj, select: str) -> list[Any]:
        from ...kube.readiness import workload_ready

        if select == "restarts":
            return [_restarts(client, found)]
        if select not in self.selects:
            return pick_from(select, found)
        counts = workload_ready(found)
        if select == "ready_share":
            return [Fraction(counts.ready, counts.desired)] if counts.desired else []
        return [getattr(counts, select)]


def _restarts(client: KubeClient, found: Obj) -> int:
    from ...kube.readiness import pods_of, restarts

    if found["kind"] == "Pod":
        return restarts(found)
    namespace = found["metadata"]["namespace"]
    sets = client.list_metadata(REPLICASET, namespace) if found["kind"] == "Deployment" else None
    return sum(restarts(pod) for pod in pods_of(found, client.list(POD, namespace), sets))
