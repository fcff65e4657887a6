# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Watch workloads until they run as they should, or cannot any more."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import NotReady
from ..kube.kinds import EVENT, POD, REPLICASET
from ..kube.watch import Snapshot, Watch
from .judge import Judge, Verdict
from .model import CONTROLLERREVISION, WORKLOADS

if TYPE_CHECKING:
    from ..kube.client import KubeClient

SHOWN = 3


@dataclass(frozen=True)
class Told:
    """What an error says of what is waited for."""

    name: str
    namespace: str
    where: str
    remedy: str


@dataclass
class Waiting:
    """``deadline`` by ``time.monotonic``; ``check`` is called at every look and may end the waiting by an error."""

    client: KubeClient
    told: Told
    deadline: float
    check: Callable[[], None] = lambda: None
    _deleted: set[str] = field(default_factory=set)

    @contextlib.contextmanager
    def watching(self) -> Iterator[Iterator[Snapshot]]:
        """One watch per kind for all workloads; it begins when the first one is waited for."""
        kinds = [*WORKLOADS.values(), REPLICASET, CONTROLLERREVISION, POD, EVENT]
        watches = [Watch(kind, self.told.namespace) for kind in kinds]
        with contextlib.closing(self.client.watch(watches, self.deadline, tick=0.5)) as snapshots:
            yield snapshots

    def wait(self, snapshots: Iterator[Snapshot], judge: Judge, later: Sequence[str] = ()) -> None:
        """NotReady, with the evidence, as soon as what is judged cannot become ready; ``later`` is not begun then."""
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
                self.client.delete(POD, str(pod["metadata"]["name"]), self.told.namespace, uid)
                self._deleted.add(uid)

    def _fail(self, why: str, verdict: Verdict, later: Sequence[str]) -> NoReturn:
        from ..kube.evidence import collect, last_words

        evidence = collect(self.client, self.told.namespace, pods=verdict.pods, workloads=verdict.workloads)
        words = last_words(evidence, verdict.certain[0]) if verdict.certain else []
        what = f"{self.told.name} is not ready and {why}"
        raise NotReady(
            what + (f"; its last words: {words[-1]}" if words else ""),
            record=what,
            where=f"{self.told.where}; missing: {'; '.join(verdict.missing[:SHOWN]) or 'nothing'}",
            remedy=self.told.remedy,
            last_words=words,
            problems=[problem.report() for problem in verdict.problems],
            missing=verdict.missing,
            not_begun=list(later),
            evidence=evidence,
        )
