# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Components that roll, as the cluster has them: what a release left of them, and what they were before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..helm.objects import Obj
from ..rollout.images import images_of
from ..rollout.model import WORKLOADS, Key, Want, key_of
from ..rollout.observe import at_once, unit_of
from ..rollout.record import Record, Unit, record_of
from .drift import Part, Parts, Ref, fingerprint
from .drift_observe import find
from .rolling import keys, versions_of
from .safety import Existing, Way, way_in_place

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Have:
    """The workloads of all components, and each release unit that changed one of them."""

    workloads: Mapping[Key, Obj] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)

    def record(self, key: Key, version: str = "") -> Record | None:
        """What a workload was before the newest release of its unit, or before that of ``version``."""
        record = record_of(self.workloads[key]) if key in self.workloads else None
        unit = self.units.get(record.unit) if record else None
        newest = record is not None and unit is not None and record.release == unit.release
        return record if newest and unit and version in ("", unit.version) else None

    def versions(self, component: Given) -> list[str]:
        """What runs now."""
        there = [self.workloads[key] for key in keys(component) if key in self.workloads]
        told = [{"name": key_of(obj)[1], "before": images_of(obj)} for obj in there]
        return sorted({version for one in told for version in versions_of(component, one)})


def observe(client: KubeClient, namespace: str, components: Sequence[Given]) -> Have:
    wanted = {key for one in components for key in keys(one)}
    kinds = [kind for kind in WORKLOADS.values() if kind.kind in {key[0] for key in wanted}]
    listed = at_once(lambda kind: client.list(kind, namespace), kinds)
    found = {key: obj for objects in listed for obj in objects if (key := key_of(obj)) in wanted}
    names = sorted({record.unit for record in map(record_of, found.values()) if record})
    units = at_once(lambda name: unit_of(client, Want(name, namespace, "")), names)
    return Have(found, {name: unit for name, unit in zip(names, units, strict=True) if unit})


def take(client: KubeClient, namespace: str, components: Sequence[Given], before: Parts) -> Parts:
    """The components as they are now, with everything that a release changed with them or that was known ``before``."""
    have = observe(client, namespace, components)
    wanted = {one["name"]: {*_own(one, namespace), *_known(before.get(one["name"]))} for one in components}
    placed = {ref for refs in wanted.values() for ref in refs}
    for name, unit in have.units.items():
        owner = next(one["name"] for one in components if _is_in(have, one, name))
        wanted[owner] |= {_ref(client, reference, namespace) for reference in unit.objects} - placed
    found, sized = find(client, namespace, {ref for refs in wanted.values() for ref in refs})
    return {
        one["name"]: Part(
            "",
            "",
            0,
            ", ".join(have.versions(one)),
            {ref: fingerprint(found[ref], sized) for ref in sorted(wanted[one["name"]]) if ref in found},
        )
        for one in components
    }


def _own(component: Given, namespace: str) -> list[Ref]:
    return [Ref(WORKLOADS[kind].api_version, kind, namespace, name) for kind, name in keys(component)]


def _known(part: Part | None) -> list[Ref]:
    """Objects that an earlier release changed; those of a colour are no business of what rolls."""
    return list(part.fingerprints) if part and not part.colour else []


def _is_in(have: Have, component: Given, unit: str) -> bool:
    records = [record_of(have.workloads[key]) for key in keys(component) if key in have.workloads]
    return any(record and record.unit == unit for record in records)


def _ref(client: KubeClient, reference: tuple[str, str, str], namespace: str) -> Ref:
    api_version, kind, name = reference
    return Ref(api_version, kind, namespace if client.resolve(api_version, kind).namespaced else "", name)


def ways(
    client: KubeClient, namespace: str, components: Sequence[Given], existing: Existing, version: str = ""
) -> list[Way]:
    """Where each component would go back to, and what is missing there."""
    have = observe(client, namespace, components)
    return [_way(have, one, existing, version) for one in components]


def _way(have: Have, component: Given, existing: Existing, version: str) -> Way:
    records = {key: record for key in keys(component) if (record := have.record(key, version)) and record.before}
    before = [_named(one.before or {}, key) for key, one in records.items()]
    told = [{"name": obj["metadata"]["name"], "before": images_of(obj)} for obj in before]
    versions = sorted({version for one in told for version in versions_of(component, one)})
    return way_in_place(component["name"], ", ".join(versions), before, existing)


def _named(before: Mapping[str, Any], key: tuple[str, str]) -> dict[str, Any]:
    """A record leaves out what the object is called anyway."""
    return {**before, "kind": key[0], "metadata": {**(before.get("metadata") or {}), "name": key[1]}}
