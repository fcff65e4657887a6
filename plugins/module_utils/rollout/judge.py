# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whether workloads run as they should, and if not, whether they still can: from snapshots of the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..kube.kinds import EVENT, POD, REPLICASET, Kind
from ..kube.problems import Problem, Watchdog, awaits_node, occurrences, pod_problem, workload_problem
from ..kube.readiness import current_pods_of, restarts, workload_ready
from ..kube.watch import Snapshot
from .model import CONTROLLERREVISION, WORKLOADS, Key, titled
from .revisions import HASH, newest_of

Obj = Mapping[str, Any]


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
        self._stable = stable
        self._watched = {key: Watched(key, written.get(key)) for key in keys}
        self._ready_since: float | None = None
        self._ready_as: frozenset[tuple[str, int]] = frozenset()

    def look(self, snapshot: Snapshot) -> Verdict:
        verdict, index = Verdict(), Index(snapshot)
        for key, watched in self._watched.items():
            workload = snapshot.objects[WORKLOADS[key[0]]].get(key[1])
            if workload is None:
                verdict.missing.append(f"{titled(key)} does not exist")
            else:
                watched.look(workload, index, snapshot.at, verdict)
        if verdict.missing:
            self._ready_since = None
        verdict.proven = snapshot.live and not verdict.missing and self._stable_since(verdict.pods, snapshot.at)
        self.verdict = verdict
        return verdict

    def _stable_since(self, pods: Sequence[Obj], now: float) -> bool:
        seen = frozenset((_uid(pod), restarts(pod)) for pod in pods)
        if self._ready_since is None or seen != self._ready_as:
            self._ready_since, self._ready_as = now, seen
        return now - self._ready_since >= self._stable


class Index:
    """What belongs to what in a snapshot, so that a look at many workloads passes over everything once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._owned: dict[str, list[Obj]] = {}
        self._events: dict[str, list[Obj]] = {}
        for kind in (REPLICASET, CONTROLLERREVISION, POD):
            for obj in snapshot.objects[kind].values():
                for owner in obj["metadata"].get("ownerReferences") or []:
                    self._owned.setdefault(owner["uid"], []).append(obj)
        for event in snapshot.objects[EVENT].values():
            uid = str((event.get("involvedObject") or {}).get("uid", ""))
            self._events.setdefault(uid, []).append(event)

    def owned(self, kind: Kind, *owners: Obj) -> list[Obj]:
        return [obj for owner in owners for obj in self._owned.get(_uid(owner), ()) if obj["kind"] == kind.kind]

    def events(self, *objects: Obj) -> list[Obj]:
        return [event for obj in objects for event in self._events.get(_uid(obj), ())]


class Watched:
    """One workload, and what was seen of it so far; ``written`` is None for one that was not changed."""

    def __init__(self, key: Key, written: int | None) -> None:
        self._key, self._written = key, written
        self._watchdog = Watchdog()
        self._had_given_up: bool | None = None
        self._refusals: dict[str, int] = {}

    def look(self, workload: Obj, index: Index, now: float, verdict: Verdict) -> None:
        title = titled(self._key)
        generation = int(workload["metadata"].get("generation") or 0)
        observed = int((workload.get("status") or {}).get("observedGeneration") or 0)
        if generation < (self._written or 0) or observed < generation:
            verdict.missing.append(f"{title}: its controller has not seen it yet")
            return
        current, old = _pods(workload, index)
        verdict.workloads.append(workload)
        verdict.pods += current
        lacking = [*workload_ready(workload).missing, *(f"pod {_name(pod)} is not gone yet" for pod in old)]
        verdict.missing += [f"{title}: {text}" for text in lacking]
        if self._written is not None and self._key[0] == "StatefulSet":
            verdict.stuck += [pod for pod in old if _cannot_go_on(pod)]
        self._judge(workload, current, index, now, verdict)

    def _judge(self, workload: Obj, pods: Sequence[Obj], index: Index, now: float, verdict: Verdict) -> None:
        events = index.events(workload, *pods)
        certain, problems = self._watchdog.judge(self._unless_old(workload), pods, events, now)
        refused = self._refused(workload, events)
        verdict.problems += [*problems, *refused]
        verdict.certain += [one for one in [*certain, *refused] if not awaits_node(one, events)]

    def _unless_old(self, workload: Obj) -> list[Obj]:
        """A workload that had given up before it was written did so about another version."""
        given_up = _gave_up(workload)
        if self._had_given_up is None:
            self._had_given_up = given_up and self._written is not None
        self._had_given_up = self._had_given_up and given_up
        return [] if self._had_given_up else [workload]

    def _refused(self, workload: Obj, events: Sequence[Obj]) -> list[Problem]:
        """Pods a StatefulSet or DaemonSet may not create (quota, admission): these have no condition that says so."""
        if workload["kind"] == "Deployment":
            return []
        failed = [one for one in events if one.get("reason") == "FailedCreate" and one.get("type") == "Warning"]
        more = [one for one in failed if occurrences(one) > self._refusals.setdefault(_uid(one), occurrences(one))]
        return [Problem("FailedCreate", str(one.get("message") or ""), uid=_uid(workload)) for one in more]


def _pods(workload: Obj, index: Index) -> tuple[list[Obj], list[Obj]]:
    """The pods of the revision the workload goes to, and those of older ones."""
    if workload["kind"] == "Deployment":
        sets = index.owned(REPLICASET, workload)
        pods = index.owned(POD, *sets)
        current = current_pods_of(workload, pods, sets)
    elif workload["kind"] == "DaemonSet":
        newest = newest_of(workload, index.owned(CONTROLLERREVISION, workload))
        pods = index.owned(POD, workload)
        current = [pod for pod in pods if newest is not None and _hash(pod) == _hash(newest)]
    else:
        pods = index.owned(POD, workload)
        current = current_pods_of(workload, pods)
    names = {_name(pod) for pod in current}
    return current, [pod for pod in pods if _name(pod) not in names]


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
