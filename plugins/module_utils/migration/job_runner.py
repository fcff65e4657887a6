# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The command of a migration as a Job with the image of the new version, watched until it is complete or failed.

A Job that a killed run has left is found again and waited for; it is not started a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import NotReady, Refused, ReleaseError
from ..kube.kinds import JOB, POD
from ..kube.problems import Watchdog
from ..kube.watch import Watch
from .job_spec import DATABASE, DIGEST, MIGRATION, Task, image_of, job_of, number_of, outcome, slug
from .runner import TAIL, Runner, failed, late, nobody_asks

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = Mapping[str, Any]

LINES, BYTES = 5000, 1 << 20


class AsJob(Runner):
    """In check mode no Job is made, so nobody is asked then."""

    def __init__(self, client: KubeClient, task: Task) -> None:
        self._client, self._task = client, task
        self._left: frozenset[str] = frozenset()
        self.asks_freely = not client.dry_run
        self.what = f"image {task.image}"

    def run(self, argv: Sequence[str], check: Callable[[], None] = nobody_asks, *, changes: bool = False) -> str:
        job = self._started(argv, alone=changes)
        name = str(job["metadata"]["name"])
        try:
            how, why = self._watched(name, argv, check)
            said, code = self._logs(name)
        finally:
            if not changes:
                self._client.delete(JOB, name, self._task.namespace)
        if how != "Complete":
            raise failed(argv, f"Job {self._task.namespace}/{name} ({why})", code, said)
        return said

    def underway(self) -> bool:
        task = self._task
        jobs = self._client.list(JOB, task.namespace, f"{MIGRATION}={slug(task.migration)}")
        left = (job for job in jobs if outcome(job) is None and image_of(job) == task.image)
        self._left = frozenset(str(job["metadata"]["name"]) for job in left)
        return bool(self._left)

    def _started(self, argv: Sequence[str], *, alone: bool) -> Obj:
        """The Job of this command that runs, or ran when we first looked, or a new one."""
        task = self._task
        labels = task.labels(argv)
        jobs = self._client.list(JOB, task.namespace, f"{DATABASE}={labels[DATABASE]}")
        mine, running = by_digest(jobs, labels[DIGEST])
        found = running or next((job for job in mine if job["metadata"]["name"] in self._left), None)
        if found:
            return found
        if alone:
            _check_alone(jobs, task)
        number = max(map(number_of, mine), default=0) + 1
        return self._client.create(JOB, job_of(task, argv, number), task.namespace)

    def _watched(self, name: str, argv: Sequence[str], check: Callable[[], None]) -> tuple[str, str]:
        task, watchdog = self._task, Watchdog()
        watches = [Watch(JOB, task.namespace, _only(task, argv)), Watch(POD, task.namespace, f"job-name={name}")]
        for snapshot in self._client.watch(watches, time.monotonic() + task.timeout):
            check()
            job = snapshot.objects[JOB].get(name)
            if job is None:
                raise ReleaseError(
                    f"Job {name} was deleted while it ran. What it has done to the schema so far may stay",
                    where=f"namespace {task.namespace}",
                    remedy="run this again: it reads the revision first",
                )
            ended = outcome(job)
            if ended:
                return ended
            starting = [pod for pod in snapshot.objects[POD].values() if pod["status"].get("phase") == "Pending"]
            certain, _all = watchdog.judge((), starting, (), snapshot.at)
            if certain:
                self._client.delete(JOB, name, task.namespace)
                raise NotReady(
                    f"Job {name} cannot start: {certain[0]}. Nothing was changed",
                    where=f"namespace {task.namespace}",
                    remedy="check the image and what its pod refers to",
                )
        error = late(argv, f"Job {task.namespace}/{name}", task.timeout)
        error.details["log"] = self._logs(name)[0][-TAIL:]
        self._client.delete(JOB, name, task.namespace)
        raise error

    def _logs(self, name: str) -> tuple[str, int | None]:
        """What its pod wrote, and its exit code."""
        said, code = [], None
        for pod in self._client.list(POD, self._task.namespace, f"job-name={name}"):
            said.append(self._client.logs(pod["metadata"]["name"], self._task.namespace, tail=LINES, limit=BYTES))
            for one in (pod.get("status") or {}).get("containerStatuses") or []:
                code = ((one.get("state") or {}).get("terminated") or {}).get("exitCode", code)
        return "".join(said), code


def by_digest(jobs: Sequence[Obj], wanted: str) -> tuple[list[Obj], Obj | None]:
    """The Jobs of one command, and the one of them that still runs."""
    mine = [job for job in jobs if job["metadata"]["labels"].get(DIGEST) == wanted]
    return mine, next((job for job in mine if outcome(job) is None), None)


def _check_alone(jobs: Sequence[Obj], task: Task) -> None:
    others = [job["metadata"]["name"] for job in jobs if outcome(job) is None]
    if others:
        raise Refused(
            f"Job {others[0]} is migrating database {task.database} already. Nothing was changed",
            where=f"namespace {task.namespace}",
            remedy="wait until it has ended, or delete it once you know what it does",
        )


def _only(task: Task, argv: Sequence[str]) -> str:
    return f"{DIGEST}={task.digest(argv)}"
