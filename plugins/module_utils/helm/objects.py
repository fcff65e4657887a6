# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Plain accessors for Kubernetes objects held as dictionaries."""

from __future__ import annotations

import copy
import re
import typing as t

from ..colours import PREFIX

Obj = dict[str, t.Any]

VERSION = PREFIX + "version"
DIGEST = PREFIX + "digest"
REVISION = PREFIX + "revision"
QUARANTINED = PREFIX + "quarantined"
REPLICAS = PREFIX + "replicas"
MIN_REPLICAS = PREFIX + "min-replicas"
COLOUR = PREFIX + "colour"
WORKER = PREFIX + "worker"

HOOK = "helm.sh/hook"
HELM_RELEASE = "meta.helm.sh/release-name"

SCALABLE = ("Deployment", "StatefulSet")
WORKLOADS = (*SCALABLE, "DaemonSet")

_COLOUR_WORD = re.compile(r"(?<![a-z0-9])(?:blue|green)(?![a-z0-9])")
_COLOUR_PART = re.compile(r"-(?:blue|green)(?![a-z0-9])|^(?:blue|green)-")


def meta(obj: Obj) -> Obj:
    return obj.get("metadata") or {}


def name_of(obj: Obj) -> str:
    return str(meta(obj).get("name", ""))


def labels_of(obj: Obj) -> dict[str, str]:
    return meta(obj).get("labels") or {}


def annotations_of(obj: Obj) -> dict[str, str]:
    return meta(obj).get("annotations") or {}


def kind_name(obj: Obj) -> str:
    return str(obj.get("kind", ""))


def group_of(obj: Obj) -> str:
    group, slash, _version = str(obj.get("apiVersion", "")).partition("/")
    return group if slash else ""


def title(obj: Obj) -> str:
    return f"{kind_name(obj)} {name_of(obj)}"


def neutral(name: str) -> str:
    """The same name for both colours: what pairs a workload of blue with its twin in green."""
    return _COLOUR_WORD.sub("*", name)


def colourless(name: str) -> str:
    """A rendered name as people say it: `shop-blue-mailer` is `shop-mailer`."""
    return _COLOUR_PART.sub("", name)


def is_hook(obj: Obj) -> bool:
    return HOOK in annotations_of(obj)


def pod_template(obj: Obj) -> Obj:
    """The pod template of a workload, Job or CronJob; empty for every other kind."""
    spec = obj.get("spec") or {}
    if kind_name(obj) == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    if kind_name(obj) == "Pod":
        return obj
    template: Obj = spec.get("template") or {}
    return template if "spec" in template else {}


def containers(pod_spec: Obj) -> list[Obj]:
    return [*(pod_spec.get("initContainers") or []), *(pod_spec.get("containers") or [])]


def of_kind(objects: t.Iterable[Obj], *kinds: str) -> list[Obj]:
    return [obj for obj in objects if kind_name(obj) in kinds]


def find(objects: t.Iterable[Obj], kind: str, name: str) -> Obj | None:
    return next((obj for obj in objects if kind_name(obj) == kind and name_of(obj) == name), None)


def clone(obj: Obj) -> Obj:
    return copy.deepcopy(obj)
