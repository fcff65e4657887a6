# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pod will not become ready: recognised from its status and events, long before any deadline passes."""

from __future__ import annotations

import re
import typing as t
from dataclasses import asdict, dataclass

Obj = t.Mapping[str, t.Any]

UNSCHEDULABLE_GRACE = 8.0
CONFIG_GRACE = 3.0
REPEATED = 3
RESTARTS_TOLERATED = 1

# Waiting reasons of a container that mean it cannot start, with the seconds they must last to be believed.
_WAITING: dict[str, float] = {
    "CrashLoopBackOff": 0.0,
    "ImagePullBackOff": 0.0,
    "InvalidImageName": 0.0,
    "ErrImageNeverPull": 0.0,
    "RunContainerError": CONFIG_GRACE,
    "CreateContainerError": CONFIG_GRACE,
    "CreateContainerConfigError": CONFIG_GRACE,
    "ErrImagePull": CONFIG_GRACE,
}
# Why a node gives up a pod that its owner then replaces elsewhere.
_REPLACED = ("Evicted", "Preempting", "NodeShutdown", "Shutdown", "Terminated", "NodeLost")
_SETUP_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
_NODE_COMING = ("TriggeredScaleUp", "Nominated")
_WRONG_ANSWER = re.compile(r"statuscode: 4(?!08|25|29)\d\d")


@dataclass(frozen=True)
class Problem:
    """One reason why something is not ready. ``grace`` None means: report it, but it may still resolve itself."""

    reason: str
    message: str
    pod: str = ""
    container: str = ""
    exit_code: int | None = None
    cause: str = ""
    restarts: int = 0
    grace: float | None = 0.0
    uid: str = ""

    def __str__(self) -> str:
        where = f"container {self.container} of pod {self.pod}" if self.container else f"pod {self.pod}"
        facts = [f"exit code {self.exit_code}"] if self.exit_code is not None else []
        facts += [fact for fact in (self.cause, f"{self.restarts} restarts" if self.restarts else "") if fact]
        told = f"{where if self.pod else 'workload'}: {self.reason}"
        told += f" ({', '.join(facts)})" if facts else ""
        return f"{told}: {self.message}" if self.message else told

    def report(self) -> dict[str, t.Any]:
        """For a module's result."""
        return {key: value for key, value in asdict(self).items() if key not in ("grace", "uid")}


def pod_problem(pod: Obj, events: t.Iterable[Obj] = ()) -> Problem | None:
    """What keeps this pod from becoming or staying ready, the most certain reason; ``events`` may be of all pods."""
    if pod["metadata"].get("deletionTimestamp"):
        return None
    own = events_of(pod, events)
    found = [problem for problem in _all_problems(pod, own) if problem]
    return min(found, key=lambda problem: _rank(problem.grace), default=None)


def _rank(grace: float | None) -> float:
    return float("inf") if grace is None else grace


def _all_problems(pod: Obj, events: t.Sequence[Obj]) -> t.Iterator[Problem | None]:
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        reason = str(status.get("reason") or "Failed")
        yield _of(pod, reason, str(status.get("message") or ""), None if reason in _REPLACED else 0.0)
    for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        yield _container_problem(pod, one)
    yield _unschedulable(pod)
    yield _setup_problem(pod, events)
    yield from (_probe_problem(pod, event) for event in events if event.get("reason") == "Unhealthy")


def _of(pod: Obj, reason: str, message: str, grace: float | None = 0.0, **more: t.Any) -> Problem:
    metadata = pod["metadata"]
    return Problem(reason, message, metadata["name"], grace=grace, uid=str(metadata.get("uid", "")), **more)


def _container_problem(pod: Obj, one: Obj) -> Problem | None:
    state = one.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    last = ended or (one.get("lastState") or {}).get("terminated") or {}
    common: dict[str, t.Any] = {"container": one["name"], "restarts": int(one.get("restartCount") or 0)}
    if last:
        common.update(exit_code=last.get("exitCode"), cause=_cause(last))
    reason = str(waiting.get("reason") or "")
    if reason in _WAITING:
        message = str((last.get("message") if reason == "CrashLoopBackOff" else "") or waiting.get("message") or "")
        return _of(pod, reason, message.strip(), _WAITING[reason], **common)
    if ended and _cannot_start(pod, ended, common["restarts"]):
        return _of(pod, str(ended.get("reason") or "Error"), str(ended.get("message") or "").strip(), **common)
    return None


def _cause(ended: Obj) -> str:
    """Why the container ended, when its reason says more than that it did."""
    reason = str(ended.get("reason") or "")
    signal = f"signal {ended['signal']}" if ended.get("signal") else ""
    return reason if reason not in ("", "Error", "Completed") else signal


def _cannot_start(pod: Obj, ended: Obj, restarted: int) -> bool:
    """An ended container that will not come back by itself, or came back and ended again."""
    if ended.get("reason") in ("StartError", "ContainerCannotRun"):
        return True
    failed = ended.get("exitCode") != 0
    return failed and (restarted > RESTARTS_TOLERATED or pod.get("spec", {}).get("restartPolicy") == "Never")


def _unschedulable(pod: Obj) -> Problem | None:
    for one in (pod.get("status") or {}).get("conditions") or []:
        if one["type"] == "PodScheduled" and one["status"] == "False" and one.get("reason") == "Unschedulable":
            return _of(pod, "Unschedulable", str(one.get("message") or ""), UNSCHEDULABLE_GRACE)
    return None


def _setup_problem(pod: Obj, events: t.Sequence[Obj]) -> Problem | None:
    """Volumes or network that cannot be set up; these show in events only, the pod just says ContainerCreating."""
    if not _is_creating(pod):
        return None
    for event in reversed(events):
        if event.get("reason") in _SETUP_EVENTS and occurrences(event) >= REPEATED:
            return _of(pod, event["reason"], str(event.get("message") or "").strip())
    return None


def _is_creating(pod: Obj) -> bool:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    reasons = {((one.get("state") or {}).get("waiting") or {}).get("reason") for one in containers}
    return status.get("phase") == "Pending" and bool(reasons & {"ContainerCreating", "PodInitializing"})


def _probe_problem(pod: Obj, event: Obj) -> Problem | None:
    """A probe that fails again and again.

    An answer with a 4xx status is a wrong path or a missing permission and will not change: a certain problem. Refused
    connections, timeouts and 5xx are how a slow start looks: reported, but only restarts make them certain.
    """
    message = str(event.get("message") or "").strip()
    container = _container_of(event)
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ready = all(one.get("ready") for one in statuses if not container or one["name"] == container)
    if "probe failed" not in message or occurrences(event) < REPEATED or (statuses and ready):
        return None
    kind = message.split(" probe", 1)[0]
    certain = _WRONG_ANSWER.search(message) is not None
    return _of(pod, f"{kind}ProbeFailed", message, 0.0 if certain else None, container=container)


def _container_of(event: Obj) -> str:
    match = re.search(r"\{(.+)\}", str((event.get("involvedObject") or {}).get("fieldPath") or ""))
    return match.group(1) if match else ""


def events_of(obj: Obj, events: t.Iterable[Obj]) -> list[Obj]:
    """The events about one object, oldest first."""
    uid, name = obj["metadata"].get("uid"), obj["metadata"]["name"]
    own = [one for one in events if _is_about(one.get("involvedObject") or {}, uid, name, str(obj.get("kind") or ""))]
    return sorted(own, key=seen_at)


def _is_about(about: Obj, uid: str | None, name: str, kind: str) -> bool:
    if about.get("uid") and uid:
        return bool(about["uid"] == uid)
    return about.get("name") == name and (not kind or about.get("kind") in (kind, None))


def seen_at(event: Obj) -> str:
    """When an event was last seen, as the API server writes times; sorts as text."""
    series = event.get("series") or {}
    found = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(found or event["metadata"].get("creationTimestamp") or "")


def occurrences(event: Obj) -> int:
    """How often an event was seen."""
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def workload_problem(workload: Obj) -> Problem | None:
    """Why a workload cannot even create its pods (quota, admission), or gave up."""
    for one in (workload.get("status") or {}).get("conditions") or []:
        failed = one["type"] == "ReplicaFailure" and one["status"] == "True"
        gave_up = one["type"] == "Progressing" and one["status"] == "False"
        if failed or (gave_up and one.get("reason") == "ProgressDeadlineExceeded"):
            return Problem(
                str(one.get("reason") or one["type"]),
                str(one.get("message") or ""),
                grace=CONFIG_GRACE if failed else 0.0,
                uid=str(workload["metadata"].get("uid", "")),
            )
    return None


class Watchdog:
    """Remembers what it saw: a passing state is no failure, and an old restart is no new one."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str, str], float] = {}
        self._restarts: dict[tuple[str, str], int] = {}

    def judge(
        self, workloads: t.Iterable[Obj], pods: t.Iterable[Obj], events: t.Sequence[Obj], now: float
    ) -> tuple[list[Problem], list[Problem]]:
        """(problems that are certain now, all problems there are); ``now`` by any monotonic clock."""
        found = [problem for problem in map(workload_problem, workloads) if problem]
        for pod in pods:
            problem = self._restarting(pod) or pod_problem(pod, events)
            if problem:
                found.append(problem)
        seen = {(one.uid, one.container, one.reason): one for one in found}
        self._since = {key: self._since.get(key, now) for key in seen}
        certain = [one for key, one in seen.items() if one.grace is not None and now - self._since[key] >= one.grace]
        return certain, list(seen.values())

    def _restarting(self, pod: Obj) -> Problem | None:
        """A container that restarted more often than tolerated since it was first seen."""
        metadata = pod["metadata"]
        for one in (pod.get("status") or {}).get("containerStatuses") or []:
            count, uid = int(one.get("restartCount") or 0), str(metadata.get("uid", ""))
            grown = count - self._restarts.setdefault((uid, one["name"]), count)
            if grown > RESTARTS_TOLERATED:
                known = _container_problem(pod, one)
                last = (one.get("lastState") or {}).get("terminated") or {}
                return known or _of(
                    pod,
                    "Restarting",
                    str(last.get("message") or "").strip() or f"restarted {grown} times while it was watched",
                    container=one["name"],
                    restarts=count,
                    exit_code=last.get("exitCode"),
                    cause=_cause(last),
                )
        return None


def awaits_node(problem: Problem, events: t.Iterable[Obj]) -> bool:
    """Whether an autoscaler has already said that it brings a node for the pod."""
    return problem.reason == "Unschedulable" and any(
        event.get("reason") in _NODE_COMING and (event.get("involvedObject") or {}).get("name") == problem.pod
        for event in events
    )
