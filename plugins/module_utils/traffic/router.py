# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What every kind of entry has to answer. A further kind is one more file and one more line in `routers.py`.

A router is pure: it is given the objects of an entry as read from the cluster, and says what they mean and
what would have to be patched. It never talks to the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..kube.kinds import Kind
    from .entry import Entry, Obj, Shift, Side, Sides, Weights

Op = dict[str, Any]


def unchanged(obj: Obj) -> Op:
    """Guard for what a `test` cannot say: that something is absent."""
    return {"op": "test", "path": "/metadata/resourceVersion", "value": obj["metadata"]["resourceVersion"]}


@dataclass(frozen=True)
class Mutation:
    """One guarded JSON patch. `position` is the place of its object among the objects of the entry."""

    ops: list[Op] = field(default_factory=list)
    position: int = 0


class Router(Protocol):
    """One kind of entry."""

    gradual: bool
    """Whether weights other than 0 and 100 are possible."""

    weights_path: str
    """JSON pointer to the field that holds the weights: who owns it is who sets them."""

    def refs(self, entry: Entry) -> tuple[tuple[Kind, str], ...]:
        """Kind and name of the objects that together are the entry, the named one first."""

    def shares(self, entry: Entry, objs: Sequence[Obj], sides: Sides) -> tuple[Weights, ...]:
        """The weights, 0..100, in each place that names the colours; Refused when that is not both of them."""

    def shift(self, objs: Sequence[Obj]) -> Shift:
        """The newest shift as recorded on the objects."""

    def mutation(self, entry: Entry, objs: Sequence[Obj], sides: Sides, wanted: Weights) -> Mutation:
        """What brings every place to the wanted weights, with a `test` before each change; empty when all are there."""

    def unaccepted(self, objs: Sequence[Obj], sides: Sides) -> list[str]:
        """What is missing until the data plane has accepted this generation.

        Before the first release of the second colour its Service does not exist; that is no objection.
        """

    def backing(self, entry: Entry, side: Side) -> str:
        """Name of the Service whose endpoints receive what is sent to this side."""
