# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A program in the cluster: there and at work, or gone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import NotReady
from ..kube.kinds import JOB, POD, ROLE, ROLEBINDING
from ..kube.readiness import pod_problem
from ..kube.watch import Snapshot, Watch
from .pod_program import DIGEST, KINDS, REHEARSAL, Program

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = dict[str, Any]
LOG_LINES = 5


def present(client: KubeClient, program: Program, timeout: float) -> bool:
    """Bring the program to what it should be, and wait until it works; whether anything was changed.

    A Job cannot be changed, so another one takes its place. Meanwhile nobody watches, for a second or two.
    """
    deadline = time.monotonic() + timeout
    old = client.get(JOB, program.name, program.namespace)
    if old and _digest(old) == program.digest and not finished(old) and not old["spec"].get("suspend"):
        if not client.dry_run:
            wait(client, program, deadline, timeout)
        return False
    if old:
        client.delete(JOB, program.name, program.namespace, uid=old["metadata"]["uid"])
    if client.dry_run:
        _apply(client, program, {})
        return True
    _gone(client, program, deadline)
    if program.ends_alone:
        _start_as_owner(client, program)
    else:
        _apply(client, program, {})
        client.create(JOB, program.job(), program.namespace)
    wait(client, program, deadline, timeout)
    return True


def _start_as_owner(client: KubeClient, program: Program) -> None:
    """The Job is there first, asleep, so that all the rest can belong to it and goes when it does."""
    body = program.job()
    body["spec"]["suspend"] = True
    job = client.create(JOB, body, program.namespace)
    owner = {"apiVersion": JOB.api_version, "kind": JOB.kind, "name": program.name, "uid": job["metadata"]["uid"]}
    _apply(client, program, {"ownerReferences": [owner]})
    waking = [
        {"op": "test", "path": "/spec/suspend", "value": True},
        {"op": "replace", "path": "/spec/suspend", "value": False},
    ]
    client.json_patch(JOB, program.name, waking, program.namespace)


def _apply(client: KubeClient, program: Program, metadata: Obj) -> None:
    for kind, body, namespace in program.objects():
        client.apply(kind, {**body, "metadata": {**body["metadata"], **metadata}}, namespace, force=True)


def _digest(job: Obj) -> str:
    return str((job["metadata"].get("annotations") or {}).get(DIGEST, ""))


def finished(job: Obj) -> str:
    """How a Job has ended; empty while it has not."""
    conditions = (job.get("status") or {}).get("conditions") or []
    ended = [one for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True"]
    return ": ".join(filter(None, [str(ended[0]["type"]), str(ended[0].get("message", ""))])) if ended else ""


def _labels(program: Program) -> str:
    return "=".join(program.label)


def _gone(client: KubeClient, program: Program, deadline: float) -> None:
    """A name is free when the object that had it is."""
    named = Watch(JOB, program.namespace, _labels(program))
    for snapshot in client.watch([named], deadline):
        if program.name not in snapshot.objects[JOB]:
            return
    raise _not_working(program, "the Job before it does not go away")


def wait(client: KubeClient, program: Program, deadline: float, timeout: float) -> None:
    """Until its pod has rehearsed and runs; ``NotReady`` says why it does not."""
    watches = [Watch(kind, program.namespace, _labels(program)) for kind in (JOB, POD)]
    for snapshot in client.watch(watches, deadline):
        if working(snapshot, program):
            return
        if why := _hopeless(snapshot, program):
            raise _not_working(program, why, _log(client, snapshot, program))
    raise _not_working(program, f"it was not there within {timeout:g} s")


def working(snapshot: Snapshot, program: Program) -> bool:
    job = snapshot.objects[JOB].get(program.name)
    return bool(job and _digest(job) == program.digest and (job.get("status") or {}).get("ready"))


def _hopeless(snapshot: Snapshot, program: Program) -> str:
    job = snapshot.objects[JOB].get(program.name) or {}
    problems = [str(problem) for pod in _pods(snapshot, job) if (problem := pod_problem(pod)) and problem.grace == 0.0]
    return finished(job) or "; ".join(problems)


def _pods(snapshot: Snapshot, job: Obj) -> list[Obj]:
    """Those of this Job, not of one before it."""
    uid = (job.get("metadata") or {}).get("uid")
    return [
        pod
        for pod in snapshot.objects[POD].values()
        if any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences") or [])
    ]


def _log(client: KubeClient, snapshot: Snapshot, program: Program) -> list[str]:
    job = snapshot.objects[JOB].get(program.name) or {}
    return [
        line
        for pod in _pods(snapshot, job)
        for container in (REHEARSAL, program.work)
        for line in client.logs(pod["metadata"]["name"], program.namespace, container, tail=LOG_LINES).splitlines()
    ]


def _not_working(program: Program, why: str, log: list[str] | None = None) -> NotReady:
    said = f" It says: {log[-1]}" if log else ""
    return NotReady(
        f"The {program.called} does not watch: {why}.{said}",
        where=f"Job {program.namespace}/{program.name}",
        remedy=f"use an image with python3 that the namespace may run, or go on without the {program.called}",
        log=log or [],
    )


def absent(client: KubeClient, name: str, namespace: str, elsewhere: Iterable[str] = ()) -> bool:
    """Remove every trace; whether there was any."""
    gone = [client.delete(kind, name, other) for other in sorted(elsewhere) for kind in (ROLEBINDING, ROLE)]
    gone += [client.delete(kind, name, namespace) for kind in KINDS]
    return any(gone)
