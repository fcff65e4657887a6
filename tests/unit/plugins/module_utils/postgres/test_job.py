# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs end in two ways, or in neither; each is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CRONJOB, JOB, POD
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Snapshot
from ansible_collections.runbook.release.plugins.module_utils.postgres.job import ClientJob, run_cronjob, unique

Obj = dict[str, Any]
CRON = {
    "metadata": {"name": "nightly"},
    "spec": {
        "jobTemplate": {
            "metadata": {"labels": {"app": "dump"}, "annotations": {"team": "data"}},
            "spec": {"backoffLimit": 1, "template": {"spec": {"containers": []}}},
        }
    },
}


class Cluster:
    """Goes through the scenes of a Job: its condition and its pods, one after another."""

    def __init__(self, *scenes: tuple[str, Sequence[Obj]], dry_run: bool = False, cronjob: Obj | None = None) -> None:
        self.scenes, self.dry_run, self.cronjob = scenes, dry_run, cronjob
        self.created: list[Obj] = []

    def get(self, kind: Any, name: str, _namespace: str) -> Obj | None:
        assert kind is CRONJOB
        return self.cronjob if name == "nightly" else None

    def create(self, kind: Any, body: Obj, _namespace: str) -> Obj:
        assert kind is JOB
        self.created.append(body)
        return body

    def logs(self, pod: str, _namespace: str, **_more: Any) -> str:
        return f"logs of {pod}"

    def watch(self, _watches: Any, _deadline: float, *, tick: float) -> Iterator[Snapshot]:
        assert tick > 0
        name = self.created[-1]["metadata"]["name"]
        for condition, pods in self.scenes:
            conditions = [{"type": condition, "status": "True", "reason": "Why", "message": "told"}]
            job = {"metadata": {"name": name}, "status": {"conditions": conditions if condition else []}}
            yield Snapshot({JOB: {name: job}, POD: {pod["metadata"]["name"]: pod for pod in pods}})


def pod(name: str, phase: str, **state: Any) -> Obj:
    status = {"phase": phase, "containerStatuses": [{"name": "client", "state": state}]}
    return {"metadata": {"name": name, "creationTimestamp": name}, "spec": {"restartPolicy": "Never"}, "status": status}


def run(cluster: Any) -> Any:
    return run_cronjob(cluster, "shop", "nightly", 60)


def test_a_job_made_from_a_cronjob_is_watched_until_it_completes_and_its_logs_are_kept() -> None:
    cluster = Cluster(("", [pod("a", "Running")]), ("Complete", [pod("a", "Succeeded")]), cronjob=CRON)
    outcome = run(cluster)
    (job,) = cluster.created
    assert outcome.job == job["metadata"]["name"]
    assert outcome.job.startswith("nightly-")
    assert outcome.logs == "logs of a"
    assert job["metadata"]["labels"]["app"] == "dump"
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert job["spec"]["backoffLimit"] == 1


def test_a_job_that_fails_is_an_error_with_its_logs() -> None:
    cluster = Cluster(("", []), ("Failed", [pod("a", "Failed"), pod("b", "Failed")]), cronjob=CRON)
    with pytest.raises(ReleaseError, match=r"the Job nightly-\w{8} failed: Why: told") as caught:
        run(cluster)
    assert caught.value.details["logs"] == "logs of b"
    assert "logs of" not in caught.value.record


def test_a_job_that_neither_completes_nor_fails_is_not_success() -> None:
    cluster = Cluster(("", [pod("a", "Running")]), cronjob=CRON)
    with pytest.raises(NotReady, match="neither completed nor failed within 60 s; it still runs"):
        run(cluster)


def test_a_job_that_cannot_start_is_told_at_once() -> None:
    waiting = pod("a", "Pending", waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    with pytest.raises(NotReady, match="cannot start: container client of pod a: ImagePullBackOff: no such image"):
        run(Cluster(("", [waiting]), ("Complete", []), cronjob=CRON))


def test_a_cronjob_that_is_not_there_is_refused_and_check_mode_makes_no_job() -> None:
    with pytest.raises(Refused, match="there is no CronJob nightly"):
        run(Cluster())
    cluster = Cluster(dry_run=True, cronjob=CRON)
    assert run(cluster).job == ""
    assert cluster.created == []


def test_the_password_of_a_client_job_stays_in_its_secret() -> None:
    cluster: Any = Cluster(("", [pod("a", "Running", running={})]))
    job = ClientJob(cluster, "shop", "postgres:15", 60, {"name": "pg", "key": "password"})
    assert job._running() == "a"
    (made,) = cluster.created
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "pg", "key": "password"}}}
    ]
    assert made["spec"]["activeDeadlineSeconds"] == 60
    assert job._running() == "a"
    assert len(cluster.created) == 1


def test_a_client_job_is_not_made_in_check_mode() -> None:
    cluster: Any = Cluster(dry_run=True)
    with pytest.raises(Refused, match="in check mode no Job is made"):
        ClientJob(cluster, "shop", "postgres:15", 60)._running()
    assert cluster.created == []


def test_names_of_jobs_are_unique_and_never_too_long() -> None:
    names = {unique("a" * 52 + "-" + "b" * 20) for _time in range(20)}
    assert len(names) == 20
    assert all(len(name) <= 63 and "--" not in name for name in names)
