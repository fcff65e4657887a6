# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria about objects of a real cluster, commands in its pods and servers behind its Services."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    CRONJOB,
    DEPLOYMENT,
    HPA,
    JOB,
    NAMESPACE,
    POD,
    RESOURCEQUOTA,
    SECRET,
    SERVICE,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.overview import overview, summary
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import measure
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.verdict import Verdict

SPACE = "tor-sources-case"
PODINFO = "localhost/podinfo:6.9.2"
BUSYBOX = "localhost/pause:1"
PATIENCE = 120.0

Obj = dict[str, Any]


def container(image: str, *command: str, **more: Any) -> Obj:
    return {"name": "main", "image": image, "imagePullPolicy": "Never", "command": list(command), **more}


def deployment(name: str, replicas: int, own: Obj) -> Obj:
    spec = {"containers": [own], "terminationGracePeriodSeconds": 1}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def job(name: str, *command: str) -> Obj:
    spec = {"containers": [container(BUSYBOX, "/bin/busybox", *command)], "restartPolicy": "Never"}
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": spec}}}


def wait_for(client: KubeClient, watch: Watch, condition: Callable[[dict[str, Obj]], Any]) -> None:
    for snapshot in client.watch([watch], time.monotonic() + PATIENCE):
        if condition(snapshot.objects[watch.kind]):
            return
    pytest.fail("it never came true")


def conditions(found: Obj) -> set[str]:
    return {one["type"] for one in (found.get("status") or {}).get("conditions") or [] if one["status"] == "True"}


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    own = KubeClient()
    own.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    ready = {"readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1}}
    own.apply(DEPLOYMENT, deployment("web", 2, container(PODINFO, "./podinfo", "--port=9898", **ready)), SPACE)
    own.apply(DEPLOYMENT, deployment("box", 1, container(BUSYBOX, "/bin/busybox", "sleep", "3600")), SPACE)
    own.apply(DEPLOYMENT, deployment("crashing", 1, container(BUSYBOX, "/bin/nothing")), SPACE)
    port = {"name": "http", "port": 80, "targetPort": 9898}
    own.apply(SERVICE, {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [port]}}, SPACE)
    own.apply(SERVICE, {"metadata": {"name": "nobody"}, "spec": {"selector": {"app": "x"}, "ports": [port]}}, SPACE)
    own.apply(SECRET, {"metadata": {"name": "db"}, "stringData": {"username": "me", "password": "s3cret-value"}}, SPACE)
    own.apply(CONFIGMAP, {"metadata": {"name": "settings"}, "data": {"LEVEL": "info"}}, SPACE)
    own.apply(RESOURCEQUOTA, {"metadata": {"name": "all"}, "spec": {"hard": {"configmaps": "4"}}}, SPACE)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    own.apply(HPA, {"metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, "maxReplicas": 2}}, SPACE)
    own.apply(JOB, job("good", "true"), SPACE)
    own.apply(JOB, job("bad", "false"), SPACE)
    template = {"template": {"spec": job("x", "true")["spec"]["template"]["spec"]}}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": template}}
    own.apply(CRONJOB, {"metadata": {"name": "never"}, "spec": spec}, SPACE)
    wait_for(own, Watch(DEPLOYMENT, SPACE), lambda found: found["web"].get("status", {}).get("readyReplicas") == 2)
    wait_for(own, Watch(DEPLOYMENT, SPACE), lambda found: found["box"].get("status", {}).get("readyReplicas") == 1)
    wait_for(own, Watch(JOB, SPACE), lambda found: conditions(found["good"]) >= {"Complete"})
    wait_for(own, Watch(JOB, SPACE), lambda found: conditions(found["bad"]) >= {"Failed"})
    wait_for(own, Watch(POD, SPACE), lambda found: any(_in_crash_loop(pod) for pod in found.values()))
    wait_for(own, Watch(HPA, SPACE), lambda found: "desiredReplicas" in found["web"].get("status", {}))
    yield own
    own.delete(NAMESPACE, SPACE)


def _in_crash_loop(pod: Obj) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any((one["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff" for one in statuses)


def judge(client: KubeClient, source: Obj, select: str, expect: Any, **entry: Any) -> Verdict:
    given = {"name": "it", "source": source, "select": select, "expect": expect, "timeout": 20, **entry}
    (criterion,) = parse_criteria([given])
    return measure(criterion, World(SPACE, lambda: client), time.monotonic() + PATIENCE)


@pytest.mark.parametrize(
    ("kind", "name", "select", "expect", "verdict"),
    [
        ("Deployment", "web", "ready_share", ">= 100 %", "pass"),
        ("Deployment", "web", "restarts", "== 0", "pass"),
        ("Deployment", "web", "broken_pods", "== 0", "pass"),
        ("Deployment", "web", "condition:Available", "== true", "pass"),
        ("Deployment", "web", "image_digest", '!= ""', "pass"),
        ("Deployment", "crashing", "broken_pods", "== 0", "fail"),
        ("Deployment", "crashing", "ready_share", ">= 100 %", "fail"),
        ("Deployment", "crashing", "restarts", "== 0", "fail"),
        ("Deployment", "gone", "exists", "== false", "pass"),
        ("Deployment", "gone", "ready", ">= 0", "error"),
        ("Service", "web", "endpoints", "== 2", "pass"),
        ("Service", "nobody", "endpoints", ">= 1", "fail"),
        ("HorizontalPodAutoscaler", "web", "at_maximum", "== false", "insufficient"),
        ("HorizontalPodAutoscaler", "web", "spec.maxReplicas", "== 2", "pass"),
        ("Job", "good", "success_age", "within 10 min", "pass"),
        ("Job", "bad", "success_age", "within 10 min", "insufficient"),
        ("Job", "bad", "condition:Failed", "== false", "fail"),
        ("CronJob", "never", "success_age", "within 1 h", "insufficient"),
        ("ResourceQuota", "all", "used_share", "<= 75 %", "pass"),
        ("ResourceQuota", "all", "used_share:configmaps", "== 50 %", "pass"),
        ("ConfigMap", "settings", "data.LEVEL", '== "info"', "pass"),
        ("Namespace", SPACE, "status.phase", '== "Active"', "pass"),
        ("Certificate", "web", "certificate_age_left", "> 30 d", "error"),
    ],
)
def test_objects(client: KubeClient, kind: str, name: str, select: str, expect: str, verdict: str) -> None:
    found = judge(client, {"kind": "kubernetes", "object_kind": kind, "name": name}, select, expect)
    assert found.verdict == verdict, found.sentence


def test_all_objects_of_a_kind(client: KubeClient) -> None:
    nodes = {"kind": "kubernetes", "object_kind": "Node"}
    assert judge(client, nodes, "condition:Ready", "== true").verdict == "pass"
    pods = {"kind": "kubernetes", "object_kind": "Pod", "labels": "app=web"}
    assert judge(client, pods, "ready_share", ">= 100 %", aggregate="min", samples=2).verdict == "pass"
    assert judge(client, {**pods, "labels": ""}, "broken_pods", "== 0", aggregate="sum").verdict == "fail"
    assert judge(client, {"kind": "kubernetes"}, "server_version", ">= v1.25").verdict == "pass"


def test_the_keys_of_a_secret_are_told_and_never_its_values(client: KubeClient) -> None:
    source = {"kind": "kubernetes", "object_kind": "Secret", "name": "db", "keys": ["username", "password", "host"]}
    found = judge(client, source, "missing_keys", "== 0")
    assert (found.verdict, found.evidence["missing"]) == ("fail", {"db": ["host"]})
    for select in ("data.password", "@", "metadata.managedFields"):
        found = judge(client, source, select, '!= "x"')
        assert found.verdict in ("insufficient", "error")
        assert "s3cret-value" not in repr(found.report())


class TestExec:
    def test_a_command_in_every_pod(self, client: KubeClient) -> None:
        source = {"kind": "exec", "labels": "app=web", "command": ["./podinfo", "--version"]}
        found = judge(client, source, "exit_code", "== 0", samples=2)
        assert (found.verdict, found.samples) == ("pass", 2)
        box = {"kind": "exec", "labels": "app=box", "command": ["/bin/busybox", "echo", '{"lag": 7}']}
        assert judge(client, box, "lag in s", "< 10 s").verdict == "pass"
        assert judge(client, {**box, "command": ["/bin/busybox", "false"]}, "exit_code", "== 0").verdict == "fail"
        assert judge(client, {**box, "command": ["no-such-command"]}, "exit_code", ">= 0").verdict == "error"
        assert judge(client, {**box, "labels": "app=crashing"}, "exit_code", ">= 0").verdict == "insufficient"

    def test_one_that_hangs_is_an_error_at_the_deadline(self, client: KubeClient) -> None:
        source = {"kind": "exec", "labels": "app=box", "command": ["/bin/busybox", "sleep", "600"]}
        found = judge(client, source, "exit_code", "== 0", timeout=3)
        assert (found.verdict, "did not end" in found.sentence) == ("error", True)
        assert found.seconds < 10

    def test_one_that_writes_without_end_is_an_error(self, client: KubeClient) -> None:
        source = {"kind": "exec", "labels": "app=box", "command": ["/bin/busybox", "yes"]}
        found = judge(client, source, "exit_code", "== 0", timeout=60)
        assert (found.verdict, "wrote more than" in found.sentence) == ("error", True)

    def test_in_check_mode_it_is_not_run(self, client: KubeClient) -> None:
        source = {"kind": "exec", "labels": "app=box", "command": ["/bin/busybox", "true"]}
        assert judge(client.beside(dry_run=True), source, "exit_code", "== 0").verdict == "error"


class TestBehindAService:
    def test_its_answers(self, client: KubeClient) -> None:
        source = {"kind": "service", "service": "web", "path": "/version"}
        assert judge(client, source, "version", '== "6.9.2"').verdict == "pass"
        assert judge(client, {**source, "service": "nobody"}, "status", "== 200").verdict == "fail"
        assert judge(client, {**source, "service": "nobody"}, "version", '== "6.9.2"').verdict == "error"

    def test_a_server_of_another_kind_is_an_error(self, client: KubeClient) -> None:
        source = {"kind": "prometheus", "service": "web", "query": "up"}
        assert judge(client, source, "value", ">= 0").verdict == "error"

    def test_a_secret_of_the_cluster_is_sent_by_reference(self, client: KubeClient) -> None:
        reference = {"name": "db", "key": "password", "namespace": SPACE}
        source = {"kind": "prometheus", "service": "web", "query": "up", "token_secret": reference}
        with pytest.raises(Exception, match="only token_header gets through"):
            judge(client, source, "value", ">= 0")
        found = judge(client, {**source, "token_header": "X-Token"}, "value", ">= 0")
        assert "s3cret-value" not in repr(found.report())


def test_a_cluster_that_is_away_is_an_error_for_all_of_them(tmp_path: Path) -> None:
    nobody = KubeClient(KubeAuth(host="https://127.0.0.1:1", api_key="x"), patience=1.0)
    for source, select in (
        ({"kind": "kubernetes", "object_kind": "Deployment", "name": "web"}, "exists"),
        ({"kind": "exec", "pod": "web", "command": ["true"]}, "exit_code"),
        ({"kind": "service", "service": "web"}, "status"),
    ):
        found = judge(nobody, source, select, "== false" if select == "exists" else ">= 0", timeout=3)
        assert found.verdict == "error", found.sentence


def test_everything_in_a_namespace_is_seen_at_once(client: KubeClient) -> None:
    told = overview(client, SPACE, 5)
    assert told["unreadable"] == []
    ready = {one["name"]: one["ready"] for one in told["workloads"]}
    assert (ready["web"], ready["box"], ready["crashing"]) == (2, 1, 0)
    assert {one["name"]: len(one["endpoints"]) for one in told["services"]}["web"] == 2
    assert len(told["events"]) == 5
    assert [one["name"] for one in told["node_use"]] == ["node"]
    assert any("crashing" in line for line in summary(told))
