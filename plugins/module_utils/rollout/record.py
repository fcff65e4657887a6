# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What an object was before a release changed it, in an annotation the same write makes; and which release that was.

So nothing is ever changed without saying how it goes back, whoever is killed in between. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import Refused, ReleaseError
from ..helm.objects import Obj, annotations_of, clone, labels_of
from .model import Key, key_of, titled

ROLLOUT = "runbook.release/rollout"
BEGUN, RELEASED, RETURNING, RESTORED = "begun", "released", "returning", "restored"
UNFINISHED = (BEGUN, RETURNING)
LARGEST = 180_000

APPLY, PATCH = "apply", "patch"
_PATCHED = ("template", "strategy")
_OTHERS = (
    "deployment.kubernetes.io/",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied",
)


@dataclass(frozen=True)
class Record:
    """``before`` is None for what the release created; ``revision`` names the ReplicaSet or ControllerRevision."""

    unit: str
    release: str
    wave: int
    how: str
    revision: str = ""
    before: Obj | None = None

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    def as_before(self, key: Key) -> Obj | None:
        """As much of the object as is kept of what it was."""
        return {**self.before, "kind": key[0]} if self.before else None

    def checked(self, key: Key) -> Record:
        """``Refused`` when an object cannot carry it."""
        if len(self.text().encode()) > LARGEST:
            raise Refused(
                f"{titled(key)} is too large to keep what it was before ({len(self.text()) // 1024} KiB)",
                where=f"annotation {ROLLOUT}",
                remedy="give it a name with a hash of its content, so that every version has its own",
            )
        return self


def record_of(obj: Mapping[str, Any]) -> Record | None:
    """What the object says about the release that changed it last."""
    text = annotations_of(dict(obj)).get(ROLLOUT)
    if text is None:
        return None
    try:
        return Record(**json.loads(text))
    except (ValueError, TypeError):
        raise ReleaseError(
            f"{titled(key_of(obj))} has an annotation {ROLLOUT} that nobody can read",
            where=f"namespace {obj['metadata'].get('namespace', '')}",
            remedy="see that the object is as it should be and remove the annotation",
        ) from None


def content(obj: Obj, how: str) -> Obj:
    """What goes back when the object does: all of it, or of a patched workload only what the patch is about."""
    if how == PATCH:
        return {"spec": {name: clone(obj["spec"][name]) for name in _PATCHED if name in obj["spec"]}}
    kept = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    annotations = {name: text for name, text in annotations_of(obj).items() if not is_foreign(name)}
    metadata = {"labels": dict(labels_of(obj)), "annotations": annotations}
    return clone({**kept, "metadata": {name: value for name, value in metadata.items() if value}})


def is_foreign(annotation: str) -> bool:
    """Written by controllers, by kubectl or by this module, and not by whoever describes the object."""
    return annotation == ROLLOUT or annotation.startswith(_OTHERS)


@dataclass(frozen=True)
class Unit:
    """What a unit says about its newest release; ``objects`` are (apiVersion, kind, name) of what that changes."""

    release: str
    version: str
    state: str
    objects: tuple[tuple[str, str, str], ...] = ()

    @property
    def unfinished(self) -> bool:
        return self.state in UNFINISHED

    @property
    def keys(self) -> list[Key]:
        return [(kind, name) for _version, kind, name in self.objects]

    def now(self, state: str) -> Unit:
        return replace(self, state=state)

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def read(cls, text: str, where: str) -> Unit:
        try:
            said = json.loads(text)
            return cls(**{**said, "objects": tuple(tuple(one) for one in said["objects"])})
        except (ValueError, TypeError, KeyError):
            raise ReleaseError(
                "The record of the release unit cannot be read", where=where, remedy=f"remove {where}"
            ) from None
