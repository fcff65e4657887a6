# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which workloads are brought to zero or back, each by one patch that also keeps or drops the record. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..kube.patches import pointer
from .observe import Key, Selection, Workload
from .record import PAUSED, Record

Op = dict[str, Any]

ANNOTATION = pointer("metadata", "annotations", PAUSED)


@dataclass(frozen=True)
class Step:
    """One workload that changes its size; ``size`` None leaves it and only drops the record."""

    workload: Workload
    record: Record | None
    size: int | None

    def sentence(self) -> str:
        if self.size is None:
            return f"leave {self.workload.title} at {self.workload.size}"
        if self.workload.key[0] == "CronJob":
            return f"{'resume' if self.size else 'suspend'} {self.workload.title}"
        return f"scale {self.workload.title} from {self.workload.size} to {self.size}"

    def patch(self) -> list[Op]:
        """It fails if the size or the record was changed since they were read."""
        return [*self._tests(), *self._resize(), self._annotate()]

    @property
    def _path(self) -> str:
        return "/spec/suspend" if self.workload.key[0] == "CronJob" else "/spec/replicas"

    def _value(self, size: int) -> int | bool:
        return not size if self.workload.key[0] == "CronJob" else size

    def _tests(self) -> list[Op]:
        tests: list[Op] = []
        if self.workload.record is not None:
            tests.append({"op": "test", "path": ANNOTATION, "value": self.workload.record.text()})
        elif not self._annotated:
            tests.append({"op": "test", "path": "/metadata/annotations", "value": None})
        if self.size is not None:
            tests.append({"op": "test", "path": self._path, "value": self._value(self.workload.size)})
        return tests

    def _resize(self) -> list[Op]:
        if self.size is None:
            return []
        return [{"op": "replace", "path": self._path, "value": self._value(self.size)}]

    @property
    def _annotated(self) -> bool:
        return bool(self.workload.obj["metadata"].get("annotations"))

    def _annotate(self) -> Op:
        if self.record is None:
            return {"op": "remove", "path": ANNOTATION}
        if self._annotated:
            return {"op": "add", "path": ANNOTATION, "value": self.record.text()}
        return {"op": "add", "path": "/metadata/annotations", "value": {PAUSED: self.record.text()}}


@dataclass(frozen=True)
class Plan:
    """``concerned`` are the workloads that have to be gone, or ready, at the end."""

    steps: tuple[Step, ...]
    concerned: tuple[Key, ...]
    warnings: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        return [step.sentence() for step in self.steps]


def pause(found: Sequence[Workload], selection: Selection, name: str, where: str) -> Plan:
    """What was at zero before stays unrecorded, so that it stays at zero afterwards."""
    missing = selection.missing(found)
    if missing:
        raise Refused(
            f"There is no {', no '.join(missing)}. Nothing was changed",
            where=where,
            remedy="correct the names and labels, or leave out what is not there",
        )
    chosen = [workload for workload in found if selection.has(workload)]
    for workload in chosen:
        _check_free(workload, name, where)
    steps = tuple(Step(one, one.record or Record(name, one.size, one.scalers), 0) for one in chosen if one.size)
    return Plan(steps, tuple(workload.key for workload in chosen))


def _check_free(workload: Workload, name: str, where: str) -> None:
    if workload.record is not None and workload.record.by != name:
        raise Refused(
            f"{workload.title} is paused for {workload.record.by} already. Nothing was changed",
            where=where,
            remedy=f"let that end: workload_pause with name={workload.record.by} and state=resumed",
        )
    for scaler in workload.scalers:
        if scaler.minimum == 0:
            raise Refused(
                f"Autoscaler {scaler.name} may scale {workload.title} up from 0 again. Nothing was changed",
                where=where,
                remedy="raise its minReplicas to 1 first: then it rests while there are no replicas",
            )


def resume(found: Sequence[Workload], selection: Selection, name: str) -> Plan:
    """What somebody else has scaled up meanwhile is left as it is."""
    paused = [workload for workload in found if workload.record is not None and workload.record.by == name]
    steps = tuple(_back(workload) for workload in paused)
    keys = [*(workload.key for workload in paused), *(one.key for one in found if selection.has(one))]
    return Plan(steps, tuple(dict.fromkeys(keys)), tuple(text for one in paused for text in _changed(one)))


def _back(workload: Workload) -> Step:
    record = workload.record
    return Step(workload, None, record.replicas if record and not workload.size else None)


def _changed(workload: Workload) -> list[str]:
    """What is not as it was recorded, and stays as it is now."""
    record, told = workload.record, []
    if record and workload.size and workload.size != record.replicas:
        told.append(f"{workload.title} had {record.replicas} replicas, has {workload.size} now, and is left at that")
    if record and workload.scalers != record.scalers:
        before, now = (
            ", ".join(f"{one.name} {one.minimum} to {one.maximum}" for one in scalers) or "none"
            for scalers in (record.scalers, workload.scalers)
        )
        told.append(f"The autoscaler of {workload.title} was {before}, is {now} now, and is left as it is")
    return told
