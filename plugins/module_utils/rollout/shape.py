# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What is sent for an object, and whether it makes a difference. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..helm.objects import Obj, annotations_of, clone, kind_name, meta
from ..kube.client import FIELD_MANAGER
from ..kube.kinds import Kind
from ..kube.patches import pointer
from .images import image_ops
from .model import WORKLOADS, Key, Op, Strategy, key_of
from .record import APPLY, PATCH, ROLLOUT, is_foreign

_SERVERS = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
ANNOTATION = pointer("metadata", "annotations", ROLLOUT)


@dataclass(frozen=True)
class Change:
    """One object of a source: as it is (``live``), as it is sent (``body``) and as the API server would make it."""

    kind: Kind
    body: Obj
    live: Obj | None
    how: str
    would: Obj | None = None

    @property
    def key(self) -> Key:
        return key_of(self.body)

    @property
    def is_workload(self) -> bool:
        return self.key[0] in WORKLOADS

    @property
    def differs(self) -> bool:
        return self.live is None or self.would is None or bare(self.live) != bare(self.would)

    @property
    def rolls(self) -> bool:
        """Whether pods are replaced."""
        old, new = ((obj or {}).get("spec", {}).get("template") for obj in (self.live, self.would))
        return self.is_workload and self.live is not None and old != new


def scaled_by(autoscalers: Iterable[Mapping[str, Any]]) -> frozenset[Key]:
    """The workloads whose replicas belong to an autoscaler."""
    references = [(one.get("spec") or {}).get("scaleTargetRef") or {} for one in autoscalers]
    return frozenset((str(to.get("kind", "")), str(to.get("name", ""))) for to in references)


def shaped(obj: Obj, live: Obj | None, scaled: Container[Key], strategy: Strategy) -> Obj:
    """The body to apply: without what only a server writes, with the strategy, without replicas an autoscaler owns."""
    body = clone(obj)
    body.pop("status", None)
    for name in (*_SERVERS, "namespace"):
        meta(body).pop(name, None)
    if kind_name(body) == "Deployment" and strategy != Strategy():
        present = body["spec"].get("strategy") or ((live or {}).get("spec") or {}).get("strategy") or {}
        body["spec"]["strategy"] = strategy.over(present)
    return without_replicas(body, live) if key_of(body) in scaled else body


def without_replicas(body: Obj, live: Obj | None) -> Obj:
    """Replicas this collection applied once would fall to 1 if they were left out, so they stay as they are."""
    body["spec"].pop("replicas", None)
    if live is not None and _applied_replicas(live):
        body["spec"]["replicas"] = live["spec"]["replicas"]
    return body


def _applied_replicas(live: Obj) -> bool:
    return any(
        entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in meta(live).get("managedFields") or []
    )


def with_annotation(body: Obj, text: str | None) -> Obj:
    """The body as it is applied: with the record, or without one."""
    marked = clone(body)
    annotations = {name: value for name, value in annotations_of(marked).items() if name != ROLLOUT}
    meta(marked)["annotations"] = {**annotations, **({ROLLOUT: text} if text is not None else {})}
    return marked


def patch_of(change: Change, text: str | None) -> list[Op]:
    """The JSON patch of images and strategy, with the record when there is one."""
    live = change.live or {}
    ops = image_ops(live, change.body)
    strategy = change.body["spec"].get("strategy")
    if strategy != live["spec"].get("strategy"):
        ops.append({"op": "add", "path": "/spec/strategy", "value": strategy})
    if text is None or not ops:
        return ops
    if annotations_of(live):
        return [*ops, {"op": "add", "path": ANNOTATION, "value": text}]
    absent: Op = {"op": "test", "path": "/metadata/annotations", "value": None}
    return [absent, *ops, {"op": "add", "path": "/metadata/annotations", "value": {ROLLOUT: text}}]


def bare(obj: Mapping[str, Any]) -> Obj:
    """Without what controllers and the API server write."""
    plain = {key: value for key, value in obj.items() if key != "status"}
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVERS}
    annotations = metadata.pop("annotations", None) or {}
    kept = {name: text for name, text in annotations.items() if not is_foreign(name)}
    plain["metadata"] = {**metadata, **({"annotations": kept} if kept else {})}
    return plain


def how_of(kind: str) -> str:
    """How a source of this kind is written: images by a patch of nothing else, everything else by apply."""
    return PATCH if kind == "image" else APPLY
