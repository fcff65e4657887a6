# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What the cluster has of a release unit, read at the same time; and what it would make of a source, by dry runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from ..errors import Refused
from ..helm.objects import Obj, annotations_of, find, of_kind
from ..kube.kinds import CONFIGMAP, HPA, PDB, REPLICASET, Kind
from .images import named, with_images
from .model import CONTROLLERREVISION, WORKLOADS, Key, Want, key_of, titled
from .record import ROLLOUT, Record, Unit, record_of
from .shape import Change, how_of, scaled_by, shaped
from .source import IMAGE, Source, check_once
from .write import HEAD, send

if TYPE_CHECKING:
    from ..kube.client import KubeClient

AT_ONCE = 8

_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclass(frozen=True)
class Have:
    """``revisions`` are ReplicaSets and ControllerRevisions; ``unit`` is None before the first release."""

    unit: Unit | None
    workloads: Mapping[Key, Obj]
    revisions: Sequence[Obj]
    autoscalers: Sequence[Obj]
    budgets: Sequence[Obj]


@dataclass(frozen=True)
class Marked:
    """An object that carries a record."""

    kind: Kind
    obj: Obj
    record: Record

    @property
    def key(self) -> Key:
        return key_of(self.obj)


def at_once(work: Callable[[_T], _U], items: Iterable[_T]) -> list[_U]:
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(work, items))


def observe(client: KubeClient, want: Want) -> Have:
    """Everything in the namespace a decision needs."""
    kinds = [*WORKLOADS.values(), REPLICASET, CONTROLLERREVISION, HPA, PDB]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        unit = pool.submit(unit_of, client, want)
        lists = list(pool.map(lambda kind: client.list(kind, want.namespace), kinds))
    found = {key_of(obj): obj for objects in lists[:3] for obj in objects}
    return Have(unit.result(), found, [*lists[3], *lists[4]], lists[5], lists[6])


def unit_of(client: KubeClient, want: Want) -> Unit | None:
    obj = client.get(CONFIGMAP, HEAD + want.name, want.namespace)
    where = f"ConfigMap {HEAD}{want.name} in namespace {want.namespace}"
    return Unit.read((obj.get("data") or {}).get("unit", ""), where) if obj else None


def changes(client: KubeClient, want: Want, sources: Sequence[Source], have: Have) -> list[Change]:
    """Every object of the rendered sources, as it is and as it would be; nothing is written."""
    wanted = [(obj, how_of(source.kind)) for source in sources for obj in _objects(source, have)]
    objects = [obj for obj, _how in wanted]
    check_once(objects)
    scaled = scaled_by([*have.autoscalers, *of_kind(objects, "HorizontalPodAutoscaler")])
    dry = client.beside(dry_run=True)

    def look(one: tuple[Obj, str]) -> Change:
        obj, how = one
        kind = client.resolve(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))
        key = key_of(obj)
        live = have.workloads.get(key) if key[0] in WORKLOADS else client.get(kind, key[1], want.namespace)
        change = Change(kind, shaped(obj, live, scaled, want.strategy), live, how)
        present = annotations_of(live).get(ROLLOUT) if live else None
        return replace(change, would=send(dry, change, present, want.namespace, want.force))

    return at_once(look, wanted)


def _objects(source: Source, have: Have) -> list[Obj]:
    if source.kind != IMAGE:
        return list(source.objects)
    live = [have.workloads[key] for key in named(source.images) if key in have.workloads]
    return with_images(live, source.images)


def marked(client: KubeClient, want: Want, have: Have) -> list[Marked]:
    """The objects the newest release of the unit has changed, and not given back yet."""
    unit = have.unit
    if unit is None:
        return []

    def look(reference: tuple[str, str, str]) -> Marked | None:
        kind, key = client.resolve(*reference[:2]), (reference[1], reference[2])
        obj = have.workloads.get(key) if key[0] in WORKLOADS else client.get(kind, key[1], want.namespace)
        record = record_of(obj) if obj else None
        mine = record is not None and (record.unit, record.release) == (want.name, unit.release)
        return Marked(kind, obj, record) if obj and record and mine else None

    return [one for one in at_once(look, unit.objects) if one]


def revision_named(have: Have, name: str, key: Key) -> Obj:
    """The ReplicaSet or ControllerRevision of that very name."""
    kind = "ReplicaSet" if key[0] == "Deployment" else "ControllerRevision"
    found = find(have.revisions, kind, name) if name else None
    if found is None:
        told = f"{kind} {name} is not there any more" if name else "its revision was not known when it was changed"
        raise Refused(
            f"{titled(key)} cannot go back to its revision: {told}. Nothing was changed",
            where="option policy",
            remedy="restore with the policy manifests, which needs no revision to be kept",
        )
    return found
