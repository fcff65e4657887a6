# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whether workloads run as they should, and if not, whether they still can: from snapshots of the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..kube.kinds import EVENT, POD, REPLICASET
from ..kube.problems import CONFIG_GRACE, Problem, Watchdog, events_of, occurrences, pod_problem, workload_problem
from ..kube.readiness import current_pods_of, pods_of, restarts, workload_ready
from ..kube.watch import Snapshot
from .model import CONTROLLERREVISION, WORKLOADS, Key, titled
from .revisions import HASH, newest_of, owned

Obj = Mapping[str, Any]

_NODE_COMING = ("TriggeredScaleUp", "Nominated")


@dataclass
class Verdict:
    """What one look says; ``stuck`` are pods of an older revision that only go when somebody deletes them."""

    workloads: list[Obj] = field(default_factory=list)
    pods: list[Obj] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    certain: list[Problem] = field(default_factory=list)
    stuck: list[Obj] = field(default_factory=list)
    proven: bool = False


class Judge:
    """Looks at the workloads of one wave; ``written`` says which generation of each is waited for."""

    def __init__(self, keys: Sequence[Key], written: Mapping[Key, int], stable: float) -> None:
        self.verdict = Verdict(missing=["nothing was seen of it"])
        self._keys, self._written, self._stable = keys, written, stable
        self._watchdog = Watchdog()
        self._given_up: frozenset[str] | None = None
        self._refusals: dict[str, int] = {}
        self._ready_since: float | None = None
        self._ready_as: frozenset[tuple[str, int]] = frozenset()

    def look(self, snapshot: Snapshot) -> Verdict:
        verdict = Verdict()
        for key in self._keys:
            workload = snapshot.objects[WORKLOADS[key[0]]].get(key[1])
            if workload is None:
                verdict.missing.append(f"{titled(key)} does not exist")
            else:
                self._look_at(key, workload, snapshot, verdict)
        events = list(snapshot.objects[EVENT].values())
        certain, problems = self._watchdog.judge(self._fresh(verdict), verdict.pods, events, snapshot.at)
        refused = [one for workload in verdict.workloads for one in self._refused(workload, events)]
        verdict.problems = [*problems, *refused]
        verdict.certain = [one for one in [*certain, *refused] if not awaits_node(one, events)]
        if verdict.missing:
            self._ready_since = None
        verdict.proven = snapshot.live and not verdict.missing and self._stable_since(verdict.pods, snapshot.at)
        self.verdict = verdict
        return verdict

    def _look_at(self, key: Key, workload: Obj, snapshot: Snapshot, verdict: Verdict) -> None:
        generation = int(workload["metadata"].get("generation") or 0)
        observed = int((workload.get("status") or {}).get("observedGeneration") or 0)
        if generation < self._written.get(key, 0) or observed < generation:
            verdict.missing.append(f"{titled(key)}: its controller has not seen it yet")
            return
        objects = {kind: list(them.values()) for kind, them in snapshot.objects.items()}
        current = _current(workload, objects)
        names = {_name(pod) for pod in current}
        old = [pod for pod in pods_of(workload, objects[POD], objects[REPLICASET]) if _name(pod) not in names]
        verdict.workloads.append(workload)
        verdict.pods += current
        lacking = [*workload_ready(workload).missing, *(f"pod {_name(pod)} is not gone yet" for pod in old)]
        verdict.missing += [f"{titled(key)}: {text}" for text in lacking]
        if key in self._written and key[0] == "StatefulSet":
            verdict.stuck += [pod for pod in old if _cannot_go_on(pod)]

    def _fresh(self, verdict: Verdict) -> list[Obj]:
        """Without those that had given up before this release wrote them: that is about another version."""
        gave_up = {_uid(one) for one in verdict.workloads if _gave_up(one)}
        if self._given_up is None:
            written = {_uid(one) for one in verdict.workloads if (one["kind"], _name(one)) in self._written}
            self._given_up = frozenset(gave_up & written)
        self._given_up &= gave_up
        return [one for one in verdict.workloads if _uid(one) not in self._given_up]

    def _refused(self, workload: Obj, events: Sequence[Obj]) -> Iterable[Problem]:
        """Pods a StatefulSet or DaemonSet may not create (quota, admission): these have no condition that says so."""
        if workload["kind"] == "Deployment":
            return
        for event in events_of(workload, events):
            if event.get("reason") == "FailedCreate" and event.get("type") == "Warning":
                uid, count = _uid(event), occurrences(event)
                if count > self._refusals.setdefault(uid, count):
                    yield Problem(
                        "FailedCreate", str(event.get("message") or ""), grace=CONFIG_GRACE, uid=_uid(workload)
                    )

    def _stable_since(self, pods: Sequence[Obj], now: float) -> bool:
        seen = frozenset((_uid(pod), restarts(pod)) for pod in pods)
        if self._ready_since is None or seen != self._ready_as:
            self._ready_since, self._ready_as = now, seen
        return now - self._ready_since >= self._stable


def _current(workload: Obj, objects: Mapping[Any, Sequence[Obj]]) -> list[Obj]:
    """The pods of the revision the workload goes to."""
    if workload["kind"] != "DaemonSet":
        return current_pods_of(workload, objects[POD], objects[REPLICASET])
    newest = newest_of(workload, owned(workload, objects[CONTROLLERREVISION]))
    wanted = _hash(newest) if newest else None
    return [pod for pod in owned(workload, objects[POD]) if _hash(pod) == wanted]


def _cannot_go_on(pod: Obj) -> bool:
    problem = pod_problem(pod)
    return problem is not None and problem.grace is not None


def _gave_up(workload: Obj) -> bool:
    problem = workload_problem(workload)
    return problem is not None and problem.grace == 0.0


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _hash(obj: Obj) -> str:
    return str((obj["metadata"].get("labels") or {}).get(HASH, ""))


def _uid(obj: Obj) -> str:
    return str(obj["metadata"].get("uid", ""))


def awaits_node(problem: Problem, events: Iterable[Obj]) -> bool:
    """Whether an autoscaler has already said that it brings a node for the pod."""
    return problem.reason == "Unschedulable" and any(
        event.get("reason") in _NODE_COMING and (event.get("involvedObject") or {}).get("name") == problem.pod
        for event in events
    )
