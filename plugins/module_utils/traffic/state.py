# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""An entry as observed: its weights, which colour is live and which was before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..colours import COLOURS, other
from .entry import Entry, Obj, Shift, Sides, Weights
from .router import Router


@dataclass(frozen=True)
class EntryState:
    """An entry as observed. `shares` holds the weights of each place in it that names the colours."""

    entry: Entry
    router: Router
    objs: tuple[Obj, ...]
    sides: Sides
    shares: tuple[Weights, ...]
    shift: Shift

    @property
    def obj(self) -> Obj:
        return self.objs[0]

    @property
    def weights(self) -> dict[str, int]:
        return dict(self.shares[0])

    @property
    def even(self) -> bool:
        """Whether every place of the entry has the same weights."""
        return all(dict(share) == self.weights for share in self.shares)

    @property
    def shifting(self) -> bool:
        return not self.even or 100 not in self.weights.values()

    @property
    def live(self) -> str:
        """The colour with all the weight; during a shift the colour it began from."""
        if not self.shifting:
            return next(colour for colour in COLOURS if self.weights[colour] == 100)
        if self.shift.source:
            return self.shift.source
        total = {colour: sum(share[colour] for share in self.shares) for colour in COLOURS}
        heavier = max(COLOURS, key=total.__getitem__)
        return heavier if total[heavier] > total[other(heavier)] else ""

    @property
    def previous(self) -> str:
        """The colour that was live before the newest shift."""
        return self.shift.source

    def seen_again(self, *objs: Obj) -> EntryState:
        """The same entry, its objects read again."""
        return replace(
            self, objs=objs, shares=self.router.shares(self.entry, objs, self.sides), shift=self.router.shift(objs)
        )

    def report(self) -> dict[str, Any]:
        """The entry for people and playbooks."""
        return {
            "live": self.live,
            "shifting": self.shifting,
            "previous": self.previous,
            "weights": self.weights,
            "even": self.even,
            "shift": self.shift.report(),
            "accepted": not self.router.unaccepted(self.objs, self.sides),
            "colours": {colour: self.sides[colour].report() for colour in COLOURS},
        }
