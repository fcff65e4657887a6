# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""How many pods a colour needs: never fewer than the live one has ready, with autoscalers held at that."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..change.put_back import TEMPORARY, records_of
from ..errors import Refused
from .objects import (
    MIN_REPLICAS,
    REPLICAS,
    SCALABLE,
    Obj,
    annotations_of,
    find,
    kind_name,
    labels_of,
    name_of,
    neutral,
    of_kind,
    pod_template,
    title,
)
from .selectors import selector_of

Key = tuple[str, str]


@dataclass(frozen=True)
class Scale:
    """A workload and how many pods it has and should have."""

    kind: str
    name: str
    desired: int
    ready: int
    remembered: int = 0

    @property
    def key(self) -> Key:
        """What pairs it with its twin of the other colour."""
        return self.kind, neutral(self.name)

    @property
    def full(self) -> int:
        """Its size when it is not scaled down to the floor."""
        return max(self.desired, self.remembered)


def scale_of(workload: Obj) -> Scale:
    """A workload as the cluster has it."""
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    return Scale(
        kind_name(workload),
        name_of(workload),
        int(spec.get("replicas", 1)),
        int(status.get("readyReplicas") or 0),
        int(annotations_of(workload).get(REPLICAS) or 0),
    )


@dataclass(frozen=True)
class Autoscaler:
    """A HorizontalPodAutoscaler: its target, its minimum, and the minimum it had before a release held it."""

    name: str
    target: Key
    minimum: int
    original: int | None
    maximum: int


def autoscaler_of(hpa: Obj) -> Autoscaler:
    spec = hpa.get("spec") or {}
    target = spec.get("scaleTargetRef") or {}
    original = annotations_of(hpa).get(MIN_REPLICAS)
    return Autoscaler(
        name_of(hpa),
        (str(target.get("kind", "")), str(target.get("name", ""))),
        int(spec.get("minReplicas") or 1),
        int(original) if original else None,
        int(spec.get("maxReplicas") or 1),
    )


def serving(objects: t.Sequence[Obj], service: str) -> list[Key]:
    """Kind and name of the workloads behind the colour Service: the ones a capacity floor is meant for."""
    front = find(objects, "Service", service)
    selector = selector_of(front) if front else None
    return [
        (kind_name(obj), name_of(obj))
        for obj in of_kind(objects, *SCALABLE)
        if selector and selector.matches(labels_of(pod_template(obj)))
    ]


def rendered(
    objects: t.Sequence[Obj],
    service: str,
    live: t.Iterable[Scale],
    floor: int | None,
    resting: t.Container[Key] = (),
) -> dict[Key, int]:
    """Pods each rendered workload needs: what it asks for, what its live twin has ready, the floor; none at rest."""
    twins = {scale.key: scale.ready for scale in live}
    minima = {one.target: one.minimum for one in map(autoscaler_of, of_kind(objects, "HorizontalPodAutoscaler"))}
    behind = serving(objects, service)
    return {
        key: 0
        if key in resting
        else max(
            minima.get(key, asked(obj)),
            twins.get((key[0], neutral(key[1])), 0),
            (floor or 0) if key in behind else 0,
        )
        for obj in of_kind(objects, *SCALABLE)
        for key in [(kind_name(obj), name_of(obj))]
    }


def asked(workload: Obj) -> int:
    replicas = (workload.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def copied(live: t.Iterable[Obj]) -> tuple[str, ...]:
    """What is larger only for a time; the other colour gets its pods for good, as it must carry the load."""
    found = [(obj, record) for obj in live if (record := _for_a_time(obj))]
    return tuple(
        f"{title(obj)} is scaled only until {record['until']}; the other colour gets as many pods, and keeps them"
        for obj, record in found
    )


def refuse_copying(live: t.Iterable[Obj], due: str = "") -> None:
    """Before the other colour gets a version; one that has it already must still carry the load.

    What was to last until ``due`` at most is put back before.
    """
    for obj in live:
        if (record := _for_a_time(obj)) and str(record["until"]) > due:
            raise Refused(
                f"{title(obj)} is scaled only until {record['until']}, and the other colour would keep its pods for "
                "good. Nothing was changed",
                where=f"annotation {TEMPORARY}",
                remedy="put it back first (scale.yml -e scale_back=true), or scale it for good (without scale_for)",
            )


def _for_a_time(obj: Obj) -> Obj | None:
    try:
        return records_of(obj).get("scaled")
    except ValueError:
        return None
