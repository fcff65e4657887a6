# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failure left behind: logs, events and conditions, read concurrently and bounded in size.

Only Pods, Events and the given workloads are read, so Secrets never get into it; environment variables are left out.
"""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..errors import ApiError
from .kinds import EVENT
from .problems import Problem, events_of, occurrences, pod_problem, seen_at

if t.TYPE_CHECKING:
    from .client import KubeClient

Obj = t.Mapping[str, t.Any]

MOST_PODS = 5
MOST_EVENTS = 25
LOG_LINES = 60
LOG_BYTES = 16384
ALL_LINES = 1_000_000
ALL_BYTES = 10 * 1024 * 1024
AT_ONCE = 8


class Size(t.NamedTuple):
    """How much of a log is read."""

    lines: int
    bytes: int


def collect(
    client: KubeClient,
    namespace: str,
    pods: t.Sequence[Obj] = (),
    workloads: t.Sequence[Obj] = (),
    *,
    lines: int = LOG_LINES,
    everything: bool = False,
) -> dict[str, t.Any]:
    """Everything worth reading about these pods and workloads; ``unreadable`` names what could not be read.

    With ``everything`` no pod is left out, and no log is cut below ``ALL_BYTES``.
    """
    most, size = (len(pods), Size(ALL_LINES, ALL_BYTES)) if everything else (MOST_PODS, Size(lines, LOG_BYTES))
    unreadable: list[str] = []
    events: list[dict[str, t.Any]] = _read(lambda: client.list(EVENT, namespace), [], unreadable)
    ranked = sorted(pods, key=lambda pod: _urgency(pod, events))
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        reports = list(pool.map(lambda pod: _pod(client, pod, events, size, unreadable), ranked[:most]))
    about = [event for obj in [*workloads, *ranked] for event in events_of(obj, events)]
    recent = sorted(about, key=seen_at)[-MOST_EVENTS:]
    return {
        "pods": reports,
        "pods_left_out": max(0, len(ranked) - most),
        "workloads": [_workload(one) for one in workloads],
        "events": [_event(one) for one in recent],
        "unreadable": unreadable,
    }


def last_words(evidence: t.Mapping[str, t.Any], problem: Problem, lines: int = 5) -> list[str]:
    """The last log lines of the container a problem is about; of its previous run, when this one said nothing."""
    for pod in evidence["pods"]:
        if pod["name"] != problem.pod:
            continue
        for container in pod["containers"]:
            if container["name"] == problem.container:
                said = container["log"].strip() or container["previous_log"].strip()
                return list(said.splitlines()[-lines:])
    return []


_T = t.TypeVar("_T")


def _read(read: t.Callable[[], _T], otherwise: _T, unreadable: list[str]) -> _T:
    """Evidence is collected while something fails: what cannot be read must not hide the rest."""
    try:
        return read()
    except ApiError as error:
        unreadable.append(str(error))
        return otherwise


def _urgency(pod: Obj, events: t.Sequence[Obj]) -> tuple[bool, bool, str]:
    """Pods with a certain problem first, then those with any."""
    problem = pod_problem(pod, events)
    return problem is None or problem.grace is None, problem is None, str(pod["metadata"]["name"])


def _pod(client: KubeClient, pod: Obj, events: t.Sequence[Obj], size: Size, unreadable: list[str]) -> dict[str, t.Any]:
    status, metadata = pod.get("status") or {}, pod["metadata"]
    problem = pod_problem(pod, events)
    statuses = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return {
        "name": metadata["name"],
        "phase": status.get("phase", ""),
        "node": (pod.get("spec") or {}).get("nodeName", ""),
        "started": status.get("startTime", ""),
        "problem": str(problem) if problem else "",
        "conditions": _conditions(status),
        "containers": [_container(client, metadata, one, size, unreadable) for one in statuses],
    }


def _container(client: KubeClient, metadata: Obj, one: Obj, size: Size, unreadable: list[str]) -> dict[str, t.Any]:
    def log(previous: bool) -> str:
        name, namespace = metadata["name"], metadata["namespace"]
        return client.logs(name, namespace, one["name"], previous=previous, tail=size.lines, limit=size.bytes)

    started = bool(one.get("containerID"))
    again = bool(one.get("restartCount"))
    return {
        "name": one["name"],
        "image": one.get("image", ""),
        "ready": bool(one.get("ready")),
        "restarts": int(one.get("restartCount") or 0),
        "state": one.get("state") or {},
        "last_state": one.get("lastState") or {},
        "log": _read(lambda: log(previous=False), "", unreadable) if started else "",
        "previous_log": _read(lambda: log(previous=True), "", unreadable) if again else "",
    }


def _conditions(status: Obj) -> list[dict[str, str]]:
    """The conditions that do not hold, or that say something."""
    keys = ("type", "status", "reason", "message")
    return [
        {key: str(one[key]) for key in keys if one.get(key)}
        for one in status.get("conditions") or []
        if one.get("status") != "True" or one.get("message")
    ]


def _workload(workload: Obj) -> dict[str, t.Any]:
    status = workload.get("status") or {}
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    return {
        "kind": workload.get("kind", ""),
        "name": workload["metadata"]["name"],
        "generation": workload["metadata"].get("generation", 0),
        "desired": (workload.get("spec") or {}).get("replicas", 1),
        **{name: status.get(name, 0) for name in counts},
        "conditions": _conditions(status),
    }


def _event(event: Obj) -> dict[str, t.Any]:
    about = event.get("involvedObject") or {}
    return {
        "last": seen_at(event),
        "count": occurrences(event),
        "type": event.get("type", ""),
        "reason": event.get("reason", ""),
        "object": f"{about.get('kind', '')}/{about.get('name', '')}",
        "message": str(event.get("message") or "").strip()[:1000],
    }
