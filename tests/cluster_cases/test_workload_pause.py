# SPDX-License-Identifier: GPL-3.0-or-later
"""What writes is stopped and comes back exactly, on a real cluster and across a SIGKILL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CRONJOB,
    DEPLOYMENT,
    HPA,
    NAMESPACE,
    POD,
    STATEFULSET,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.plugins.module_utils.workloads.observe import Selection
from ansible_collections.runbook.release.plugins.module_utils.workloads.operate import Outcome, Request, operate
from ansible_collections.runbook.release.plugins.module_utils.workloads.record import PAUSED

Obj = dict[str, Any]
SPACE = "workload-pause-case"
TESTS = Path(__file__).resolve().parents[1]
MODULE = "import conftest; from ansible_collections.runbook.release.plugins.modules.workload_pause import main; main()"
EVERYTHING = Selection((("StatefulSet", "queue"),), (), True)
BEFORE = {"api": 2, "worker": 1, "spare": 0, "queue": 1, "cleanup": False}


def pod(name: str) -> Obj:
    container = {
        "name": "app",
        "image": "localhost/podinfo:6.9.2",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898"],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
    }
    spec = {"terminationGracePeriodSeconds": 5, "containers": [container]}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def workload(name: str, replicas: int, **more: Any) -> Obj:
    selector = {"matchLabels": {"app": name}}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": selector, "template": pod(name), **more},
    }


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture(autouse=True)
def space(client: KubeClient) -> Iterator[None]:
    gone(client)
    client.create(NAMESPACE, {"metadata": {"name": SPACE}})
    for name in ("api", "worker", "spare"):
        client.create(DEPLOYMENT, workload(name, BEFORE[name]), SPACE)
    client.create(STATEFULSET, workload("queue", 1, serviceName="queue"), SPACE)
    template = {"spec": {**pod("cleanup")["spec"], "restartPolicy": "Never"}}
    cron = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    client.create(CRONJOB, {"metadata": {"name": "cleanup"}, "spec": cron}, SPACE)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}},
    }
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4, "metrics": [metric]}
    client.create(HPA, {"metadata": {"name": "api"}, "spec": spec}, SPACE)
    awaited(lambda: len(pods(client)) == 4)
    yield
    client.delete(NAMESPACE, SPACE)


def gone(client: KubeClient) -> None:
    client.delete(NAMESPACE, SPACE)
    awaited(lambda: client.get(NAMESPACE, SPACE) is None)


def awaited(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def pods(client: KubeClient) -> list[Obj]:
    return client.list(POD, SPACE)


def sizes(client: KubeClient) -> dict[str, Any]:
    found = [*client.list(DEPLOYMENT, SPACE), *client.list(STATEFULSET, SPACE)]
    crons = {one["metadata"]["name"]: one["spec"]["suspend"] for one in client.list(CRONJOB, SPACE)}
    return {one["metadata"]["name"]: one["spec"]["replicas"] for one in found} | crons


def run(
    client: KubeClient, state: str, selection: Selection = EVERYTHING, name: str = "restore", **more: Any
) -> Outcome:
    return operate(client, Request(SPACE, name, state, selection, **{"timeout": 90.0, **more}), Book())


def start(**options: Any) -> subprocess.Popen[str]:
    given = {"namespace": SPACE, "name": "restore", "everything": True, **options}
    given["workloads"] = [{"kind": "StatefulSet", "name": "queue"}]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    args = json.dumps({"ANSIBLE_MODULE_ARGS": given})
    return subprocess.Popen(
        [sys.executable, "-c", MODULE, args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_everything_is_gone_when_it_returns_and_comes_back_exactly(client: KubeClient) -> None:
    hpa = client.get(HPA, "api", SPACE)
    assert run(client, "paused").plan.steps
    assert pods(client) == []
    assert sizes(client) == {"api": 0, "worker": 0, "spare": 0, "queue": 0, "cleanup": True}
    assert not run(client, "paused").plan.steps
    back = run(client, "resumed")
    assert (sizes(client), len(pods(client)), back.plan.warnings) == (BEFORE, 4, ())
    now = client.get(HPA, "api", SPACE)
    assert hpa
    assert now
    assert hpa["spec"] == now["spec"]
    assert not any(PAUSED in (one["metadata"].get("annotations") or {}) for one in client.list(DEPLOYMENT, SPACE))
    assert not run(client, "resumed").plan.steps


def test_a_killed_run_is_finished_by_the_next_both_ways(client: KubeClient) -> None:
    for state, selected in (
        ("paused", lambda size: size in (0, True)),
        ("resumed", lambda size: size not in (0, True)),
    ):
        process = start(state=state)
        awaited(lambda is_done=selected: is_done(sizes(client)["api"]))
        process.kill()
        process.wait()
        run(client, state)
    assert (sizes(client), len(pods(client))) == (BEFORE, 4)


def test_the_module_says_what_it_did_and_then_that_nothing_was_to_do(client: KubeClient) -> None:
    first, second = (json.loads(start(state="paused").communicate(timeout=200)[0]) for _each in range(2))
    assert (first["changed"], second["changed"]) == (True, False)
    assert "scale Deployment api from 2 to 0" in first["plan"]
    assert {"kind": "CronJob", "name": "cleanup", "before": 1, "after": 0} in first["workloads"]


def test_check_mode_scales_nothing(client: KubeClient) -> None:
    dry = KubeClient(client.auth, dry_run=True)
    assert "suspend CronJob cleanup" in run(dry, "paused").plan.sentences()
    assert sizes(client) == BEFORE


def test_another_pause_of_the_same_workload_is_refused(client: KubeClient) -> None:
    run(client, "paused")
    with pytest.raises(Refused, match="is paused for restore already"):
        run(client, "paused", name="maintenance")


def test_somebody_who_scales_up_meanwhile_is_named(client: KubeClient) -> None:
    holding = {"metadata": {"finalizers": ["runbook.release/hold"]}}
    name = next(one["metadata"]["name"] for one in pods(client) if one["metadata"]["labels"]["app"] == "worker")
    client.merge_patch(POD, name, holding, SPACE)
    process = start(state="paused")
    try:
        awaited(lambda: sizes(client)["worker"] == 0)
        client.scale(DEPLOYMENT, "worker", 3, SPACE)
        result = json.loads(process.communicate(timeout=120)[0])
        assert "Deployment worker was scaled up again" in result["msg"]
    finally:
        client.merge_patch(POD, name, {"metadata": {"finalizers": None}}, SPACE)


def test_a_pod_that_does_not_end_keeps_it_from_returning(client: KubeClient) -> None:
    name = next(one["metadata"]["name"] for one in pods(client) if one["metadata"]["labels"]["app"] == "worker")
    client.merge_patch(POD, name, {"metadata": {"finalizers": ["runbook.release/hold"]}}, SPACE)
    try:
        with pytest.raises(NotReady, match=f"still there: pod {name}"):
            run(client, "paused", timeout=12.0)
    finally:
        client.merge_patch(POD, name, {"metadata": {"finalizers": None}}, SPACE)
    run(client, "paused")
    assert pods(client) == []
