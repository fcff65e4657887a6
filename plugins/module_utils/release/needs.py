# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which ConfigMaps and Secrets the pods of a workload cannot start without. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..helm.objects import Obj, containers, pod_template, title


@dataclass(frozen=True, order=True)
class Need:
    """One object that a workload refers to."""

    kind: str
    name: str
    workload: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def needs_of(workloads: Iterable[Obj]) -> list[Need]:
    """What the containers and volumes of these workloads refer to, unless they call it optional."""
    found = {
        Need(kind, str(ref[key]), title(workload))
        for workload in workloads
        for kind, ref, key in _references(pod_template(workload).get("spec") or {})
        if ref.get(key) and not ref.get("optional")
    }
    return sorted(found)


Reference = tuple[str, Mapping[str, Any], str]


def _references(pod: Obj) -> Iterator[Reference]:
    for container in containers(pod):
        for source in container.get("envFrom") or []:
            yield from _named(source, "configMapRef", "secretRef")
        for variable in container.get("env") or []:
            yield from _named(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")
    for volume in pod.get("volumes") or []:
        yield "ConfigMap", volume.get("configMap") or {}, "name"
        yield "Secret", volume.get("secret") or {}, "secretName"
        for source in (volume.get("projected") or {}).get("sources") or []:
            yield from _named(source, "configMap", "secret")


def _named(source: Obj, config_map: str, secret: str) -> Iterator[Reference]:
    yield "ConfigMap", source.get(config_map) or {}, "name"
    yield "Secret", source.get(secret) or {}, "name"
