# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whether a colour is large enough to take traffic over, and how large it has to become. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .capacity import Autoscaler, Key, Scale


def carried(pods: int, share: int) -> int:
    """How many of ``pods`` it takes to carry ``share`` percent of the traffic, rounded up."""
    return -(-pods * share // 100)


@dataclass(frozen=True)
class Room:
    """A colour that is to take over what ``load`` pods of the other one carry.

    ``ready`` pods of it serve, ``desired`` are asked for, and ``recorded`` is what it was scaled down from; 0 if it
    was not.
    """

    ready: int
    load: int
    desired: int = 0
    recorded: int = 0

    @classmethod
    def of(cls, behind: t.Iterable[Scale], ready: int, load: int) -> Room:
        """``behind`` are the workloads that serve."""
        scales = list(behind)
        return cls(ready, load, sum(one.desired for one in scales), sum(one.remembered for one in scales))

    @property
    def needed(self) -> int:
        return max(self.load, self.recorded)

    @property
    def too_small(self) -> bool:
        """Of the right size a quarter may be missing, rounded up: what is missing then comes by itself, or never."""
        spare = carried(self.needed, 25) if self.desired >= self.needed else 0
        return self.ready < self.needed - spare


@dataclass(frozen=True)
class Growth:
    """What ``state: warm`` brings a colour to: what it had, what its live twin has, the floor, and room for ``load``.

    No autoscaler lets its target grow above its maximum.
    """

    idle: t.Sequence[Scale]
    live: t.Sequence[Scale]
    behind: t.Container[Key]
    autoscalers: t.Sequence[Autoscaler]
    load: int
    floor: int = 0

    def counts(self) -> dict[Key, int]:
        """Pods by workload."""
        counts = {self._key(scale): self._own(scale) for scale in self.idle}
        for key in self._serving:
            lacking = self.load - sum(counts[one] for one in self._serving)
            counts[key] = self._capped(key, counts[key] + max(0, lacking))
        return counts

    def warnings(self) -> list[str]:
        """What keeps it from being as large as the traffic needs it."""
        brought = sum(self.counts()[key] for key in self._serving)
        if brought >= self.load:
            return []
        allowed = [one for one in self.autoscalers if one.target in self._serving]
        return [
            f"HorizontalPodAutoscaler {one.name} allows no more than {one.maximum} pods, and {self.load} serve now "
            f"what {one.target[0]} {one.target[1]} is to take over; raise its maxReplicas"
            for one in allowed
        ]

    @property
    def _serving(self) -> list[Key]:
        return [self._key(scale) for scale in self.idle if self._key(scale) in self.behind]

    def _own(self, scale: Scale) -> int:
        twins = [max(twin.ready, twin.desired) for twin in self.live if twin.key == scale.key]
        floor = self.floor if self._key(scale) in self.behind else 0
        return self._capped(self._key(scale), max(scale.full, floor, *twins))

    def _capped(self, key: Key, count: int) -> int:
        return min([count, *(one.maximum for one in self.autoscalers if one.target == key)])

    @staticmethod
    def _key(scale: Scale) -> Key:
        return scale.kind, scale.name
