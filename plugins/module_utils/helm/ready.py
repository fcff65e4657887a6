# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Prove that a colour is ready at its capacity and stays so; fail as soon as it is certain that it will not be."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ..errors import NotReady
from ..kube.kinds import DEPLOYMENT, ENDPOINTSLICE, EVENT, POD, REPLICASET, SERVICE, STATEFULSET
from ..kube.problems import awaits_node
from ..kube.readiness import Problem, Watchdog, current_pods_of, ready_endpoints, restarts, selects, workload_ready
from ..kube.watch import Snapshot, Watch
from ..traffic.entry import SERVICE_NAME_LABEL
from .capacity import Key
from .objects import Obj, labels_of, meta, name_of

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient
    from .observe import Target

KINDS = {"Deployment": DEPLOYMENT, "StatefulSet": STATEFULSET}
SHOWN = 2


@dataclass
class Proof:
    """The proof for one component; `stable` seconds without a restart are part of it, `check` may end it early.

    Of the `live` colour it is about what works by itself.
    """

    client: KubeClient
    target: Target
    capacity: t.Mapping[Key, int]
    stable: float
    check: t.Callable[[], None] = lambda: None
    live: bool = False

    def __call__(self, colour: str, deadline: float) -> None:
        """Return when the colour is ready; NotReady, with the evidence, when it cannot become so in time."""
        service = self.target.services[colour]
        judge = Judge(service, self.capacity, self.stable)
        namespace = self.target.namespace
        watches = [
            *(Watch(kind, namespace) for kind in (DEPLOYMENT, STATEFULSET, REPLICASET, POD, SERVICE, EVENT)),
            Watch(ENDPOINTSLICE, namespace, f"{SERVICE_NAME_LABEL}={service}"),
        ]
        started = time.monotonic()
        for snapshot in self.client.watch(watches, deadline, tick=0.5):
            self.check()
            verdict = judge.look(snapshot)
            if verdict.certain:
                self._fail(colour, f"it will not become so: {verdict.certain[0]}", verdict)
            if verdict.proven:
                return
        self._fail(colour, f"it was given {time.monotonic() - started:.0f} s", judge.verdict)

    def _fail(self, colour: str, why: str, verdict: Verdict) -> t.NoReturn:
        from ..kube.evidence import collect, last_words

        evidence = collect(self.client, self.target.namespace, pods=verdict.pods, workloads=verdict.workloads)
        words = last_words(evidence, verdict.certain[0]) if verdict.certain else []
        what = f"{colour} is not ready and {why}"
        raise NotReady(
            what + (f"; its last words: {words[-1]}" if words else ""),
            record=what,
            where=f"release {self.target.release(colour)} in namespace {self.target.namespace}; missing: "
            + ("; ".join(verdict.missing[:SHOWN]) or "nothing"),
            remedy="read the evidence in this result, correct the version or its configuration, "
            + ("or go back" if self.live else "and stage it again; the live colour was not touched"),
            last_words=words,
            problems=[problem.report() for problem in verdict.problems],
            missing=verdict.missing,
            evidence=evidence,
        )


@dataclass(frozen=True)
class Verdict:
    """What one look at the cluster says."""

    workloads: t.Sequence[t.Mapping[str, t.Any]]
    pods: t.Sequence[t.Mapping[str, t.Any]]
    missing: list[str]
    problems: list[Problem]
    certain: list[Problem]
    proven: bool = False


class Judge:
    """Looks at snapshots and remembers how long the colour has been ready without a restart."""

    def __init__(self, service: str, capacity: t.Mapping[Key, int], stable: float) -> None:
        self.verdict = Verdict([], [], ["nothing was seen of it"], [], [])
        self._service, self._capacity, self._stable = service, capacity, stable
        self._watchdog = Watchdog()
        self._ready_since: float | None = None
        self._ready_as: frozenset[tuple[str, int]] = frozenset()

    def look(self, snapshot: Snapshot) -> Verdict:
        objects = {kind: list(them.values()) for kind, them in snapshot.objects.items()}
        missing: list[str] = []
        workloads: list[t.Mapping[str, t.Any]] = []
        pods: list[t.Mapping[str, t.Any]] = []
        for key, count in self._capacity.items():
            workload = snapshot.objects[KINDS[key[0]]].get(key[1])
            if workload is None:
                missing.append(f"{key[0]} {key[1]} does not exist")
                continue
            workloads.append(workload)
            current = current_pods_of(workload, objects[POD], objects[REPLICASET])
            pods += current
            missing += [f"{key[0]} {key[1]}: {text}" for text in _lacking(workload, count)]
        missing += self._unserved(snapshot)
        certain, problems = self._watchdog.judge(workloads, pods, objects[EVENT], snapshot.at)
        certain = [one for one in certain if not awaits_node(one, objects[EVENT])]
        proven = snapshot.live and not missing and not problems and self._stable_since(pods, snapshot.at)
        if missing:
            self._ready_since = None
        self.verdict = Verdict(workloads, pods, missing, problems, certain, proven)
        return self.verdict

    def _unserved(self, snapshot: Snapshot) -> list[str]:
        """The endpoints of the colour Service have to be exactly the pods it selects."""
        service = snapshot.objects[SERVICE].get(self._service)
        if service is None:
            return [f"Service {self._service} does not exist"]
        selector = {"matchLabels": (service.get("spec") or {}).get("selector") or {}}
        pods = snapshot.objects[POD].values()
        selected = {name_of(pod) for pod in pods if selects(selector, labels_of(pod)) and _alive(pod)}
        served = ready_endpoints(snapshot.objects[ENDPOINTSLICE].values())
        if not served:
            return [f"Service {self._service} has no ready endpoint"]
        late, surplus = selected - served, served - selected
        return [f"pod {name} is no endpoint of Service {self._service} yet" for name in sorted(late)] + [
            f"pod {name} is still an endpoint of Service {self._service}" for name in sorted(surplus)
        ]

    def _stable_since(self, pods: t.Sequence[t.Mapping[str, t.Any]], now: float) -> bool:
        """Whether the same pods with the same restarts have been ready for long enough."""
        seen = frozenset((str(pod["metadata"]["uid"]), restarts(pod)) for pod in pods)
        if self._ready_since is None or seen != self._ready_as:
            self._ready_since, self._ready_as = now, seen
        return now - self._ready_since >= self._stable


def _lacking(workload: Obj, count: int) -> list[str]:
    """What is missing until the workload is ready with at least as many pods as it needs."""
    readiness = workload_ready(workload)
    if readiness.desired < count:
        return [f"{readiness.desired} of {count} replicas are asked for"]
    return list(readiness.missing)


def _alive(pod: Obj) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return not meta(pod).get("deletionTimestamp") and phase not in ("Succeeded", "Failed")
