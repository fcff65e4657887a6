# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Carry out a plan: write a wave at once, watch all of it at once, and go on only when it is ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..helm.objects import Obj, meta
from .judge import Judge
from .model import WORKLOADS, Key, Want, titled
from .observe import at_once
from .plan import Plan, Wave, Write
from .record import RELEASED, RESTORED
from .wait import Told, Waiting
from .write import keep_unit

if TYPE_CHECKING:
    from ..kube.client import KubeClient

_WAYS_ON = {
    RELEASED: "take back what was changed with state restored, or correct the version and run this again",
    RESTORED: "correct what is named there and run this again, or restore by another policy",
}


@dataclass
class Executor:
    """``deadline`` by ``time.monotonic``, ``stable`` seconds without a restart; ``way`` is released or restored."""

    client: KubeClient
    want: Want
    deadline: float
    stable: float
    way: str
    check: Callable[[], None] = lambda: None

    def carry_out(self, plan: Plan) -> None:
        """NotReady, with the evidence, as soon as a wave cannot become ready; what comes after it is not touched."""
        if plan.changes:
            keep_unit(self.client, self.want, plan.before, plan.unit)
        waiting = Waiting(self.client, self._told(), self.deadline, self.check)
        with waiting.watching() as snapshots:
            for number, wave in enumerate(plan.waves):
                written = self._write(wave)
                if wave.keys:
                    stable = self.stable if plan.changes else 0.0
                    later = [titled(write.key) for rest in plan.waves[number + 1 :] for write in rest.writes]
                    waiting.wait(snapshots, Judge(wave.keys, written, stable), later)
        if plan.changes:
            keep_unit(self.client, self.want, plan.unit, plan.unit.now(plan.ends))

    def _told(self) -> Told:
        remedy = f"read the evidence in this result; {_WAYS_ON[self.way]}"
        return Told(self.want.name, self.want.namespace, self.want.where, remedy)

    def _write(self, wave: Wave) -> dict[Key, int]:
        def one(write: Write) -> tuple[Key, Obj | None]:
            return write.key, write.carry_out(self.client, self.want)

        done = at_once(one, wave.writes)
        return {key: int(meta(obj).get("generation") or 0) for key, obj in done if obj and key[0] in WORKLOADS}


def dry(client: KubeClient, plan: Plan, want: Want) -> None:
    """Let the API server check every write of a plan; the client keeps none."""
    for write in plan.writes:
        write.carry_out(client, want)
