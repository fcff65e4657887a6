# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Plain manifests as one colour: the colour in names, selectors, labels and references; shared objects set apart."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from dataclasses import dataclass

from ..errors import Refused
from .access import write_private
from .content import to_yaml
from .objects import COLOUR, Obj, clone, containers, kind_name, labels_of, name_of, pod_template

HASHED = ("ConfigMap", "Secret")
COLOURED = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "Service",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    *HASHED,
)
_SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "PodDisruptionBudget")
_HASH_LENGTH = 10
_LONGEST_NAME = 63


@dataclass(frozen=True)
class Wrapped:
    """The objects of one colour, and the ones both colours share."""

    coloured: list[Obj]
    shared: list[Obj]


@dataclass(frozen=True)
class Image:
    """The image the release is about; its containers get the version as tag."""

    repository: str = ""
    version: str = ""

    def retag(self, reference: str) -> str:
        return f"{self.repository}:{self.version}" if self.repository == repository_of(reference) else reference


def repository_of(reference: str) -> str:
    """An image reference without tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def wrap(objects: t.Sequence[Obj], colour: str, image: Image) -> Wrapped:
    """Split the objects into those of the colour, rewritten, and the shared ones, as they are."""
    own = [clone(obj) for obj in objects if kind_name(obj) in COLOURED]
    shared = [obj for obj in objects if kind_name(obj) not in COLOURED]
    if not own:
        raise Refused("The manifests hold no workload to release", remedy="point source.path at the workloads")
    names = _new_names(own, colour)
    _retag(own, image)
    for obj in own:
        _colour(obj, colour, names)
    return Wrapped(own, shared)


Names = dict[tuple[str, str], str]


def _new_names(objects: list[Obj], colour: str) -> Names:
    names: Names = {}
    for obj in objects:
        suffix = f"-{colour}"
        if kind_name(obj) in HASHED:
            suffix += f"-{_content_hash(obj)}"
            obj["immutable"] = True
        new = name_of(obj) + suffix
        if len(new) > _LONGEST_NAME:
            raise Refused(
                f"{kind_name(obj)} {name_of(obj)} is too long a name to carry its colour",
                remedy=f"shorten it to {_LONGEST_NAME - len(suffix)} characters",
            )
        names[kind_name(obj), name_of(obj)] = new
    return names


def _content_hash(obj: Obj) -> str:
    content = {key: obj.get(key) for key in ("data", "stringData", "binaryData", "type")}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:_HASH_LENGTH]


def _retag(objects: list[Obj], image: Image) -> None:
    found = False
    for obj in objects:
        for container in containers(pod_template(obj).get("spec") or {}):
            old = str(container.get("image", ""))
            container["image"] = image.retag(old)
            found = found or repository_of(old) == image.repository
    if image.repository and not found:
        raise Refused(
            f"No container of the manifests runs the image {image.repository}",
            remedy="set source.image to the repository the manifests name, without a tag",
        )


def _colour(obj: Obj, colour: str, names: Names) -> None:
    kind, old = kind_name(obj), name_of(obj)
    obj["metadata"]["name"] = names[kind, old]
    obj["metadata"].pop("namespace", None)
    obj["metadata"]["labels"] = {**labels_of(obj), COLOUR: colour}
    spec = obj.setdefault("spec", {}) if kind not in HASHED else {}
    if kind in _SELECTING:
        selector = spec.setdefault("selector", {})
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), COLOUR: colour}
    if kind == "Service" and spec.get("selector"):
        spec["selector"] = {**spec["selector"], COLOUR: colour}
    if kind == "Service":
        _as_colour_service(spec)
    if kind == "StatefulSet" and spec.get("serviceName"):
        spec["serviceName"] = names.get(("Service", spec["serviceName"]), spec["serviceName"])
    if kind == "HorizontalPodAutoscaler":
        target = spec["scaleTargetRef"]
        target["name"] = names.get((target.get("kind", ""), target.get("name", "")), target.get("name", ""))
    template = pod_template(obj)
    if template:
        template["metadata"] = template.get("metadata") or {}
        template["metadata"]["labels"] = {**labels_of(template), COLOUR: colour}
        _refer(template["spec"], names, colour)


def _as_colour_service(spec: Obj) -> None:
    """A second Service cannot claim the same address or node port."""
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    for field in ("loadBalancerIP", "healthCheckNodePort", "externalIPs"):
        spec.pop(field, None)
    for port in spec.get("ports") or []:
        port.pop("nodePort", None)


def _refer(pod: Obj, names: Names, colour: str) -> None:
    """Let the pod use this colour's ConfigMaps and Secrets, and spread among its own colour's pods."""
    _rename_references(pod.get("volumes") or [], names)
    for container in containers(pod):
        _rename_references([container.get("env") or [], container.get("envFrom") or []], names)
    for pull in pod.get("imagePullSecrets") or []:
        pull["name"] = names.get(("Secret", pull.get("name", "")), pull.get("name", ""))
    for spread in pod.get("topologySpreadConstraints") or []:
        if "labelSelector" in spread:
            spread["labelSelector"].setdefault("matchLabels", {})[COLOUR] = colour


_REFERENCES = {
    "configMap": ("ConfigMap", "name"),
    "configMapRef": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "secret": ("Secret", "secretName"),
    "secretRef": ("Secret", "name"),
    "secretKeyRef": ("Secret", "name"),
}


def _rename_references(node: t.Any, names: Names) -> None:
    """Rename ConfigMaps and Secrets wherever a pod spec refers to them, projected volumes included."""
    if isinstance(node, list):
        for item in node:
            _rename_references(item, names)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _REFERENCES and isinstance(value, dict):
                kind, field = _REFERENCES[key]
                field = field if field in value else "name"
                if value.get(field):
                    value[field] = names.get((kind, value[field]), value[field])
            else:
                _rename_references(value, names)


def write_chart(folder: str, name: str, version: str, objects: t.Sequence[Obj]) -> str:
    """A chart that installs exactly these objects: their text is never taken for a template."""
    os.makedirs(os.path.join(folder, "templates"), mode=0o700)
    chart = {"apiVersion": "v2", "name": name, "version": "1.0.0", "appVersion": version, "type": "application"}
    write_private(os.path.join(folder, "Chart.yaml"), json.dumps(chart))
    write_private(os.path.join(folder, "objects.yaml"), to_yaml(objects))
    write_private(os.path.join(folder, "templates", "objects.yaml"), '{{ .Files.Get "objects.yaml" }}\n')
    return folder
