# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The dead man in the cluster: there and watching, or gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..errors import NotReady
from ..kube.kinds import CONFIGMAP, JOB, POD, ROLE, ROLEBINDING
from ..kube.readiness import pod_problem
from ..kube.watch import Snapshot, Watch
from .deadman import DIGEST, KINDS, LABEL, Man, name_of, namespaces_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = dict[str, Any]
LOG_LINES = 5


def present(client: KubeClient, man: Man, timeout: float) -> bool:
    """Bring the dead man to what it should be, and wait until it watches; whether anything was changed.

    A Job cannot be changed, so another one takes its place. Meanwhile nobody watches, for a second or two.
    """
    deadline = time.monotonic() + timeout
    old = client.get(JOB, man.name, man.run.namespace)
    if old and _digest(old) == man.digest and not finished(old):
        if not client.dry_run:
            wait(client, man, deadline, timeout)
        return False
    if old:
        client.delete(JOB, man.name, man.run.namespace, uid=old["metadata"]["uid"])
    for kind, body, namespace in man.objects():
        client.apply(kind, body, namespace, force=True)
    if not client.dry_run:
        _gone(client, man, deadline)
        client.create(JOB, man.job(), man.run.namespace)
        wait(client, man, deadline, timeout)
    return True


def _digest(job: Obj) -> str:
    return str((job["metadata"].get("annotations") or {}).get(DIGEST, ""))


def finished(job: Obj) -> str:
    """How a Job has ended; empty while it has not."""
    conditions = (job.get("status") or {}).get("conditions") or []
    ended = [one for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True"]
    return ": ".join(filter(None, [str(ended[0]["type"]), str(ended[0].get("message", ""))])) if ended else ""


def _gone(client: KubeClient, man: Man, deadline: float) -> None:
    """A name is free when the object that had it is."""
    named = Watch(JOB, man.run.namespace, f"{LABEL}={man.run.lease}")
    for snapshot in client.watch([named], deadline):
        if man.name not in snapshot.objects[JOB]:
            return
    raise _not_watching(man, "the Job before it does not go away")


def wait(client: KubeClient, man: Man, deadline: float, timeout: float) -> None:
    """Until its pod has rehearsed and runs; ``NotReady`` says why it does not."""
    namespace = man.run.namespace
    watches = [Watch(JOB, namespace, f"{LABEL}={man.run.lease}"), Watch(POD, namespace, f"{LABEL}={man.run.lease}")]
    for snapshot in client.watch(watches, deadline):
        if watching(snapshot, man):
            return
        if why := _hopeless(snapshot, man):
            raise _not_watching(man, why, _log(client, snapshot, man))
    raise _not_watching(man, f"it was not there within {timeout:g} s")


def watching(snapshot: Snapshot, man: Man) -> bool:
    job = snapshot.objects[JOB].get(man.name)
    return bool(job and _digest(job) == man.digest and (job.get("status") or {}).get("ready"))


def _hopeless(snapshot: Snapshot, man: Man) -> str:
    job = snapshot.objects[JOB].get(man.name) or {}
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


def _log(client: KubeClient, snapshot: Snapshot, man: Man) -> list[str]:
    job = snapshot.objects[JOB].get(man.name) or {}
    return [
        line
        for pod in _pods(snapshot, job)
        for container in ("rehearsal", "dead-man")
        for line in client.logs(pod["metadata"]["name"], man.run.namespace, container, tail=LOG_LINES).splitlines()
    ]


def _not_watching(man: Man, why: str, log: list[str] | None = None) -> NotReady:
    said = f" It says: {log[-1]}" if log else ""
    return NotReady(
        f"The dead man does not watch: {why}.{said}",
        where=f"Job {man.run.namespace}/{man.name}",
        remedy="use an image with python3 that the namespace may run, or release without the dead man",
        log=log or [],
    )


def absent(client: KubeClient, namespace: str, lease: str) -> bool:
    """Remove every trace; whether there was any."""
    name = name_of(lease)
    elsewhere = set(namespaces_of(client.get(CONFIGMAP, name, namespace))) - {namespace}
    gone = [client.delete(kind, name, other) for other in sorted(elsewhere) for kind in (ROLEBINDING, ROLE)]
    gone += [client.delete(kind, name, namespace) for kind in KINDS]
    return any(gone)
