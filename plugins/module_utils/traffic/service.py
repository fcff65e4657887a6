# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The entry is a Service: its selector is the selector of one colour Service, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..colours import COLOURS, other
from ..errors import Refused
from ..kube.kinds import SERVICE
from .entry import Entry, Obj, Shift, Side, Sides, Weights, shift_on
from .router import Mutation

if TYPE_CHECKING:
    from ..kube.kinds import Kind

SELECTOR = "/spec/selector"


def disjoint(one: Mapping[str, str], two: Mapping[str, str]) -> bool:
    """Whether no pod can match both selectors: they want different values of one label."""
    return any(two.get(key, value) != value for key, value in one.items())


class ServiceRouter:
    gradual = False
    weights_path = SELECTOR

    def refs(self, entry: Entry) -> tuple[tuple[Kind, str], ...]:
        return ((SERVICE, entry.name),)

    def shares(self, entry: Entry, objs: Sequence[Obj], sides: Sides) -> tuple[Weights, ...]:
        selector = _selector(entry, objs[0])
        pointed = [colour for colour in COLOURS if _points_at(selector, colour, sides)]
        if len(pointed) != 1:
            raise Refused(
                f"The entry selects {_text(selector)}, which is "
                + ("the pods of both colours" if pointed else "neither colour"),
                where=f"entry {entry}",
                remedy="make its selector equal to that of "
                + " or ".join(
                    f"Service {sides[colour].service} ({_text(sides[colour].selector)})" for colour in COLOURS
                ),
            )
        return ({colour: 100 if colour == pointed[0] else 0 for colour in COLOURS},)

    def shift(self, objs: Sequence[Obj]) -> Shift:
        return shift_on(objs[0])

    def mutation(self, entry: Entry, objs: Sequence[Obj], sides: Sides, wanted: Weights) -> Mutation:
        if self.shares(entry, objs, sides) == (wanted,):
            return Mutation()
        target = max(COLOURS, key=wanted.__getitem__)
        return Mutation(
            [
                {"op": "test", "path": SELECTOR, "value": objs[0]["spec"]["selector"]},
                {"op": "replace", "path": SELECTOR, "value": sides[target].selector},
            ]
        )

    def unaccepted(self, objs: Sequence[Obj], sides: Sides) -> list[str]:
        """A Service has no status of its own: its endpoints and the answers prove it."""
        return []

    def backing(self, entry: Entry, side: Side) -> str:
        return entry.name


def _selector(entry: Entry, obj: Obj) -> dict[str, str]:
    spec = obj["spec"]
    where = f"entry {entry}"
    if spec.get("type") == "ExternalName" or not spec.get("selector"):
        raise Refused(
            "The entry has no selector to switch",
            where=where,
            remedy="use a Service that selects the pods of one colour",
        )
    if spec.get("clusterIP") == "None":
        raise Refused(
            "The entry is headless: clients keep the pod addresses they resolved, so there is nothing to switch",
            where=where,
            remedy="give the entry a cluster IP, or shift traffic at an HTTPRoute",
        )
    return dict(spec["selector"])


def _points_at(selector: dict[str, str], colour: str, sides: Sides) -> bool:
    expected = sides[colour].selector or _renamed(sides[other(colour)].selector, other(colour), colour)
    if expected:
        return not disjoint(selector, expected)
    return any(_names(value, colour) for value in selector.values())


def _renamed(selector: dict[str, str], old: str, new: str) -> dict[str, str]:
    """What a colour that is not there yet will be selected by, derived from the colour that is."""
    return {
        key: value[: len(value) - len(old)] + new if _names(value, old) else value for key, value in selector.items()
    }


def _names(value: str, colour: str) -> bool:
    return value == colour or value.endswith(f"-{colour}")


def _text(selector: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or "nothing"
