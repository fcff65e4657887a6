# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The entry is an HTTPRoute of the Gateway API: weights of the back ends that name the colour Services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..colours import COLOURS
from ..errors import Refused
from ..kube.kinds import HTTPROUTE
from .entry import Entry, Obj, Shift, Side, Sides, Weights, shift_on
from .router import Mutation, Op, unchanged

if TYPE_CHECKING:
    from ..kube.kinds import Kind

CONDITIONS = ("Accepted", "ResolvedRefs")
PARENT_KEYS = ("group", "kind", "namespace", "name", "sectionName", "port")


@dataclass(frozen=True)
class Place:
    """A rule that names both colours: where its back ends are and what they weigh."""

    rule: int
    index: dict[str, int]
    refs: dict[str, Obj]
    shared: bool

    @property
    def total(self) -> int:
        return sum(_weight(ref) for ref in self.refs.values())

    @property
    def share(self) -> dict[str, int]:
        """Weights in percent; a back end that gets anything is never rounded down to nothing."""
        blue = _weight(self.refs["blue"])
        if not self.total:
            return dict.fromkeys(COLOURS, 0)
        percent = (
            100 * blue // self.total if blue in (0, self.total) else min(99, max(1, round(100 * blue / self.total)))
        )
        return {"blue": percent, "green": 100 - percent}

    def path(self, colour: str, field: str) -> str:
        return f"/spec/rules/{self.rule}/backendRefs/{self.index[colour]}/{field}"


class HttpRouteRouter:
    gradual = True
    weights_path = "/spec/rules"

    def refs(self, entry: Entry) -> tuple[tuple[Kind, str], ...]:
        return ((HTTPROUTE, entry.name),)

    def shares(self, entry: Entry, objs: Sequence[Obj], sides: Sides) -> tuple[Weights, ...]:
        return tuple(place.share for place in _places(entry, objs[0], sides))

    def shift(self, objs: Sequence[Obj]) -> Shift:
        return shift_on(objs[0])

    def mutation(self, entry: Entry, objs: Sequence[Obj], sides: Sides, wanted: Weights) -> Mutation:
        places = _places(entry, objs[0], sides)
        if all(place.share == wanted for place in places):
            return Mutation()
        return Mutation([op for place in places for op in _changes(entry, objs[0], place, wanted)])

    def unaccepted(self, objs: Sequence[Obj], sides: Sides) -> list[str]:
        route = objs[0]
        parents = (route.get("status") or {}).get("parents") or []
        excused = {"BackendNotFound"} if any(side.obj is None for side in sides.values()) else set()
        return [
            text
            for wanted in route["spec"].get("parentRefs") or []
            for text in _parent(route, wanted, parents, excused)
        ]

    def backing(self, entry: Entry, side: Side) -> str:
        return side.service


def _places(entry: Entry, route: Obj, sides: Sides) -> list[Place]:
    places = [place for number, rule in enumerate(_rules(route)) if (place := _place(entry, number, rule, sides))]
    if not places:
        names = sorted({_name(ref) for rule in _rules(route) for ref in rule.get("backendRefs") or []})
        raise Refused(
            f"The entry sends its traffic to {', '.join(names) or 'nothing'}, not to the colours",
            where=f"entry {entry}",
            remedy=f"name {_both(sides)} as back ends of the rules to shift",
        )
    return places


def _place(entry: Entry, number: int, rule: Obj, sides: Sides) -> Place | None:
    refs = rule.get("backendRefs") or []
    found = {colour: list(_indices(entry, refs, sides[colour].service)) for colour in COLOURS}
    if not any(found.values()):
        return None
    for colour in COLOURS:
        if len(found[colour]) != 1:
            raise Refused(
                f"Rule {number} of the entry names {sides[colour].service} {len(found[colour])} times; it sends its "
                f"traffic to {', '.join(map(_name, refs))}",
                where=f"entry {entry}, spec.rules[{number}].backendRefs",
                remedy=f"name {_both(sides)} once each in this rule, or choose one port of them with port",
            )
    index = {colour: found[colour][0] for colour in COLOURS}
    return Place(number, index, {colour: refs[index[colour]] for colour in COLOURS}, len(refs) > len(COLOURS))


def _indices(entry: Entry, refs: list[Obj], service: str) -> Iterator[int]:
    for index, ref in enumerate(refs):
        is_service = ref.get("kind", "Service") == "Service" and ref.get("group", "") == ""
        is_here = ref.get("namespace", entry.namespace) == entry.namespace
        is_port = entry.port is None or ref.get("port") == entry.port
        if is_service and is_here and is_port and ref["name"] == service:
            yield index


def _changes(entry: Entry, route: Obj, place: Place, wanted: Weights) -> Iterator[Op]:
    raw = _raw_weights(entry, place, wanted)
    for colour in COLOURS:
        ref = place.refs[colour]
        path = place.path(colour, "weight")
        yield {"op": "test", "path": place.path(colour, "name"), "value": ref["name"]}
        yield {"op": "test", "path": path, "value": ref["weight"]} if "weight" in ref else unchanged(route)
        yield {"op": "add", "path": path, "value": raw[colour]}


def _raw_weights(entry: Entry, place: Place, wanted: Weights) -> dict[str, int]:
    """Beside back ends of others the colours keep their common weight; alone they weigh 100 together."""
    if not place.shared:
        return dict(wanted)
    raw = {colour: wanted[colour] * place.total for colour in COLOURS}
    if any(weight % 100 for weight in raw.values()) or not place.total:
        raise Refused(
            f"The colours weigh {place.total} together beside other back ends, which cannot be split "
            f"{wanted['blue']} to {wanted['green']}",
            where=f"entry {entry}, spec.rules[{place.rule}].backendRefs",
            remedy="scale the weights of this rule so that those of the colours sum up to a multiple of 100",
        )
    return {colour: weight // 100 for colour, weight in raw.items()}


def _parent(route: Obj, wanted: Obj, parents: list[Obj], excused: set[str]) -> Iterator[str]:
    namespace = route["metadata"]["namespace"]
    key = _parent_key(wanted, namespace)
    found = [parent for parent in parents if _parent_key(parent["parentRef"], namespace) == key]
    name = f"{wanted.get('kind', 'Gateway')} {wanted.get('namespace', namespace)}/{wanted['name']}"
    if not found:
        yield f"{name} has not answered"
    for parent in found:
        conditions = {condition["type"]: condition for condition in parent.get("conditions") or []}
        for kind in CONDITIONS:
            condition = conditions.get(kind, {})
            if condition.get("observedGeneration") != route["metadata"].get("generation"):
                yield f"{name} has not looked at this generation ({kind})"
            elif condition.get("status") != "True" and condition.get("reason") not in excused:
                yield f"{name} says {kind}={condition.get('status')}: {condition.get('message', '')}"


def _parent_key(ref: Obj, namespace: str) -> tuple[Any, ...]:
    return tuple(
        ({"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": namespace} | ref).get(key)
        for key in PARENT_KEYS
    )


def _rules(route: Obj) -> list[Obj]:
    return route["spec"].get("rules") or []


def _weight(ref: Obj) -> int:
    return int(ref.get("weight", 1))


def _name(ref: Obj) -> str:
    return f"{ref.get('kind', 'Service')} {ref['name']}"


def _both(sides: Sides) -> str:
    return " and ".join(f"Service {sides[colour].service}" for colour in COLOURS)
