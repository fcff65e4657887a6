# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which ReplicaSet or ControllerRevision a workload runs, and the pod template of one, by its name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ..helm.objects import Obj, annotations_of, clone, labels_of, meta, name_of
from ..kube.readiness import REVISION

HASH = "controller-revision-hash"
_TEMPLATE_HASH = "pod-template-hash"
_O = TypeVar("_O", bound=Mapping[str, Any])


def owned(workload: Mapping[str, Any], objects: Iterable[_O]) -> list[_O]:
    uid = workload["metadata"]["uid"]
    return [obj for obj in objects if uid in {one["uid"] for one in obj["metadata"].get("ownerReferences") or []}]


def revision_of(workload: Obj, revisions: Iterable[Obj]) -> str:
    """The name of the revision the workload's pod template is; empty while its controller has not seen it yet."""
    status = workload.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int(meta(workload).get("generation") or 0):
        return ""
    mine = owned(workload, revisions)
    if workload["kind"] == "Deployment":
        number = annotations_of(workload).get(REVISION)
        found = [one for one in mine if number and annotations_of(one).get(REVISION) == number]
        return name_of(found[0]) if found else ""
    newest = newest_of(workload, mine)
    return name_of(newest) if newest else ""


def number_of(revision: Obj) -> int:
    """By which ``kubectl rollout history`` names it."""
    if revision["kind"] == "ReplicaSet":
        return int(annotations_of(revision).get(REVISION) or 0)
    return int(revision.get("revision") or 0)


def newest_of(workload: Mapping[str, Any], mine: Iterable[_O]) -> _O | None:
    """The ControllerRevision a StatefulSet or DaemonSet goes to."""
    wanted = (workload.get("status") or {}).get("updateRevision")
    if wanted:
        return next((one for one in mine if one["metadata"]["name"] == wanted), None)
    return max(mine, key=lambda one: int(one.get("revision") or 0), default=None)


def template_of(revision: Obj) -> Obj:
    """The pod template a ReplicaSet or ControllerRevision keeps."""
    held = revision["spec"] if revision["kind"] == "ReplicaSet" else revision["data"]["spec"]
    template: Obj = clone(held["template"])
    template.pop("$patch", None)
    labels_of(template).pop(_TEMPLATE_HASH, None)
    return template
