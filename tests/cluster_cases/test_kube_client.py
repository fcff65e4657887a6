# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb of the client, and every way a pod can fail to start, on a real API server with a real kubelet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    Unreachable,
)
from ansible_collections.runbook.release.plugins.module_utils.kube import client as client_module
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.evidence import collect, last_words
from ansible_collections.runbook.release.plugins.module_utils.kube.faults import Asked
from ansible_collections.runbook.release.plugins.module_utils.kube.follow import Wanted, follow
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    DEPLOYMENT,
    ENDPOINTSLICE,
    EVENT,
    NAMESPACE,
    POD,
    REPLICASET,
    RESOURCEQUOTA,
    SECRET,
    SERVICE,
    SERVICEACCOUNT,
    Kind,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.problems import Problem, Watchdog
from ansible_collections.runbook.release.plugins.module_utils.kube.readiness import (
    current_pods_of,
    ready_endpoints,
    workload_ready,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Request
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch

SPACE = "kube-client-case"
PODINFO = "localhost/podinfo:6.9.2"
PODINFO_CRASHING = "localhost/podinfo:6.9.5"

Obj = dict[str, Any]
Change = Callable[[Obj], None]


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture(scope="module")
def dry_client() -> KubeClient:
    return KubeClient(dry_run=True)


@pytest.fixture(scope="module", autouse=True)
def space(client: KubeClient) -> Iterator[None]:
    client.delete(NAMESPACE, SPACE)
    for snapshot in client.watch([Watch(NAMESPACE)], time.monotonic() + 60):
        if SPACE not in snapshot.objects[NAMESPACE]:
            break
    client.create(NAMESPACE, {"metadata": {"name": SPACE}})
    yield
    client.delete(NAMESPACE, SPACE)


def config(**data: str) -> Obj:
    return {"metadata": {"name": "settings"}, "data": data}


@pytest.fixture
def settings(client: KubeClient) -> Iterator[Obj]:
    yield client.apply(CONFIGMAP, config(colour="blue"), SPACE)
    client.delete(CONFIGMAP, "settings", SPACE)


def deployment(name: str, change: Change = lambda container: None, replicas: int = 1, **pod: Any) -> Obj:
    labels = {"app": name}
    container = {
        "name": "web",
        "image": PODINFO,
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898"],
        "ports": [{"name": "http", "containerPort": 9898}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
    }
    change(container)
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1, **pod}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


# objects


def test_the_server_says_its_version(client: KubeClient) -> None:
    assert client.server_version().startswith("v1.")


def test_create_get_list_delete(client: KubeClient) -> None:
    created = client.create(CONFIGMAP, {"metadata": {"name": "one", "labels": {"case": "verbs"}}}, SPACE)
    with pytest.raises(Conflict, match="already exists"):
        client.create(CONFIGMAP, {"metadata": {"name": "one"}}, SPACE)
    assert client.get(CONFIGMAP, "one", SPACE) == created
    assert [one["kind"] for one in client.list(CONFIGMAP, SPACE, labels="case=verbs")] == ["ConfigMap"]
    with pytest.raises(Conflict, match="UID"):
        client.delete(CONFIGMAP, "one", SPACE, uid="00000000-0000-0000-0000-000000000000")
    assert client.delete(CONFIGMAP, "one", SPACE, uid=created["metadata"]["uid"])
    assert not client.delete(CONFIGMAP, "one", SPACE)
    assert client.get(CONFIGMAP, "one", SPACE) is None


def test_lists_have_pages(client: KubeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE", 2)
    for number in range(5):
        client.apply(CONFIGMAP, {"metadata": {"name": f"page-{number}", "labels": {"case": "pages"}}}, SPACE)
    assert len(client.list(CONFIGMAP, SPACE, labels="case=pages")) == 5


def test_metadata_of_secrets_comes_without_their_content(client: KubeClient) -> None:
    client.apply(SECRET, {"metadata": {"name": "hidden"}, "stringData": {"password": "hunter2"}}, SPACE)
    (found,) = client.list_metadata(SECRET, SPACE)
    assert found["metadata"]["name"] == "hidden"
    assert "data" not in found


def test_guarded_patch_names_who_was_faster(client: KubeClient, settings: Obj, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = [
        {"op": "test", "path": "/data/colour", "value": "blue"},
        {"op": "replace", "path": "/data/colour", "value": "green"},
    ]
    with monkeypatch.context() as patch:
        patch.setattr(client_module, "FIELD_MANAGER", "someone-else")
        client.merge_patch(CONFIGMAP, "settings", {"data": {"colour": "red"}}, SPACE)
    with pytest.raises(Conflict, match="/data/colour is 'red', expected 'blue'; it was changed by someone-else"):
        client.json_patch(CONFIGMAP, "settings", ops, SPACE)
    client.merge_patch(CONFIGMAP, "settings", {"data": {"colour": "blue"}}, SPACE)
    assert client.json_patch(CONFIGMAP, "settings", ops, SPACE)["data"] == {"colour": "green"}


def test_a_stale_version_is_a_conflict(client: KubeClient, settings: Obj) -> None:
    with pytest.raises(Conflict):
        client.merge_patch(CONFIGMAP, "settings", {"metadata": {"resourceVersion": "1"}, "data": {}}, SPACE)
    stale = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "add", "path": "/data/size", "value": "7"},
    ]
    with pytest.raises(Conflict, match="/metadata/resourceVersion is"):
        client.json_patch(CONFIGMAP, "settings", stale, SPACE)


def test_apply_respects_what_others_own_and_takes_what_is_ours(
    client: KubeClient, settings: Obj, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.merge_patch(CONFIGMAP, "settings", {"data": {"colour": "green"}}, SPACE)
    assert client.apply(CONFIGMAP, config(colour="blue"), SPACE)["data"] == {"colour": "blue"}
    monkeypatch.setattr(client_module, "FIELD_MANAGER", "someone-else")
    with pytest.raises(Conflict) as caught:
        client.apply(CONFIGMAP, config(colour="red"), SPACE)
    assert caught.value.details["managers"] == ["runbook.release"]
    assert client.apply(CONFIGMAP, config(colour="red"), SPACE, force=True)["data"] == {"colour": "red"}


def test_dry_runs_are_validated_and_keep_nothing(client: KubeClient, dry_client: KubeClient, settings: Obj) -> None:
    dry_client.create(CONFIGMAP, {"metadata": {"name": "never"}}, SPACE)
    dry_client.apply(CONFIGMAP, config(colour="green"), SPACE)
    dry_client.merge_patch(CONFIGMAP, "settings", {"data": {"colour": "green"}}, SPACE)
    dry_client.json_patch(CONFIGMAP, "settings", [{"op": "replace", "path": "/data/colour", "value": "x"}], SPACE)
    assert dry_client.delete(CONFIGMAP, "settings", SPACE)
    with pytest.raises(Invalid, match="lowercase RFC 1123"):
        dry_client.create(CONFIGMAP, {"metadata": {"name": "Not_Valid"}}, SPACE)
    assert client.get(CONFIGMAP, "never", SPACE) is None
    assert client.get(CONFIGMAP, "settings", SPACE) == settings


def test_kinds_are_discovered(client: KubeClient) -> None:
    found = client.resolve("storage.k8s.io/v1", "StorageClass")
    assert found == Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
    with pytest.raises(NotFound, match="it has ControllerRevision, DaemonSet, Deployment"):
        client.resolve("apps/v1", "Deploymint")


def test_what_is_missing_is_named(client: KubeClient) -> None:
    with pytest.raises(NotFound, match="create the namespace no-such-space"):
        client.create(CONFIGMAP, {"metadata": {"name": "a"}}, "no-such-space")
    with pytest.raises(NotFound, match=r"install what provides widgets\.example\.com"):
        client.list(Kind("example.com", "v1", "Widget", "widgets"), SPACE)


# access


@pytest.fixture
def nobody(client: KubeClient) -> KubeClient:
    """A client with a real token and no rights."""
    client.apply(SERVICEACCOUNT, {"metadata": {"name": "nobody"}}, SPACE)
    path = SERVICEACCOUNT.path(SPACE, "nobody", "token")
    request = Request(Asked("create", SERVICEACCOUNT, SPACE, "nobody", "token"), "POST", path, body={"spec": {}})
    token = client.transport.send(request).json()["status"]["token"]
    connection = client.connection
    return KubeClient(KubeAuth(host=connection.host, api_key=token, ca_cert=str(connection.configuration.ssl_ca_cert)))


def test_a_missing_right_is_named_as_the_rule_to_add(client: KubeClient, nobody: KubeClient) -> None:
    rule = r'{apiGroups: \["apps"\], resources: \["deployments/scale"\], verbs: \["patch"\]}'
    who = f"system:serviceaccount:{SPACE}:nobody"
    with pytest.raises(Forbidden, match=f"add the rule {rule} to a Role in namespace {SPACE} bound to {who}"):
        nobody.scale(DEPLOYMENT, "web", 1, SPACE)
    with pytest.raises(Forbidden, match=r'resources: \["nodes"\], verbs: \["list"\]} to a ClusterRole'):
        nobody.list(Kind("", "v1", "Node", "nodes", namespaced=False))
    with pytest.raises(Forbidden, match=r'resources: \["pods/exec"\]'):
        nobody.exec("web", SPACE, "web", ["true"])
    with pytest.raises(Forbidden, match=r'resources: \["services/proxy"\]'):
        nobody.service_get("web", SPACE, "http", "/")
    assert not nobody.allowed("patch", DEPLOYMENT, SPACE, subresource="scale")
    assert client.allowed("patch", DEPLOYMENT, SPACE, subresource="scale")


def test_a_wrong_token_and_a_wrong_ca(client: KubeClient, tmp_path: Any) -> None:
    host, ca_cert = client.connection.host, str(client.connection.configuration.ssl_ca_cert)
    with pytest.raises(Unauthorized, match="renew the credential"):
        KubeClient(KubeAuth(host=host, api_key="wrong", ca_cert=ca_cert)).list(POD, SPACE)
    with pytest.raises(Unreachable, match="is not valid"):
        KubeClient(KubeAuth(host=host, api_key="wrong")).server_version()


# a workload that runs


@pytest.fixture(scope="module")
def web(client: KubeClient) -> Obj:
    """A Deployment and Service of two ready pods."""
    port = {"name": "http", "port": 80, "targetPort": "http"}
    client.apply(SERVICE, {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [port]}}, SPACE)
    client.apply(DEPLOYMENT, deployment("web", replicas=2), SPACE)
    watches = [Watch(DEPLOYMENT, SPACE), Watch(POD, SPACE, "app=web"), Watch(ENDPOINTSLICE, SPACE)]
    for snapshot in client.watch(watches, time.monotonic() + 60):
        found = snapshot.objects[DEPLOYMENT].get("web")
        serving = ready_endpoints(snapshot.objects[ENDPOINTSLICE].values())
        if found and workload_ready(found) and len(serving) == 2:
            assert serving == set(snapshot.objects[POD])
            return found
    pytest.fail("web never became ready")


@pytest.fixture
def pod(client: KubeClient, web: Obj) -> str:
    return str(client.list(POD, SPACE, labels="app=web")[0]["metadata"]["name"])


def test_service_get_reaches_the_application(client: KubeClient, web: Obj) -> None:
    status, headers, body = client.service_get("web", SPACE, "http", "/version", headers={"x-probe": "1"})
    assert (status, b'"version"' in body) == (200, True)
    assert headers["content-type"].startswith("application/json")
    assert client.service_get("web", SPACE, 80, "/status/418")[0] == 418
    with pytest.raises(NotFound, match="no-such-service"):
        client.service_get("no-such-service", SPACE, 80, "/")


def test_a_service_without_endpoints_answers_503(client: KubeClient) -> None:
    spec = {"selector": {"app": "nothing"}, "ports": [{"port": 80}]}
    client.apply(SERVICE, {"metadata": {"name": "empty"}, "spec": spec}, SPACE)
    of_empty = Watch(ENDPOINTSLICE, SPACE, "kubernetes.io/service-name=empty")
    for snapshot in client.watch([of_empty], time.monotonic() + 10):
        if snapshot.objects[ENDPOINTSLICE]:
            break
    status, _headers, body = client.service_get("empty", SPACE, 80, "/")
    assert (status, b"no endpoints available" in body) == (503, True)


def test_logs(client: KubeClient, pod: str) -> None:
    assert "Starting podinfo" in client.logs(pod, SPACE, "web")
    assert client.logs(pod, SPACE, "web", tail=1).count("\n") == 1
    assert client.logs(pod, SPACE, "web", previous=True) == ""
    with pytest.raises(NotFound):
        client.logs("no-such-pod", SPACE, "web")


@pytest.fixture
def talker(client: KubeClient) -> Iterator[Obj]:
    """A pod that has said one thing, and in which more can be said."""
    box = "/bin/busybox"
    container = {
        "name": "app",
        "image": "localhost/pause:1",
        "imagePullPolicy": "Never",
        "command": [box, "sh", "-c", f"echo begun; exec {box} sleep 600"],
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    client.apply(POD, {"metadata": {"name": "talker"}, "spec": spec}, SPACE)
    for snapshot in client.watch([Watch(POD, SPACE)], time.monotonic() + 60):
        found = snapshot.objects[POD].get("talker") or {}
        if (found.get("status") or {}).get("phase") == "Running":
            yield found
            break
    else:
        pytest.fail("the pod never ran")
    client.delete(POD, "talker", SPACE)


def test_logs_are_followed_as_they_come_until_something_is_said(client: KubeClient, talker: Obj) -> None:
    written: list[str] = []

    def said(line: str) -> None:
        """The line that ends it is only written once following has begun."""
        if not written:
            client.exec("talker", SPACE, "app", ["/bin/busybox", "sh", "-c", "echo followed now > /proc/1/fd/1"])
        written.append(line)

    seen = follow(client, [talker], Wanted(60, 1, until="followed now"), said)
    assert (seen.why, seen.unreadable, written) == ("until", [], seen.lines)
    assert seen.lines == ["talker app: begun", "talker app: followed now"]
    began = time.monotonic()
    assert follow(client, [talker], Wanted(1, 0, matching="^never$"), written.append).why == "time"
    assert time.monotonic() - began < 30


def test_exec_returns_exit_code_and_output(client: KubeClient, pod: str) -> None:
    code, output = client.exec(pod, SPACE, "web", ["./podinfo", "--version"])
    assert (code, bool(output)) == (0, True)
    code, output = client.exec(pod, SPACE, "web", ["./podinfo", "--no-such-option"])
    assert code != 0
    assert "no-such-option" in output
    with pytest.raises(NotFound, match="no-such-pod"):
        client.exec("no-such-pod", SPACE, "web", ["true"])


def test_exec_of_a_command_that_does_not_exist(client: KubeClient, pod: str) -> None:
    with pytest.raises(ApiError, match="no-such-command"):
        client.exec(pod, SPACE, "web", ["no-such-command"])


def test_scale_is_seen_by_the_watch(client: KubeClient, web: Obj) -> None:
    begun = time.monotonic()
    client.scale(DEPLOYMENT, "web", 3, SPACE)
    for snapshot in client.watch([Watch(DEPLOYMENT, SPACE)], begun + 10):
        if snapshot.objects[DEPLOYMENT]["web"]["spec"]["replicas"] == 3:
            break
    else:
        pytest.fail("the watch did not see the new number of replicas")
    print(f"seen after {time.monotonic() - begun:.2f} s")
    client.scale(DEPLOYMENT, "web", 2, SPACE)


# workloads that cannot start


def crashes(container: Obj) -> None:
    container["image"] = PODINFO_CRASHING


def has_no_image(container: Obj) -> None:
    container["image"] = "localhost/no-such-image:1"


def has_a_bad_image_name(container: Obj) -> None:
    container["image"] = "localhost/NOT valid"


def wants_a_missing_secret(container: Obj) -> None:
    container["envFrom"] = [{"secretRef": {"name": "no-such-secret"}}]


def wants_too_much(container: Obj) -> None:
    container["resources"] = {"requests": {"cpu": "4000"}}


def has_no_command(container: Obj) -> None:
    container["command"] = ["./no-such-command"]


def probes_a_wrong_path(container: Obj) -> None:
    container["readinessProbe"]["httpGet"]["path"] = "/no-such-path"


def mounts_a_missing_volume(container: Obj) -> None:
    container["volumeMounts"] = [{"name": "tls", "mountPath": "/tls"}]


def is_killed_by_its_liveness_probe(container: Obj) -> None:
    probe = {"httpGet": {"path": "/no-such-path", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1}
    container["livenessProbe"] = probe


MISSING_VOLUME = {"volumes": [{"name": "tls", "secret": {"secretName": "no-such-secret"}}]}

# name -> (what is wrong, what else the pod needs, reasons that are right, a text the operator must see)
BROKEN: dict[str, tuple[Change, Obj, set[str], str]] = {
    "crash": (crashes, {}, {"CrashLoopBackOff", "Error"}, ""),
    "image": (has_no_image, {}, {"ImagePullBackOff", "ErrImagePull"}, "localhost/no-such-image:1"),
    "image-name": (has_a_bad_image_name, {}, {"InvalidImageName"}, "localhost/NOT valid"),
    "secret": (wants_a_missing_secret, {}, {"CreateContainerConfigError"}, 'secret "no-such-secret" not found'),
    "cpu": (wants_too_much, {}, {"Unschedulable"}, "Insufficient cpu"),
    "command": (has_no_command, {}, {"CrashLoopBackOff", "StartError", "RunContainerError"}, "no-such-command"),
    "probe": (probes_a_wrong_path, {}, {"ReadinessProbeFailed"}, "statuscode: 404"),
    "volume": (mounts_a_missing_volume, MISSING_VOLUME, {"FailedMount"}, 'secret "no-such-secret" not found'),
    "liveness": (is_killed_by_its_liveness_probe, {}, {"Restarting", "CrashLoopBackOff", "LivenessProbeFailed"}, ""),
}


def test_every_broken_workload_is_recognised(client: KubeClient) -> None:
    begun = time.monotonic()
    for name, (change, pod_spec, _reasons, _text) in BROKEN.items():
        client.apply(DEPLOYMENT, deployment(name, change, **pod_spec), SPACE)
    found = recognised(client, set(BROKEN), begun + 30)
    unseen = [one["status"] for one in client.list(POD, SPACE, f"app in ({','.join(set(BROKEN) - set(found))})")]
    assert set(found) == set(BROKEN), unseen
    for name, (seconds, problem) in sorted(found.items(), key=lambda one: one[1][0]):
        print(f"{seconds:4.1f} s after it was applied: {problem}")
        _change, _spec, reasons, text = BROKEN[name]
        assert problem.reason in reasons, problem
        assert text in str(problem), problem

    problem = found["crash"][1]
    pods = [client.get(POD, problem.pod, SPACE) or {}]
    evidence = collect(client, SPACE, pods, [client.get(DEPLOYMENT, "crash", SPACE) or {}])
    assert problem.exit_code not in (None, 0)
    assert last_words(evidence, problem)
    assert evidence["events"]
    assert evidence["unreadable"] == []


def recognised(client: KubeClient, names: set[str], deadline: float) -> dict[str, tuple[float, Problem]]:
    """Per workload: after how many seconds its problem was certain, and what it is."""
    begun, dogs, found = time.monotonic(), {name: Watchdog() for name in names}, dict[str, tuple[float, Problem]]()
    watches = [Watch(kind, SPACE) for kind in (DEPLOYMENT, REPLICASET, POD, EVENT)]
    for snapshot in client.watch(watches, deadline, tick=0.5):
        for name in names - found.keys():
            workload = snapshot.objects[DEPLOYMENT][name]
            pods = current_pods_of(workload, snapshot.objects[POD].values(), snapshot.objects[REPLICASET].values())
            certain, _all = dogs[name].judge([workload], pods, list(snapshot.objects[EVENT].values()), snapshot.at)
            if certain:
                found[name] = (time.monotonic() - begun, certain[0])
        if len(found) == len(names):
            break
    return found


def test_a_quota_that_stops_the_pods_is_recognised(client: KubeClient) -> None:
    client.apply(RESOURCEQUOTA, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}, SPACE)
    try:
        client.apply(DEPLOYMENT, deployment("quota"), SPACE)
        found = recognised(client, {"quota"}, time.monotonic() + 15)
    finally:
        client.delete(RESOURCEQUOTA, "none", SPACE)
    assert found["quota"][1].reason == "FailedCreate"
    assert "exceeded quota: none" in found["quota"][1].message


def test_a_healthy_slow_start_is_never_a_problem(client: KubeClient) -> None:
    def starts_slowly(container: Obj) -> None:
        container["readinessProbe"]["initialDelaySeconds"] = 4

    client.apply(DEPLOYMENT, deployment("slow", starts_slowly), SPACE)
    assert recognised(client, {"slow"}, time.monotonic() + 8) == {}
    assert workload_ready(client.get(DEPLOYMENT, "slow", SPACE) or {})
