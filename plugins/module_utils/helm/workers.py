# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What works without being asked by traffic: CronJobs, and the workloads a component calls its workers. Pure.

Only those of the live colour may work. The others rest: they have no pods and start none, and an annotation, which is
written with that, says how they come back.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import Refused
from . import capacity as sizes
from .capacity import Key
from .objects import (
    REPLICAS,
    SCALABLE,
    WORKER,
    Obj,
    annotations_of,
    clone,
    colourless,
    kind_name,
    name_of,
    neutral,
    of_kind,
    title,
)
from .patch_stream import merged

CRONJOB = "CronJob"


@dataclass(frozen=True)
class Worker:
    """One of them; the size of a CronJob is 1, or 0 while it is suspended. ``remembered`` is its size before it rested.

    What was suspended or had no pods before neither works nor rests, and stays as it is.
    """

    kind: str
    name: str
    size: int
    remembered: int = 0
    ready: int = 0

    @property
    def key(self) -> Key:
        return self.kind, self.name

    @property
    def twin(self) -> Key:
        """What pairs it with the one of the other colour."""
        return self.kind, neutral(self.name)

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def works(self) -> bool:
        return self.size > 0

    @property
    def rests(self) -> bool:
        return not self.size and self.remembered > 0

    @property
    def full(self) -> int:
        """Its size while it works."""
        return max(self.size, self.remembered)


def worker_of(obj: Obj) -> Worker:
    """As the cluster has it."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return Worker(
        kind_name(obj),
        name_of(obj),
        _size(obj, spec),
        int(annotations_of(obj).get(REPLICAS) or 0),
        int(status.get("readyReplicas") or 0),
    )


def _size(obj: Obj, spec: Obj) -> int:
    if kind_name(obj) == CRONJOB:
        return 0 if spec.get("suspend") else 1
    return sizes.asked(obj)


def marked(obj: Obj) -> bool:
    """Whether a release called this workload a worker."""
    return WORKER in annotations_of(obj)


def workers_in(objects: t.Sequence[Obj], named: t.Sequence[Key], service: str, release: str) -> tuple[Worker, ...]:
    """The CronJobs and the ``named`` workloads of a rendering, each with the size it asks for."""
    minima = {one.target: one.minimum for one in map(sizes.autoscaler_of, of_kind(objects, "HorizontalPodAutoscaler"))}
    chosen = [_named(objects, key, release) for key in named]
    for obj in chosen:
        _refuse_serving(obj, objects, service)
        _refuse_started_by_others(obj, objects)
    found = [worker_of(obj) for obj in (*chosen, *of_kind(objects, CRONJOB))]
    sized = [Worker(one.kind, one.name, max(one.size, minima.get(one.key, 0))) for one in found]
    return tuple(one for one in sized if one.size or one.kind != CRONJOB)


def _named(objects: t.Sequence[Obj], key: Key, release: str) -> Obj:
    there = of_kind(objects, *SCALABLE)
    for obj in there:
        if key == (kind_name(obj), colourless(name_of(obj))):
            return obj
    names = ", ".join(f"{kind_name(obj)} {colourless(name_of(obj))}" for obj in there)
    raise Refused(
        f"The source renders no {' '.join(key)} to be a worker; it renders {names or 'no workload'}",
        where=f"release {release}",
        remedy="name it in the option workers as it is rendered, without the colour",
    )


def _refuse_serving(obj: Obj, objects: t.Sequence[Obj], service: str) -> None:
    if (kind_name(obj), name_of(obj)) in sizes.serving(objects, service):
        raise Refused(
            f"{title(obj)} is behind Service {service}: without its pods the colour could not get any traffic",
            where="option workers",
            remedy="leave it out of workers, or let what works be a workload of its own",
        )


def _refuse_started_by_others(obj: Obj, objects: t.Sequence[Obj]) -> None:
    """An autoscaler rests while there are no replicas, unless it may go to 0 and back itself."""
    for scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        spec = scaler.get("spec") or {}
        target = spec.get("scaleTargetRef") or {}
        its = (str(target.get("kind") or "Deployment"), str(target.get("name", ""))) == (kind_name(obj), name_of(obj))
        if its and (kind_name(scaler) == "ScaledObject" or spec.get("minReplicas") == 0):
            raise Refused(
                f"{title(scaler)} may start {title(obj)} from 0 replicas, so that it would work before it is live",
                where="option workers",
                remedy="scale it by a HorizontalPodAutoscaler that keeps 1 replica, or leave it out of workers",
            )


def resting(kind: str, size: int) -> Obj:
    """The merge patch that lets it rest; one that has no size is only known as a worker afterwards."""
    marks = {} if kind == CRONJOB else {WORKER: "true"}
    if not size:
        return {"metadata": {"annotations": marks}}
    spec: Obj = {"suspend": True} if kind == CRONJOB else {"replicas": 0}
    return {"metadata": {"annotations": {**marks, REPLICAS: str(size)}}, "spec": spec}


def working(kind: str, size: int) -> Obj:
    """The merge patch that lets it work."""
    marks = {} if kind == CRONJOB else {WORKER: "true"}
    spec: Obj = {"suspend": False} if kind == CRONJOB else {"replicas": size}
    return {"metadata": {"annotations": {**marks, REPLICAS: None}}, "spec": spec}


def patches(workers: t.Iterable[Worker]) -> dict[str, Obj]:
    """What has to be changed in a rendering so that it is installed at rest, by kind and name."""
    return {f"{one.kind}/{one.name}": resting(one.kind, one.size) for one in workers}


def at_rest(objects: t.Sequence[Obj], workers: t.Iterable[Worker]) -> list[Obj]:
    """The rendering as it is installed."""
    changes = patches(workers)
    return [merged(clone(obj), changes.get(f"{kind_name(obj)}/{name_of(obj)}", {})) for obj in objects]
