# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the cluster: what can be counted about them, or any of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import ReleaseError
from ...kube.kinds import KNOWN
from ..expect import ExpectError, NothingMeasured
from .base import Ask, Readings, World
from .measure import Measured
from .objects import CAPACITY, DEVIATIONS, READY_SHARE, USED_SHARE, Facts, unit_of_resource
from .settings import Settings, mistakes

if TYPE_CHECKING:
    from ...kube.client import KubeClient
    from ...kube.kinds import Kind

    Obj = dict[str, Any]

_SERVER_VERSION = "server_version"
_OF_ALL = ("exists", "count")
_VERSIONS = {**{kind.kind: kind.api_version for kind in KNOWN.values()}, "Certificate": "cert-manager.io/v1"}
_SHOWN = 10


@dataclass(frozen=True)
class Kubernetes(Measured):
    """Options: `object_kind`; `name`, `names` or `labels`, a selector, or none, which is all of the kind in the namespace;
    `namespace`; `api_version`, needed for a kind that is not known here; `keys` that `missing_keys` is about;
    `container` that `image_digest` and `deviations` are about, needed where a pod has several; `env` and `resources`
    that `deviations` are from.

    Selects, of any kind: `exists` (true or false); `count` of the objects; `condition:TYPE`, true or false, of their
    status; a dotted key or JMESPath, followed by `in UNIT` where it has one. Of a Deployment, StatefulSet or DaemonSet:
    `desired`, `updated`, `ready`, `available` pods; of these and of a Pod: `ready_share`, `restarts`, `broken_pods`
    (crash loop, image that cannot be had, broken configuration, no node), `image_digest` and `deviations`, how many of
    `env` and `resources` it has otherwise. Of a Node: `capacity:RESOURCE`, memory in bytes. Of a Service: `endpoints`,
    the ready pods behind it. Of a HorizontalPodAutoscaler: `at_maximum`. Of a Job or CronJob: `success_age` (time since
    the last success). Of a Certificate: `certificate_age_left` (time). Of a ResourceQuota: `used_share` of the fullest
    resource, or `used_share:RESOURCE`. Of a Secret or ConfigMap: `missing_keys`, how many of `keys` it lacks or has
    empty; the values of a Secret cannot be selected. Without an `object_kind`: `server_version`.

    Each object is a sample. Where no object has the name the verdict is an error, where none matches `insufficient`,
    but for `exists` and `count`. Ages are by the clock of the API server.
    """

    object_kind: str = ""
    name: str = ""
    names: tuple[str, ...] = ()
    namespace: str = ""
    api_version: str = ""
    labels: str = ""
    keys: tuple[str, ...] = ()
    container: str = ""
    env: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)

    selects: ClassVar[Mapping[str, str | None]] = {
        "exists": None,
        "count": "",
        "desired": "",
        "updated": "",
        "ready": "",
        "available": "",
        READY_SHARE: "share",
        "restarts": "",
        "broken_pods": "",
        "endpoints": "",
        "at_maximum": None,
        "success_age": "s",
        "certificate_age_left": "s",
        "used_share": "share",
        "missing_keys": "",
        "image_digest": None,
        DEVIATIONS: "",
        _SERVER_VERSION: None,
    }

    @classmethod
    def unit_of(cls, select: str) -> str | None:
        if select.startswith(CAPACITY):
            return unit_of_resource(select.removeprefix(CAPACITY))
        return "share" if select.startswith(USED_SHARE) else super().unit_of(select)

    def check_options(self) -> list[str]:
        found = mistakes(self.env, self.resources)
        if (self.name or self.names) and self.labels:
            found.append(".labels: there is a name, too")
        if self.name and self.names:
            found.append(".names: there is a name, too")
        if self.object_kind and not self._api_version:
            found.append(f".api_version: missing, as {self.object_kind} is not a kind that is known here")
        return found

    @property
    def _api_version(self) -> str:
        return self.api_version or _VERSIONS.get(self.object_kind, "")

    @property
    def text(self) -> str:
        return f"{self.object_kind} {self.name or ', '.join(self.names) or self.labels or '(all)'}" if self.object_kind else "Kubernetes"

    def read(self, ask: Ask, world: World) -> Readings:
        client = world.client().beside(patience=max(ask.left, 0.1))
        if ask.select == _SERVER_VERSION:
            return Readings([client.server_version()], 1)
        if not self.object_kind:
            raise ExpectError(f"{ask.select} is about objects: set object_kind")
        kind = client.resolve(self._api_version, self.object_kind)
        namespace = world.namespace_of(self.namespace) if kind.namespaced else ""
        found = self._objects(client, kind, namespace)
        if ask.select in _OF_ALL:
            names = [one["metadata"]["name"] for one in found[:_SHOWN]]
            return Readings([bool(found) if ask.select == "exists" else len(found)], 1, {"objects": names})
        if not found:
            where = f" in namespace {namespace}" if namespace else ""
            if self.name:
                raise ReleaseError(f"{self.object_kind} {self.name} does not exist{where}")
            raise NothingMeasured(f"no {self.object_kind} matches{where}")
        return self._readings(client, ask.select, found)

    def _objects(self, client: KubeClient, kind: Kind, namespace: str) -> list[Obj]:
        if not self.name:
            return self._named(client.list(kind, namespace, self.labels))
        found = client.get(kind, self.name, namespace)
        return [] if found is None else [found]

    def _named(self, found: list[Obj]) -> list[Obj]:
        if not self.names:
            return found
        there = {one["metadata"]["name"]: one for one in found}
        lost = [name for name in self.names if name not in there]
        if lost:
            raise ReleaseError(f"{self.object_kind} {', '.join(lost)} does not exist")
        return [there[name] for name in self.names]

    def _readings(self, client: KubeClient, select: str, found: list[Obj]) -> Readings:
        facts = Facts(client, self.keys, Settings(client, self.container, self.env, self.resources))
        values: list[Any] = []
        silent = 0
        seen: dict[str, Any] = {}
        for one in found:
            own = facts.values(select, one)
            values += own
            silent += not own and select != READY_SHARE
            if len(seen) < _SHOWN:
                seen[one["metadata"]["name"]] = own[0] if len(own) == 1 else own
        plain = {name: float(value) if isinstance(value, Fraction) else value for name, value in seen.items()}
        evidence = {"status": found[0].get("status")} if self.name else {"objects": plain}
        return Readings(values, len(found), {**evidence, **facts.notes}, "; ".join(facts.remarks), silent)
