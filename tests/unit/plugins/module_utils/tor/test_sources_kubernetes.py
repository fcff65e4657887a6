# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about objects, and about commands in pods; a real cluster is asked in tests/cluster_cases."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import known_kind
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World

SERVER_AHEAD = 3600.0
"""The clock of this API server, to show that ages are by its clock and not by the one here."""


def stamp(ago):
    return datetime.fromtimestamp(time.time() + SERVER_AHEAD - ago, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def obj(kind, name, status=None, **more):
    metadata = {"name": name, "namespace": "shop", "uid": f"u-{name}", "labels": {"app": name}}
    return {"kind": kind, "metadata": metadata, "status": status or {}, **more}


def pod(name, *counts, image="repo@sha256:aaa", ready="True", owner="u-sets", **more):
    statuses = [
        {"name": f"c{n}", "restartCount": count, "imageID": image, "ready": True} for n, count in enumerate(counts)
    ]
    status = {"containerStatuses": statuses, "conditions": [{"type": "Ready", "status": ready}]}
    found = obj("Pod", name, {**status, **more})
    found["metadata"] |= {"ownerReferences": [{"uid": owner}], "creationTimestamp": stamp(600)}
    return found


def workload(name, generation=1, ready=3, desired=4, updated=4):
    counts = {"replicas": 4, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": 2}
    found = obj("Deployment", name, {"observedGeneration": 1, **counts}, spec={"replicas": desired})
    found["metadata"]["generation"] = generation
    return found


WAITING = {"name": "c0", "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}
UNSCHEDULABLE = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}]
ACTIVE = [{"type": "ScalingActive", "status": "True"}]
OBJECTS = [
    workload("web"),
    workload("rolling", generation=2),
    workload("cart", ready=4),
    workload("stuck", ready=4, updated=1),
    pod("web-1", 1, 0),
    pod("web-2", 2),
    pod("done", 0, owner="none", phase="Succeeded", ready="False"),
    pod("crashing", owner="none", containerStatuses=[WAITING], ready="False"),
    pod("homeless", owner="none", conditions=UNSCHEDULABLE),
    obj("Service", "web", spec={"clusterIP": "10.0.0.7"}),
    obj("Node", "n1", {"conditions": [{"type": "Ready", "status": "True"}]}),
    obj("Node", "n2", {"conditions": [{"type": "Ready", "status": "Unknown"}]}),
    obj("HorizontalPodAutoscaler", "web", {"desiredReplicas": 5, "conditions": ACTIVE}, spec={"maxReplicas": 5}),
    obj("HorizontalPodAutoscaler", "calm", {"desiredReplicas": 4, "conditions": ACTIVE}, spec={"maxReplicas": 5}),
    obj("HorizontalPodAutoscaler", "blind", {"desiredReplicas": 0}, spec={"maxReplicas": 5}),
    obj("Job", "ok", {"completionTime": stamp(300), "conditions": [{"type": "Complete", "status": "True"}]}),
    obj("Job", "bad", {"conditions": [{"type": "Failed", "status": "True"}]}),
    obj("CronJob", "backup", {"lastSuccessfulTime": stamp(1800)}),
    obj("CronJob", "never", {"lastScheduleTime": stamp(60)}),
    obj("CronJob", "tomorrow", {"lastSuccessfulTime": stamp(-86400)}),
    obj("Certificate", "web", {"notAfter": stamp(-40 * 86400)}),
    obj("Certificate", "pending"),
    obj("ResourceQuota", "all", {"hard": {"pods": "10", "memory": "4Gi"}, "used": {"pods": "3", "memory": "3Gi"}}),
    obj("ResourceQuota", "empty"),
    obj("Secret", "db", data={"username": "cG9zdGdyZXM=", "password": base64.b64encode(b"s3cret").decode(), "ca": ""}),
    obj("ConfigMap", "settings", data={"LEVEL": "info"}),
]
OBJECTS.insert(3, workload("asleep", desired=0))
OBJECTS[-2]["metadata"]["annotations"] = {"last-applied": "s3cret"}
SLICE = {
    "endpoints": [{"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": f"web-{n}"}} for n in (1, 2)]
}


class Cluster:
    """The few answers of a client that these sources need."""

    def __init__(self, run=None):
        self.run, self.ran = run, []
        headers = {"Date": formatdate(time.time() + SERVER_AHEAD, usegmt=True)}
        self.transport = SimpleNamespace(send=lambda _request: SimpleNamespace(headers=headers))

    def beside(self, patience):
        return self

    def resolve(self, api_version, kind):
        return known_kind(api_version, kind) or SimpleNamespace(kind=kind, namespaced=True)

    def get(self, kind, name, namespace=""):
        return next((one for one in self.list(kind, namespace) if one["metadata"]["name"] == name), None)

    def list(self, kind, namespace="", labels="", fields=""):
        if kind.kind == "EndpointSlice":
            return [SLICE] if labels == "kubernetes.io/service-name=web" else []
        found = [one for one in OBJECTS if one["kind"] == kind.kind and namespace in ("", "shop")]
        return [one for one in found if not labels or f"app={one['metadata']['name']}" == labels]

    def list_metadata(self, kind, namespace="", labels=""):
        return [{"metadata": {"uid": "u-sets", "ownerReferences": [{"uid": "u-web"}]}}]

    def server_version(self):
        return "v1.30.2"

    def exec(self, pod, namespace, container, argv, timeout):
        self.ran.append((pod, namespace, container, tuple(argv)))
        return self.run(pod, timeout)


def judge(source, select, expect, cluster=None, namespace="shop", **entry):
    given = {"name": "it", "source": source, "select": select, "expect": expect, "timeout": 10, **entry}
    (verdict,) = evaluate(parse_criteria([given]), World(namespace, lambda: cluster or Cluster())).verdicts
    return verdict


@pytest.mark.parametrize(
    ("kind", "name", "select", "expect", "verdict"),
    [
        ("Deployment", "web", "desired", "== 4", "pass"),
        ("Deployment", "web", "ready", ">= 4", "fail"),
        ("Deployment", "web", "available", "== 2", "pass"),
        ("Deployment", "web", "ready_share", ">= 75 %", "pass"),
        ("Deployment", "web", "ready_share", ">= 100 %", "fail"),
        ("Deployment", "stuck", "ready_share", ">= 100 %", "fail"),
        ("Deployment", "stuck", "ready_share", "== 25 %", "pass"),
        ("Deployment", "rolling", "ready_share", ">= 75 %", "insufficient"),
        ("Deployment", "rolling", "desired", "== 4", "insufficient"),
        ("Deployment", "web", "restarts", "== 3", "pass"),
        ("Deployment", "web", "broken_pods", "== 0", "pass"),
        ("Deployment", "cart", "broken_pods", "== 0", "insufficient"),
        ("Deployment", "cart", "restarts", "== 0", "insufficient"),
        ("Deployment", "asleep", "broken_pods", "== 0", "pass"),
        ("Deployment", "web", "metadata.labels.app", '== "web"', "pass"),
        ("Deployment", "web", "spec.missing", "== 1", "insufficient"),
        ("Deployment", "web", "endpoints", "== 1", "error"),
        ("Deployment", "web", "exists", "== true", "pass"),
        ("Deployment", "gone", "exists", "== true", "fail"),
        ("Deployment", "gone", "count", "== 0", "pass"),
        ("Deployment", "gone", "ready", ">= 0", "error"),
        ("Pod", "web-1", "restarts", "== 1", "pass"),
        ("Pod", "web-2", "image_digest", '== "sha256:aaa"', "pass"),
        ("Pod", "web-1", "image_digest", '== "sha256:aaa"', "error"),
        ("Pod", "crashing", "image_digest", '== "sha256:aaa"', "insufficient"),
        ("Pod", "crashing", "broken_pods", "== 0", "fail"),
        ("Pod", "homeless", "broken_pods", "== 0", "fail"),
        ("Service", "web", "endpoints", "== 2", "pass"),
        ("Service", "web", "spec.clusterIP", '!= "None"', "pass"),
        ("Node", "n1", "condition:Ready", "== true", "pass"),
        ("Node", "n2", "condition:Ready", "== true", "insufficient"),
        ("Node", "n1", "condition:MemoryPressure", "== false", "insufficient"),
        ("HorizontalPodAutoscaler", "web", "at_maximum", "== false", "fail"),
        ("HorizontalPodAutoscaler", "calm", "at_maximum", "== false", "pass"),
        ("HorizontalPodAutoscaler", "blind", "at_maximum", "== false", "insufficient"),
        ("Job", "ok", "success_age", "< 1 h", "pass"),
        ("Job", "bad", "success_age", "< 10 min", "insufficient"),
        ("CronJob", "backup", "success_age", "within 1 h", "pass"),
        ("CronJob", "backup", "success_age", "within 20 min", "fail"),
        ("CronJob", "never", "success_age", "within 1 h", "insufficient"),
        ("CronJob", "tomorrow", "success_age", "within 1 h", "insufficient"),
        ("Certificate", "web", "certificate_age_left", "> 39 d", "pass"),
        ("Certificate", "web", "certificate_age_left", "> 41 d", "fail"),
        ("Certificate", "pending", "certificate_age_left", "> 0 d", "insufficient"),
        ("ResourceQuota", "all", "used_share", "<= 75 %", "pass"),
        ("ResourceQuota", "all", "used_share", "< 75 %", "fail"),
        ("ResourceQuota", "all", "used_share:pods", "<= 30 %", "pass"),
        ("ResourceQuota", "all", "used_share:cpu", "< 90 %", "insufficient"),
        ("ResourceQuota", "empty", "used_share", "< 90 %", "insufficient"),
        ("ConfigMap", "settings", "data.LEVEL", '== "info"', "pass"),
    ],
)
def test_verdicts(kind, name, select, expect, verdict):
    found = judge({"kind": "kubernetes", "object_kind": kind, "name": name}, select, expect)
    assert found.verdict == verdict, found.sentence


def test_what_does_not_exist_is_named():
    found = judge({"kind": "kubernetes", "object_kind": "Deployment", "name": "x"}, "ready", 1)
    assert "Deployment x does not exist in namespace shop" in found.sentence


def test_without_a_namespace_it_is_an_error():
    source = {"kind": "kubernetes", "object_kind": "Deployment", "name": "web"}
    assert judge(source, "ready", 1, namespace="").verdict == "error"


def test_broken_pods_say_what_is_broken():
    found = judge({"kind": "kubernetes", "object_kind": "Pod"}, "broken_pods", "== 0", aggregate="sum")
    assert (found.verdict, found.observed) == ("fail", 2)
    assert any("CrashLoopBackOff" in problem for problem in found.evidence["problems"])


@pytest.mark.parametrize(("owner", "broken"), [("Job", 0), ("ReplicaSet", 1)])
def test_the_pod_of_a_job_that_failed_does_not_keep_what_runs_from_being_good(owner, broken):
    ended = pod("migrate-1", owner="none", phase="Failed", ready="False")
    ended["metadata"]["ownerReferences"] = [{"kind": owner, "uid": "u-migrate"}]
    cluster = Cluster()
    cluster.list = lambda *_args, **_more: [ended]
    found = judge({"kind": "kubernetes", "object_kind": "Pod"}, "broken_pods", "== 0", cluster)
    assert found.observed == broken, found.sentence


class TestSeveral:
    def test_each_object_is_a_sample(self):
        found = judge({"kind": "kubernetes", "object_kind": "Service"}, "count", "== 1")
        assert found.verdict == "pass"
        source = {"kind": "kubernetes", "object_kind": "Pod"}
        found = judge(source, "ready_share", ">= 100 %", aggregate="min", samples=5)
        assert (found.verdict, found.samples) == ("fail", 5)

    def test_pods_that_are_done_need_not_be_ready(self):
        source = {"kind": "kubernetes", "object_kind": "Pod", "labels": "app=done"}
        assert judge(source, "ready_share", ">= 100 %").verdict == "insufficient"

    def test_objects_that_differ_are_an_error_until_aggregated(self):
        source = {"kind": "kubernetes", "object_kind": "CronJob"}
        assert judge(source, "metadata.name", '== "backup"').verdict == "error"

    def test_one_object_that_says_nothing_is_not_left_out(self):
        source = {"kind": "kubernetes", "object_kind": "CronJob"}
        assert judge(source, "success_age", "within 1 h", aggregate="min").verdict == "insufficient"

    @pytest.mark.parametrize(
        ("kind", "select"), [("Node", "condition:Ready"), ("HorizontalPodAutoscaler", "status.conditions[0].type")]
    )
    def test_one_object_of_which_it_is_not_known_keeps_the_others_from_passing(self, kind, select):
        expect = "== true" if kind == "Node" else '== "ScalingActive"'
        found = judge({"kind": "kubernetes", "object_kind": kind}, select, expect)
        assert found.verdict == "insufficient", found.sentence

    def test_no_object_is_insufficient_but_can_be_counted(self):
        source = {"kind": "kubernetes", "object_kind": "Deployment", "labels": "app=x"}
        assert judge(source, "ready", ">= 0", aggregate="min").verdict == "insufficient"
        assert judge(source, "count", "== 0").verdict == "pass"
        assert judge(source, "exists", "== false").verdict == "pass"


SECRET = {"kind": "kubernetes", "object_kind": "Secret", "name": "db"}


class TestSecrets:
    @pytest.mark.parametrize(("keys", "missing"), [(["username", "password"], 0), (["username", "ca", "token"], 2)])
    def test_its_keys_are_counted_and_an_empty_one_is_missing(self, keys, missing):
        found = judge({**SECRET, "keys": keys}, "missing_keys", "== 0")
        assert (found.verdict, found.observed) == ("pass" if not missing else "fail", missing)
        assert found.evidence.get("missing", {}) == ({"db": ["ca", "token"]} if missing else {})

    def test_no_keys_to_look_for_is_an_error(self):
        assert judge(SECRET, "missing_keys", "== 0").verdict == "error"

    @pytest.mark.parametrize(
        "select", ["data.password", "data", "@", "metadata.annotations", "metadata.x || data.password"]
    )
    def test_its_values_cannot_be_selected(self, select):
        found = judge(SECRET, select, '!= "x"')
        assert found.verdict in ("insufficient", "error")
        assert not [text for text in ("s3cret", "czNjcmV0") if text in repr(found.report())]

    def test_it_exists(self):
        assert judge(SECRET, "exists", "== true").verdict == "pass"


@pytest.mark.parametrize(("expect", "verdict"), [(">= v1.28", "pass"), (">= v1.31", "fail")])
def test_the_version_of_the_server(expect, verdict):
    assert judge({"kind": "kubernetes"}, "server_version", expect).verdict == verdict


def test_an_object_needs_a_kind():
    assert judge({"kind": "kubernetes", "name": "web"}, "ready", 1).verdict == "error"


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"object_kind": "Gizmo", "name": "x"}, ".source.api_version: missing"),
        ({"object_kind": "Pod", "name": "x", "labels": "a=b"}, ".source.labels: there is a name, too"),
        ({"object_kind": "Secret", "name": "x", "keys": "a"}, ".source.keys: 'a' is not a list of text"),
    ],
)
def test_mistakes(options, mistake):
    with pytest.raises(ReleaseError) as caught:
        judge({"kind": "kubernetes", **options}, "exists", "== true")
    assert mistake in str(caught.value)


EXEC = {"kind": "exec", "pod": "redis-0", "command": ["redis-cli", "PING"]}


class TestExec:
    @pytest.mark.parametrize(
        ("code", "output", "select", "expect", "verdict"),
        [
            (0, "PONG\n", "output", '== "PONG"', "pass"),
            (0, "PONG\n", "exit_code", "== 0", "pass"),
            (3, "", "exit_code", "== 0", "fail"),
            (3, "PONG\n", "output", '== "PONG"', "error"),
            (0, '{"lag": 7}', "lag", "< 10 s", "pass"),
            (0, "warning: x\n{", "lag", "< 10 s", "error"),
            (0, "lag: 12 s", "/lag: (.*)/", "< 10 s", "fail"),
            (0, "", "/lag: (.*)/", "< 10 s", "insufficient"),
            (0, "", "output", '== "PONG"', "fail"),
        ],
    )
    def test_verdicts(self, code, output, select, expect, verdict):
        found = judge(EXEC, select, expect, Cluster(lambda _pod, _timeout: (code, output)))
        assert found.verdict == verdict, found.sentence

    def test_it_runs_in_every_ready_pod_of_the_labels(self):
        cluster = Cluster(lambda pod, _timeout: (0, pod))
        found = judge({"kind": "exec", "labels": "app=web-1", "command": ["id"]}, "output", '== "web-1"', cluster)
        assert (found.verdict, cluster.ran) == ("pass", [("web-1", "shop", "", ("id",))])

    def test_it_runs_in_the_ready_pods_behind_a_service_and_no_others(self):
        cluster = Cluster(lambda pod, _timeout: (0, pod))
        found = judge({"kind": "exec", "service": "web", "command": ["id"]}, "exit_code", "== 0", cluster)
        assert (found.verdict, [ran[0] for ran in cluster.ran]) == ("pass", ["web-1", "web-2"])
        alone = judge({"kind": "exec", "service": "alone", "command": ["id"]}, "exit_code", "== 0", cluster)
        assert (alone.verdict, "no pod behind Service alone is ready" in alone.sentence) == ("insufficient", True)

    def test_what_is_long_runs_once_for_all_who_ask_it_and_for_as_long_as_a_gate_is_held(self):
        cluster = Cluster(lambda _pod, _timeout: (time.sleep(0.05), (0, "MAPE: 7.2%\nR2: 0.96"))[1])
        source = {"kind": "exec", "service": "web", "command": ["validate"], "once": True}
        asked = [("/MAPE: (.*)%/ in %", "< 10 %"), ("/R2: (.*)/", "> 0.95"), ("exit_code", "== 0")]
        criteria = [{"name": select, "source": source, "select": select, "expect": expect} for select, expect in asked]
        gate = evaluate(parse_criteria(criteria), World("shop", lambda: cluster), hold=1.5)
        assert gate.passed, [one.sentence for one in gate.blockers]
        assert [ran[0] for ran in cluster.ran] == ["web-1"]

    def test_what_could_not_be_run_once_is_tried_again(self):
        answers = iter([NotReady("the pod is gone"), (0, "")])

        def run(_pod, _timeout):
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        cluster = Cluster(run)
        (criterion,) = parse_criteria(
            [{"name": "it", "source": {**EXEC, "once": True}, "select": "exit_code", "expect": "== 0"}]
        )
        gate = evaluate([criterion], World("shop", lambda: cluster), hold=0.5)
        assert (gate.passed, len(cluster.ran)) == (True, 2)

    @pytest.mark.parametrize("labels", ["app=nobody", "app=done"])
    def test_no_ready_pod_is_insufficient(self, labels):
        found = judge({"kind": "exec", "labels": labels, "command": ["id"]}, "exit_code", ">= 0", Cluster())
        assert found.verdict == "insufficient"

    def test_a_command_that_hangs_is_given_the_time_of_the_criterion(self):
        def hang(_pod, timeout):
            assert 0 < timeout <= 3
            raise NotReady(f"sleep did not end within {timeout:g} s")

        found = judge(EXEC, "exit_code", "== 0", Cluster(hang), timeout=3)
        assert (found.verdict, "did not end" in found.sentence) == ("error", True)

    @pytest.mark.parametrize(
        ("options", "mistake"),
        [
            ({"command": "redis-cli PING"}, ".source.command: 'redis-cli PING' is not a list of text"),
            ({"command": []}, ".source.command: is empty"),
            ({"labels": "a=b"}, ".source.pod: give one of pod, labels and service"),
            ({"service": "web"}, ".source.pod: give one of pod, labels and service"),
            ({"pod": ""}, ".source.pod: give one of pod, labels and service"),
        ],
    )
    def test_mistakes(self, options, mistake):
        with pytest.raises(ReleaseError) as caught:
            judge({**EXEC, **options}, "exit_code", 0)
        assert mistake in str(caught.value)
