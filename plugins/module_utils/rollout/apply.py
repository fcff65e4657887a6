# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Carry out a plan: write a wave at once, watch all of it at once, and go on only when it is ready."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import NotReady
from ..helm.objects import Obj, meta
from ..kube.kinds import EVENT, POD, REPLICASET
from ..kube.watch import Snapshot, Watch
from .judge import Judge, Verdict
from .model import CONTROLLERREVISION, WORKLOADS, Key, Want, titled
from .observe import at_once
from .plan import Plan, Wave, Write
from .record import RELEASED, RESTORED
from .write import keep_unit

if TYPE_CHECKING:
    from ..kube.client import KubeClient

SHOWN = 3
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
    _deleted: set[str] = field(default_factory=set)

    def carry_out(self, plan: Plan) -> None:
        """NotReady, with the evidence, as soon as a wave cannot become ready; what comes after it is not touched."""
        if plan.changes:
            keep_unit(self.client, self.want, plan.before, plan.unit)
        with self._watching(plan) as snapshots:
            for number, wave in enumerate(plan.waves):
                written = self._write(wave)
                if wave.keys:
                    stable = self.stable if plan.changes else 0.0
                    later = [titled(write.key) for rest in plan.waves[number + 1 :] for write in rest.writes]
                    self._wait(snapshots, Judge(wave.keys, written, stable), later)
        if plan.changes:
            keep_unit(self.client, self.want, plan.unit, plan.unit.now(plan.ends))

    def _write(self, wave: Wave) -> dict[Key, int]:
        def one(write: Write) -> tuple[Key, Obj | None]:
            return write.key, write.carry_out(self.client, self.want)

        done = at_once(one, wave.writes)
        return {key: int(meta(obj).get("generation") or 0) for key, obj in done if obj and key[0] in WORKLOADS}

    @contextlib.contextmanager
    def _watching(self, plan: Plan) -> Iterator[Iterator[Snapshot]]:
        """One watch per kind for all waves; it begins when the first wave waits."""
        kinds = [*WORKLOADS.values(), REPLICASET, CONTROLLERREVISION, POD, EVENT]
        watches = [Watch(kind, self.want.namespace) for kind in kinds]
        with contextlib.closing(self.client.watch(watches, self.deadline, tick=0.5)) as snapshots:
            yield snapshots

    def _wait(self, snapshots: Iterator[Snapshot], judge: Judge, later: Sequence[str]) -> None:
        started = time.monotonic()
        for snapshot in snapshots:
            self.check()
            verdict = judge.look(snapshot)
            if verdict.certain:
                self._fail(f"will not become so: {verdict.certain[0]}", verdict, later)
            if verdict.proven:
                return
            self._unstick(verdict.stuck)
        self._fail(f"was given {time.monotonic() - started:.0f} s", judge.verdict, later)

    def _unstick(self, pods: Sequence[Mapping[str, Any]]) -> None:
        """A StatefulSet waits for ever for a pod that cannot start before it replaces it by another revision."""
        for pod in pods:
            uid = str(pod["metadata"]["uid"])
            if uid not in self._deleted:
                self.client.delete(POD, str(pod["metadata"]["name"]), self.want.namespace, uid)
                self._deleted.add(uid)

    def _fail(self, why: str, verdict: Verdict, later: Sequence[str]) -> NoReturn:
        from ..kube.evidence import collect, last_words

        evidence = collect(self.client, self.want.namespace, pods=verdict.pods, workloads=verdict.workloads)
        words = last_words(evidence, verdict.certain[0]) if verdict.certain else []
        what = f"{self.want.name} is not ready and {why}"
        raise NotReady(
            what + (f"; its last words: {words[-1]}" if words else ""),
            record=what,
            where=f"{self.want.where}; missing: {'; '.join(verdict.missing[:SHOWN]) or 'nothing'}",
            remedy=f"read the evidence in this result; {_WAYS_ON[self.way]}",
            last_words=words,
            problems=[problem.report() for problem in verdict.problems],
            missing=verdict.missing,
            not_begun=list(later),
            evidence=evidence,
        )


def dry(client: KubeClient, plan: Plan, want: Want) -> None:
    """Let the API server check every write of a plan; the client keeps none."""
    for write in plan.writes:
        write.carry_out(client, want)
