# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a workload had before it was paused, in an annotation of its own that the same patch writes. Pure.

So no workload is ever at zero without saying how it comes back, whoever is killed in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ReleaseError

PAUSED = "runbook.release/paused"


@dataclass(frozen=True)
class Scaler:
    """A HorizontalPodAutoscaler as it was; it rests while its target has no replicas."""

    name: str
    minimum: int
    maximum: int

    @classmethod
    def of(cls, hpa: Mapping[str, Any]) -> Scaler:
        spec, minimum = hpa["spec"], hpa["spec"].get("minReplicas")
        return cls(str(hpa["metadata"]["name"]), 1 if minimum is None else int(minimum), int(spec["maxReplicas"]))


@dataclass(frozen=True)
class Record:
    """``by`` is the pause; ``replicas`` of a CronJob are 1 when it was not suspended."""

    by: str
    replicas: int
    scalers: tuple[Scaler, ...] = ()

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


def record_of(obj: Mapping[str, Any]) -> Record | None:
    """What the object says about its pause."""
    text = (obj["metadata"].get("annotations") or {}).get(PAUSED)
    if text is None:
        return None
    try:
        said = json.loads(text)
        return Record(str(said["by"]), int(said["replicas"]), _scalers(said["scalers"]))
    except (ValueError, KeyError, TypeError):
        raise ReleaseError(
            f"{obj['kind']} {obj['metadata']['name']} has an annotation {PAUSED} that nobody can read: {text}",
            where=f"namespace {obj['metadata'].get('namespace', '')}",
            remedy="scale it as it should be and remove the annotation",
        ) from None


def _scalers(said: Sequence[Mapping[str, Any]]) -> tuple[Scaler, ...]:
    return tuple(Scaler(one["name"], one["minimum"], one["maximum"]) for one in said)
