# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in the cluster: one whose pod has the client programs, and one made from the CronJob that makes the backups."""

from __future__ import annotations

import contextlib
import copy
import secrets
import time
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import NotReady, Refused, ReleaseError
from ..kube.kinds import CRONJOB, JOB, POD
from ..kube.pod_stream import PodStream
from ..kube.problems import Watchdog
from ..kube.watch import Snapshot, Watch

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient

MANAGED = {"app.kubernetes.io/managed-by": "runbook.release"}
CONTAINER = "client"
KEPT = 86_400
LOG_LINES = 2000
LONGEST_NAME = 63
_LOOK_EVERY = 5.0
_WAITING = "trap 'exit 0' TERM; sleep {seconds} & wait $!; exit 3"
_LEAVE = ("sh", "-c", "kill -TERM 1")

Obj = dict[str, t.Any]


@dataclass(frozen=True)
class Outcome:
    """A Job that has completed: its name, how long it took, and what its pods wrote."""

    job: str
    seconds: float
    logs: str


@dataclass
class ClientJob:
    """A Job whose one pod waits, with the client programs of ``image``, for commands to be run in it.

    ``password`` is the key of a Secret, which never leaves the cluster. It ends by ``end``, or by itself after
    ``timeout`` seconds; Job and pod stay for a day.
    """

    client: KubeClient
    namespace: str
    image: str
    timeout: float
    password: Mapping[str, str] | None = None
    name: str = field(default_factory=lambda: unique("pg-client"))
    _pod: str = ""

    def open(self, argv: Sequence[str]) -> PodStream:
        return PodStream(self.client.connection, self._running(), self.namespace, CONTAINER, argv)

    def end(self) -> None:
        """Let the Job complete; one that cannot be told to ends by its timeout."""
        pod, self._pod = self._pod, ""
        if pod:
            with (
                contextlib.suppress(ReleaseError),
                PodStream(self.client.connection, pod, self.namespace, CONTAINER, _LEAVE) as stream,
            ):
                stream.read(_LOOK_EVERY)

    def _running(self) -> str:
        if not self._pod:
            if self.client.dry_run:
                raise Refused(
                    "in check mode no Job is made, and without one the server cannot be asked",
                    where=f"namespace {self.namespace}",
                    remedy="look at it with server.mode tcp or exec, or run without check mode",
                )
            self.client.create(JOB, self._body(), self.namespace)
            self._pod = _await(self.client, self.namespace, self.name, self.timeout, _started)
        return self._pod

    def _body(self) -> Obj:
        environment = []
        if self.password:
            reference = {"name": self.password["name"], "key": self.password["key"]}
            environment.append({"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": reference}})
        container = {
            "name": CONTAINER,
            "image": self.image,
            "command": ["sh", "-c", _WAITING.format(seconds=int(self.timeout))],
            "env": environment,
        }
        return {
            "metadata": {"name": self.name, "labels": dict(MANAGED)},
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": int(self.timeout),
                "ttlSecondsAfterFinished": KEPT,
                "template": {
                    "metadata": {"labels": dict(MANAGED)},
                    "spec": {
                        "restartPolicy": "Never",
                        "automountServiceAccountToken": False,
                        "terminationGracePeriodSeconds": 5,
                        "containers": [container],
                    },
                },
            },
        }


def run_cronjob(client: KubeClient, namespace: str, cronjob: str, timeout: float) -> Outcome:
    """Run what a CronJob runs, now and once: its command writes the backup where it writes it.

    Returns when the Job has completed; ReleaseError with its logs when it failed, NotReady when it takes too long.
    """
    found = client.get(CRONJOB, cronjob, namespace)
    if found is None:
        raise Refused(f"there is no CronJob {cronjob}", where=f"namespace {namespace}", remedy="correct server.cronjob")
    if client.dry_run:
        return Outcome("", 0.0, "")
    name, begun = unique(cronjob), time.monotonic()
    client.create(JOB, _from_template(found, name), namespace)
    pod = _await(client, namespace, name, timeout, _completed)
    return Outcome(name, time.monotonic() - begun, client.logs(pod, namespace, tail=LOG_LINES) if pod else "")


def unique(base: str) -> str:
    """A name for a Job that no other run has."""
    suffix = secrets.token_hex(4)
    return f"{base[: LONGEST_NAME - len(suffix) - 1].rstrip('-.')}-{suffix}"


def _from_template(cronjob: Obj, name: str) -> Obj:
    template = copy.deepcopy(cronjob["spec"]["jobTemplate"])
    metadata = template.get("metadata") or {}
    return {
        "metadata": {
            "name": name,
            "labels": {**(metadata.get("labels") or {}), **MANAGED},
            "annotations": {**(metadata.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"},
        },
        "spec": {"ttlSecondsAfterFinished": KEPT, **template["spec"]},
    }


Reached = t.Callable[[Obj, Sequence[Obj]], "str | None"]


def _await(client: KubeClient, namespace: str, name: str, timeout: float, reached: Reached) -> str:
    """What ``reached`` returns for the Job and its pods, newest last, as soon as it is not None."""
    watches = [Watch(JOB, namespace), Watch(POD, namespace, f"job-name={name}")]
    deadline, dog, job = time.monotonic() + timeout, Watchdog(), Obj()
    for snapshot in client.watch(watches, deadline, tick=_LOOK_EVERY):
        job, pods = _seen(snapshot, name)
        _refuse_failed(client, namespace, name, job, pods)
        answer = reached(job, pods) if job else None
        if answer is not None:
            return answer
        certain, _all = dog.judge([], [pod for pod in pods if _phase(pod) == "Pending"], [], snapshot.at)
        if certain:
            raise NotReady(
                f"the Job {name} cannot start: {certain[0]}",
                where=f"namespace {namespace}",
                remedy="correct what is named, delete the Job, then run again",
                job=name,
            )
    raise NotReady(
        f"the Job {name} has neither completed nor failed within {timeout:g} s; it still runs",
        where=f"namespace {namespace}",
        remedy="see what it waits for with kubectl logs; allow more with server.timeout, or delete the Job",
        job=name,
    )


def _seen(snapshot: Snapshot, name: str) -> tuple[Obj, list[Obj]]:
    pods = sorted(snapshot.objects[POD].values(), key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    return snapshot.objects[JOB].get(name) or {}, pods


def _refuse_failed(client: KubeClient, namespace: str, name: str, job: Obj, pods: Sequence[Obj]) -> None:
    failed = _condition(job, "Failed")
    if failed is None:
        return
    logs = client.logs(pods[-1]["metadata"]["name"], namespace, tail=LOG_LINES) if pods else ""
    what = f"the Job {name} failed: {failed.get('reason') or 'Failed'}: {failed.get('message') or 'no message'}"
    raise ReleaseError(
        what,
        where=f"namespace {namespace}",
        remedy="read the logs in the result; the Job is kept for a day",
        record=what,
        job=name,
        logs=logs,
    )


def _started(_job: Obj, pods: Sequence[Obj]) -> str | None:
    """The pod, once its container runs."""
    for pod in pods:
        statuses = (pod.get("status") or {}).get("containerStatuses") or []
        if any("running" in (status.get("state") or {}) for status in statuses):
            return str(pod["metadata"]["name"])
    return None


def _completed(job: Obj, pods: Sequence[Obj]) -> str | None:
    """The pod that completed it, or an empty text when it is gone."""
    if _condition(job, "Complete") is None:
        return None
    done = [pod for pod in pods if _phase(pod) == "Succeeded"]
    return str(done[-1]["metadata"]["name"]) if done else ""


def _condition(job: Obj, type: str) -> Obj | None:
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == type and one["status"] == "True"), None)


def _phase(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase") or "")
