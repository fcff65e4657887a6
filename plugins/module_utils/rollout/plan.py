# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which objects a release writes, in which wave, and with which record of what they were. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..change.put_back import TEMPORARY, for_good, records_of
from ..errors import Refused
from ..helm.objects import Obj, kind_name
from ..kube.kinds import Kind
from .images import images_of
from .model import WORKLOADS, Key, Want, key_of, titled
from .observe import Have
from .record import BEGUN, RELEASED, Record, Unit, content, record_of
from .revisions import revision_of
from .shape import Change
from .write import give_back, send

if TYPE_CHECKING:
    from ..kube.client import KubeClient

FIRST = 0


class Write(Protocol):
    """One guarded write of a plan."""

    @property
    def key(self) -> Key: ...

    @property
    def kind(self) -> Kind: ...

    def sentence(self) -> str: ...

    def report(self) -> dict[str, Any]: ...

    def carry_out(self, client: KubeClient, want: Want) -> Obj | None: ...


@dataclass(frozen=True)
class Step:
    """One object of a source that is created or changed, together with its record."""

    change: Change
    record: Record

    @property
    def key(self) -> Key:
        return self.change.key

    @property
    def kind(self) -> Kind:
        return self.change.kind

    def sentence(self) -> str:
        if self.change.live is None:
            return f"create {titled(self.key)}"
        before, after = images_of(self.change.live), images_of(self.change.would or {})
        new = [f"{name} {image}" for name, image in after.items() if before.get(name) != image]
        return f"change {titled(self.key)}" + (f": {', '.join(new)}" if new else "")

    def report(self) -> dict[str, Any]:
        done = "created" if self.change.live is None else "changed"
        told = _told(self.key, self.record.as_before(self.key), self.change.would)
        return {**told, "done": done, "revision": self.record.revision}

    def carry_out(self, client: KubeClient, want: Want) -> Obj | None:
        return send(client, self.change, self.record.text(), want.namespace, want.force)


@dataclass(frozen=True)
class Return:
    """One object that goes back to ``body``, or is deleted without one."""

    kind: Kind
    obj: Obj
    body: Obj | None
    how: str
    wave: int = FIRST

    @property
    def key(self) -> Key:
        return key_of(self.obj)

    def sentence(self) -> str:
        return f"give back {titled(self.key)}" if self.body else f"delete {titled(self.key)}"

    def report(self) -> dict[str, Any]:
        done = "restored" if self.body else "deleted"
        body = {**self.body, "kind": self.key[0]} if self.body else None
        return {**_told(self.key, self.obj, body), "done": done, "revision": ""}

    def carry_out(self, client: KubeClient, want: Want) -> Obj | None:
        return give_back(client, self, want.namespace)


def _told(key: Key, before: Obj | None, after: Obj | None) -> dict[str, Any]:
    pods = ((after or before or {}).get("spec") or {}).get("replicas")
    told = {"kind": key[0], "name": key[1], "before": images_of(before or {}), "after": images_of(after or {})}
    return told if pods is None else {**told, "pods": pods}


def untouched(key: Key, have: Have) -> dict[str, Any]:
    """A workload that is as it has to be; before is what it was when an unfinished release began."""
    obj = have.workloads.get(key) or {}
    record = record_of(obj) if obj and have.unit and have.unit.unfinished else None
    mine = record is not None and have.unit is not None and record.release == have.unit.release
    before = record.as_before(key) if record and mine else obj
    return {**_told(key, before, obj), "done": "nothing", "revision": ""}


@dataclass(frozen=True)
class Wave:
    """What is written together, and the workloads that have to be ready before the next wave."""

    writes: tuple[Write, ...]
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Plan:
    """``unit`` is the unit's record while it is carried out, ``ends`` what it says in the end."""

    before: Unit | None
    unit: Unit
    ends: str
    waves: tuple[Wave, ...]
    left: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def writes(self) -> list[Write]:
        return [write for wave in self.waves for write in wave.writes]

    @property
    def changes(self) -> bool:
        return bool(self.writes) or (self.before is not None and self.before.unfinished)

    def sentences(self) -> list[str]:
        told = [write.sentence() for write in self.writes]
        if self.changes:
            told += [f"wait until {titled(key)} is ready" for wave in self.waves for key in wave.keys]
        return told


def decide(want: Want, have: Have, changes: Sequence[Change], began: str) -> Plan:
    """Bring what differs to the source, workloads wave by wave after everything else.

    A release that was not finished goes on, whatever differs: what it changed first keeps its record of before.
    """
    workloads = [change for change in changes if change.is_workload]
    want.waves.check(change.key for change in workloads)
    _check_secrets(changes)
    _check_lasting(workloads, want.due)
    goes_on = have.unit is not None and have.unit.unfinished
    release = have.unit.release if have.unit and goes_on else began
    steps = [_step(want, have, change, release) for change in changes if change.differs]
    waves = [Wave(tuple(step for step in steps if not step.change.is_workload))]
    for number in sorted({want.waves.number(change.key) for change in workloads}):
        writes = tuple(step for step in steps if step.record.wave == number)
        keys = tuple(change.key for change in workloads if want.waves.number(change.key) == number)
        waves.append(Wave(writes, keys))
    return Plan(have.unit, _unit(have, release, want.version, steps, goes_on), RELEASED, tuple(waves))


def _unit(have: Have, release: str, version: str, steps: Sequence[Step], goes_on: bool) -> Unit:
    known = have.unit.objects if have.unit and goes_on else ()
    new = tuple((step.kind.api_version, *step.key) for step in steps)
    if have.unit and not goes_on and not steps:
        return have.unit
    return Unit(release, version, BEGUN, tuple(dict.fromkeys((*known, *new))))


def _step(want: Want, have: Have, change: Change, release: str) -> Step:
    wave = want.waves.number(change.key) if change.is_workload else FIRST
    known = record_of(change.live) if change.live else None
    if known and (known.unit, known.release) == (want.name, release):
        return Step(change, replace(known, wave=wave))
    record = Record(want.name, release, wave, change.how)
    if change.live is not None:
        revision = revision_of(change.live, have.revisions) if change.is_workload else ""
        record = replace(record, revision=revision, before=_before(change))
    return Step(change, record.checked(change.key))


def _before(change: Change) -> Obj:
    """What the object was for good; replicas only when the release is what changes them."""
    live, would = for_good(change.live) if change.live else {}, change.would or {}
    before = content(live, change.how)
    spec = before.get("spec") or {}
    if change.is_workload and "replicas" in spec and spec["replicas"] == (would.get("spec") or {}).get("replicas"):
        del spec["replicas"]
    return before


def _check_secrets(changes: Sequence[Change]) -> None:
    """What a Secret was cannot be kept where everybody reads it."""
    inside = [change for change in changes if kind_name(change.body) == "Secret" and change.live and change.differs]
    if inside:
        raise Refused(
            f"{', '.join(titled(change.key) for change in inside)} would change in place, so that the old version "
            "would run with the secrets of the new one. Nothing was changed",
            where="option source",
            remedy="give it a name with a hash of its content (kustomize: secretGenerator), or change it before",
        )


def _check_lasting(workloads: Sequence[Change], due: str) -> None:
    """What is configured for a time would be what the way back brings again, and then for good."""
    for change in workloads:
        record = records_of(change.live).get("configured") if change.live and change.differs else None
        if record and str(record["until"]) > due:
            raise Refused(
                f"{titled(change.key)} is configured only until {record['until']}, and a way back to that would "
                "keep it for good. Nothing was changed",
                where=f"annotation {TEMPORARY}",
                remedy="put that back first: scale.yml -e scale_back=true",
            )


def workloads_of(unit: Unit) -> list[Key]:
    return [key for key in unit.keys if key[0] in WORKLOADS]
