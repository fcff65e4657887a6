# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration as a Job: watched to either end, found again after a kill, and never beside another one.

The cluster is scripted, for what a Job does here cannot be made to happen at a chosen moment; the real thing is in
``tests/cluster_cases``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import JOB, POD
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Snapshot
from ansible_collections.runbook.release.plugins.module_utils.migration.job_runner import AsJob
from ansible_collections.runbook.release.plugins.module_utils.migration.job_spec import Task, job_of

Obj = dict[str, Any]
TASK = Task("shop", "orders", "shop", "r-1", "shop:2", {"containers": [{"name": "app"}]}, "", 600, "")
UP = ["shop", "migrate"]


class ScriptedCluster:
    """Jobs, and what becomes of the newest one, snapshot by snapshot."""

    dry_run = False

    def __init__(self, *script: Callable[[Obj], Any], jobs: tuple[Obj, ...] = (), pods: tuple[Obj, ...] = ()) -> None:
        self.script, self.jobs, self.pods = script, {job["metadata"]["name"]: job for job in jobs}, pods
        self.created: list[str] = []
        self.deleted: list[str] = []

    def list(self, kind: Any, namespace: str, labels: str = "") -> list[Obj]:
        return list(self.jobs.values()) if kind is JOB else list(self.pods)

    def create(self, kind: Any, body: Obj, namespace: str) -> Obj:
        self.created.append(body["metadata"]["name"])
        self.jobs[body["metadata"]["name"]] = body
        return body

    def delete(self, kind: Any, name: str, namespace: str) -> bool:
        self.deleted.append(name)
        return True

    def logs(self, pod: str, namespace: str, **more: Any) -> str:
        return f"{pod} said this\n"

    def watch(self, watches: Any, deadline: float) -> Iterator[Snapshot]:
        for act in self.script:
            name = (self.created or list(self.jobs))[-1]
            act(self.jobs)
            job = self.jobs.get(name)
            yield Snapshot({JOB: {name: job} if job else {}, POD: {pod["metadata"]["name"]: pod for pod in self.pods}})


def nothing(jobs: Any) -> None:
    """A snapshot without news."""


def ends(how: str, reason: str = "") -> Callable[[Any], None]:
    def act(jobs: dict[str, Obj]) -> None:
        jobs[list(jobs)[-1]]["status"] = {"conditions": [{"type": how, "status": "True", "reason": reason}]}

    return act


def pod(phase: str = "Running", **status: Any) -> Obj:
    return {
        "metadata": {"name": "pod-1", "uid": "1"},
        "spec": {"restartPolicy": "Never"},
        "status": {"phase": phase, **status},
    }


def exited(code: int) -> Obj:
    return pod("Failed", containerStatuses=[{"name": "app", "state": {"terminated": {"exitCode": code}}}])


def test_a_job_that_completes_gives_its_logs_and_stays_to_be_looked_at() -> None:
    cluster = ScriptedCluster(nothing, ends("Complete"), pods=(pod("Succeeded"),))
    assert AsJob(cluster, TASK).run(UP, changes=True) == "pod-1 said this\n"  # type: ignore[arg-type]
    assert (len(cluster.created), cluster.deleted) == (1, [])


def test_a_job_that_only_asks_is_removed() -> None:
    cluster = ScriptedCluster(ends("Complete"), pods=(pod("Succeeded"),))
    AsJob(cluster, TASK).run(["shop", "migrations"])  # type: ignore[arg-type]
    assert cluster.deleted == cluster.created


def test_a_job_that_fails_is_an_error_with_exit_code_and_log() -> None:
    cluster = ScriptedCluster(nothing, ends("Failed", "BackoffLimitExceeded"), pods=(exited(3),))
    with pytest.raises(ReleaseError, match="exit code 3: pod-1 said this") as failed:
        AsJob(cluster, TASK).run(UP, changes=True)  # type: ignore[arg-type]
    assert "BackoffLimitExceeded" in failed.value.where
    assert failed.value.details["log"] == "pod-1 said this\n"
    assert "said this" not in failed.value.record


def test_a_job_that_a_killed_run_left_is_waited_for_and_not_started_again() -> None:
    cluster = ScriptedCluster(nothing, ends("Complete"), jobs=(job_of(TASK, UP, 1),), pods=(pod("Succeeded"),))
    runner = AsJob(cluster, TASK)  # type: ignore[arg-type]
    assert runner.underway()
    assert runner.run(UP, changes=True)
    assert cluster.created == []


def test_after_a_failed_attempt_comes_another_with_its_own_name() -> None:
    failed = job_of(TASK, UP, 1) | {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    cluster = ScriptedCluster(ends("Complete"), jobs=(failed,), pods=(pod("Succeeded"),))
    runner = AsJob(cluster, TASK)  # type: ignore[arg-type]
    assert not runner.underway()
    runner.run(UP, changes=True)
    assert cluster.created == [job_of(TASK, UP, 2)["metadata"]["name"]]


def test_another_migration_of_the_same_database_is_not_joined() -> None:
    other = job_of(replace(TASK, migration="payments"), UP, 1)
    cluster = ScriptedCluster(jobs=(other,))
    with pytest.raises(Refused, match=f"Job {other['metadata']['name']} is migrating database shop already"):
        AsJob(cluster, TASK).run(UP, changes=True)  # type: ignore[arg-type]
    assert cluster.created == []


def test_a_pod_that_cannot_start_ends_the_wait_and_the_job() -> None:
    waiting = {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    cluster = ScriptedCluster(nothing, nothing, pods=(pod("Pending", containerStatuses=[waiting]),))
    with pytest.raises(NotReady, match=r"ImagePullBackOff.*Nothing was changed"):
        AsJob(cluster, TASK).run(UP, changes=True)  # type: ignore[arg-type]
    assert cluster.deleted == cluster.created


def test_a_job_that_takes_too_long_is_ended_once_its_log_is_kept() -> None:
    cluster = ScriptedCluster(nothing, nothing, pods=(pod(),))
    with pytest.raises(NotReady, match="did not end within 600 s") as late:
        AsJob(cluster, TASK).run(UP, changes=True)  # type: ignore[arg-type]
    assert late.value.details["log"] == "pod-1 said this\n"
    assert cluster.deleted == cluster.created


def test_a_job_that_disappears_is_an_error() -> None:
    cluster = ScriptedCluster(nothing, lambda jobs: jobs.clear())
    with pytest.raises(ReleaseError, match="was deleted while it ran"):
        AsJob(cluster, TASK).run(UP, changes=True)  # type: ignore[arg-type]


def test_a_lost_lock_ends_the_wait_and_leaves_the_job() -> None:
    def lost() -> None:
        raise Refused("the lock is somebody else's")

    cluster = ScriptedCluster(nothing, ends("Complete"))
    with pytest.raises(Refused, match="somebody else's"):
        AsJob(cluster, TASK).run(UP, lost, changes=True)  # type: ignore[arg-type]
    assert cluster.deleted == []


def test_a_job_that_ends_between_the_look_and_the_start_is_not_started_again() -> None:
    left = job_of(TASK, UP, 1)
    cluster = ScriptedCluster(nothing, jobs=(left,), pods=(pod("Succeeded"),))
    runner = AsJob(cluster, TASK)  # type: ignore[arg-type]
    assert runner.underway()
    ends("Complete")(cluster.jobs)
    assert runner.run(UP, changes=True) == "pod-1 said this\n"
    assert cluster.created == []
