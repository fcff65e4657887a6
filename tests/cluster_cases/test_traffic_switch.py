# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between two real versions, at a Service and at an HTTPRoute, with other people in the cluster."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    ENDPOINTSLICE,
    HTTPROUTE,
    NAMESPACE,
    SERVICE,
    Kind,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.readiness import ready_endpoints, workload_ready
from ansible_collections.runbook.release.plugins.module_utils.traffic.probe import Identity, Probe

SPACE = "traffic-case"
HOST = "traffic.release.local"
VERSIONS = {"blue": "6.9.2", "green": "6.9.3"}
PATIENCE = 60.0
ROUNDS = 20
TESTS = Path(__file__).resolve().parents[1]
RUN = "import conftest; from ansible_collections.runbook.release.plugins.modules.{0} import main; main()"
Obj = dict[str, Any]


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def labels_of(colour: str) -> dict[str, str]:
    return {"app": "web", "colour": colour}


def deployment(colour: str) -> Obj:
    container = {
        "name": "podinfo",
        "image": f"localhost/podinfo:{VERSIONS[colour]}",
        "imagePullPolicy": "Never",
        "command": ["./podinfo", "--port=9898"],
        "ports": [{"name": "http", "containerPort": 9898}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": labels_of(colour)}, "spec": {"containers": [container]}}
    return {
        "metadata": {"name": f"web-{colour}"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels_of(colour)}, "template": template},
    }


def service(name: str, colour: str, **more: Any) -> Obj:
    annotations = {} if name == "web" else {"runbook.release/version": VERSIONS[colour]}
    ports = [{"name": "http", "port": 9898, "targetPort": "http"}]
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"selector": labels_of(colour), "ports": ports, **more},
    }


def route(*back_ends: tuple[str, int]) -> Obj:
    refs = [{"name": name, "port": 9898, "weight": weight} for name, weight in back_ends]
    parents = [{"name": "public", "namespace": "default"}]
    return {
        "metadata": {"name": "web"},
        "spec": {"parentRefs": parents, "hostnames": [HOST], "rules": [{"backendRefs": refs}]},
    }


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    own = KubeClient()
    own.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    for colour in VERSIONS:
        own.apply(DEPLOYMENT, deployment(colour), SPACE)
        own.apply(SERVICE, service(f"web-{colour}", colour), SPACE)
    yield own
    own.delete(NAMESPACE, SPACE)


@pytest.fixture
def web(client: KubeClient) -> KubeClient:
    """Both colours ready, both entries fresh and answered by blue."""
    for colour in VERSIONS:
        client.scale(DEPLOYMENT, f"web-{colour}", 2, SPACE)
    for kind, entry in (
        (SERVICE, service("web", "blue", type="NodePort")),
        (HTTPROUTE, route(("web-blue", 100), ("web-green", 0))),
    ):
        client.delete(kind, "web", SPACE)
        wait_for(lambda kind=kind: client.get(kind, "web", SPACE) is None)
        client.create(kind, entry, SPACE)
    for colour in VERSIONS:
        wait_for(lambda colour=colour: workload_ready(client.get(DEPLOYMENT, f"web-{colour}", SPACE)))
        wait_for(lambda colour=colour: len(endpoints(client, f"web-{colour}")) == 2)
    for kind in ("service", "httproute"):
        wait_for(lambda kind=kind: all(answered_by_blue(url) for url in urls(client, kind)))
    return client


def answered_by_blue(url: Obj) -> bool:
    probe = Probe(Identity(json="version"), **url)
    return all(probe.ask().version == VERSIONS["blue"] for _request in range(5))


def endpoints(client: KubeClient, name: str) -> set[str]:
    return ready_endpoints(client.list(ENDPOINTSLICE, SPACE, labels=f"kubernetes.io/service-name={name}"))


def urls(client: KubeClient, kind: str) -> list[Obj]:
    address = os.environ["GATEWAY_ADDRESS"]
    if kind == "service":
        port = client.get(SERVICE, "web", SPACE)["spec"]["ports"][0]["nodePort"]
        return [{"url": f"http://{HOST}:{port}/version", "address": address}]
    return [
        {"url": f"http://{HOST}:{os.environ['GATEWAY_HTTP_PORT']}/version", "address": address},
        {
            "url": f"https://{HOST}:{os.environ['GATEWAY_HTTPS_PORT']}/version",
            "address": address,
            "ca_cert": os.environ["GATEWAY_CA"],
        },
    ]


def run(module: str, **options: Any) -> Obj:
    """The module in a process of its own, as Ansible would start it."""
    given = {"namespace": SPACE, "_ansible_remote_tmp": "/tmp", **options}
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(module)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def switch(client: KubeClient, kind: str, colour: str, weight: int = 100, **options: Any) -> Obj:
    given = {"urls": urls(client, kind), "identity": {"json": "version"}, **options}
    return run("traffic_switch", entry={"kind": kind, "name": "web"}, colour=colour, weight=weight, **given)


def switched(client: KubeClient, kind: str, colour: str, weight: int = 100, **options: Any) -> Obj:
    result = switch(client, kind, colour, weight, **options)
    assert not result.get("failed"), result["msg"]
    assert result["cutover"]["proven"]
    assert result["cutover"]["failed"] == 0, result["cutover"]
    return result


def kubectl(*arguments: str) -> None:
    subprocess.run([os.environ["KUBECTL"], "--namespace", SPACE, *arguments], check=True, capture_output=True)


def edit(kind: str, *ops: Obj) -> None:
    """Somebody else changes an entry."""
    manager = "--field-manager=argocd-controller"
    kubectl("patch", kind, "web", "--type=json", manager, "--patch", json.dumps(ops))


def version(client: KubeClient, kind: Kind) -> str:
    return str(client.get(kind, "web", SPACE)["metadata"]["resourceVersion"])


def percentile(values: list[float], rank: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * rank))]


@pytest.mark.parametrize(("kind", "goal"), [("service", 2.0), ("httproute", 3.0)])
def test_there_and_back_again(web: KubeClient, kind: str, goal: float, capsys: pytest.CaptureFixture[str]) -> None:
    results = [switched(web, kind, colour) for _round in range(ROUNDS // 2) for colour in ("green", "previous")]
    assert [result["colour"] for result in results] == ["green", "blue"] * (ROUNDS // 2)
    assert all(result["changed"] for result in results)
    seconds = [result["cutover"]["seconds"] for result in results]
    last_old = [result["cutover"]["last_old_ms"] for result in results]
    connections = sum(result["cutover"]["connections"] for result in results)
    with capsys.disabled():
        print(
            f"\n{kind}: n={len(results)}, start to proof p50 {percentile(seconds, 0.5):.2f} s, p95 "
            f"{percentile(seconds, 0.95):.2f} s (goal {goal} s); "
            f"last old answer p50 {percentile(last_old, 0.5):.0f} ms, "
            f"p95 {percentile(last_old, 0.95):.0f} ms; {connections} new connections, 0 failed"
        )


def test_step_by_step_and_back(web: KubeClient) -> None:
    for weight in (5, 25, 100):
        result = switched(web, "httproute", "green", weight)
        assert result["after"] == {"blue": 100 - weight, "green": weight}
    again = switched(web, "httproute", "green")
    assert (again["changed"], again["patch"]) == (False, [])
    assert switched(web, "httproute", "previous", from_version="5.0.0")["changed"] is False
    assert switched(web, "httproute", "previous", from_version=VERSIONS["green"])["after"] == {"blue": 100, "green": 0}
    assert switched(web, "httproute", "previous")["changed"] is False


def test_info_tells_it(web: KubeClient) -> None:
    switched(web, "httproute", "green", 25)
    told = run("traffic_info", entry={"kind": "httproute", "name": "web"})
    assert (told["live"], told["shifting"], told["previous"]) == ("blue", True, "blue")
    assert told["shift"] == {"from": "blue", "to": "green", "versions": VERSIONS}
    assert len(told["colours"]["green"]["endpoints"]) == 2


@pytest.mark.parametrize("kind", ["service", "httproute"])
def test_check_mode_changes_nothing(web: KubeClient, kind: str) -> None:
    stored = SERVICE if kind == "service" else HTTPROUTE
    before = web.get(stored, "web", SPACE)["spec"]
    result = switch(web, kind, "green", _ansible_check_mode=True, _ansible_diff=True)
    assert (result["changed"], result["after"]) == (True, {"blue": 0, "green": 100})
    assert result["diff"]["before"]["weights"] == {"blue": 100, "green": 0}
    assert web.get(stored, "web", SPACE)["spec"] == before
    assert "annotations" not in web.get(stored, "web", SPACE)["metadata"]


def test_a_rule_somebody_adds_during_the_step_survives(web: KubeClient) -> None:
    """The rule comes first, so every index moves."""
    docs = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/docs"}}],
        "backendRefs": [{"name": "web", "port": 9898}],
    }
    done = threading.Event()
    added = 0

    def editor() -> None:
        nonlocal added
        while not done.is_set() and added < 5:
            edit("httproute", {"op": "add", "path": "/spec/rules/0", "value": docs})
            added += 1

    other = threading.Thread(target=editor)
    other.start()
    try:
        result = switch(web, "httproute", "green", 25)
    finally:
        done.set()
        other.join()
    rules = web.get(HTTPROUTE, "web", SPACE)["spec"]["rules"]
    assert added
    assert not result.get("failed"), result["msg"]
    assert [rule["backendRefs"][0]["name"] for rule in rules] == ["web"] * added + ["web-blue"]
    assert [ref["weight"] for ref in rules[-1]["backendRefs"]] == [75, 25]
    assert result["after"] == {"blue": 75, "green": 25}


@pytest.mark.parametrize(
    ("kind", "ops"),
    [
        (
            "httproute",
            [
                {"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 60},
                {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 40},
            ],
        ),
        ("service", [{"op": "replace", "path": "/spec/selector", "value": labels_of("blue")}]),
    ],
)
def test_weights_somebody_changes_during_the_step_fail_it_with_their_name(
    web: KubeClient, kind: str, ops: list[Obj]
) -> None:
    stored = SERVICE if kind == "service" else HTTPROUTE
    before = version(web, stored)

    def editor() -> None:
        wait_for(lambda: "runbook.release/shift" in web.get(stored, "web", SPACE)["metadata"].get("annotations", {}))
        edit(kind, *ops)

    other = threading.Thread(target=editor)
    other.start()
    result = switch(web, kind, "green", proof={"seconds": 20, "timeout": 40})
    other.join()
    assert result["failed"]
    assert "argocd-controller" in result["msg"]
    assert version(web, stored) != before


@pytest.fixture
def api(client: KubeClient) -> KubeClient:
    """A component whose pods let their connections be counted; the entry is on blue."""
    for colour, tag in (("blue", "1.5.0"), ("green", "1.6.0")):
        labels = {"app": "api", "colour": colour}
        container = {"name": "api", "image": f"localhost/stand-in:{tag}", "imagePullPolicy": "Never"}
        ports = [{"name": "http", "port": 8090}]
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        front = {"name": f"api-{colour}", "annotations": {"runbook.release/version": tag}}
        client.apply(DEPLOYMENT, {"metadata": {"name": f"api-{colour}"}, "spec": spec}, SPACE)
        client.apply(SERVICE, {"metadata": front, "spec": {"selector": labels, "ports": ports}}, SPACE)
    entry = {"type": "NodePort", "selector": {"app": "api", "colour": "blue"}, "ports": ports}
    client.apply(SERVICE, {"metadata": {"name": "api"}, "spec": entry}, SPACE, force=True)
    for name in ("api", "api-green"):
        wait_for(lambda name=name: len(endpoints(client, name)) == 1)
    return client


def test_connections_to_the_old_side_are_counted_and_waited_for(api: KubeClient) -> None:
    port = api.get(SERVICE, "api", SPACE)["spec"]["ports"][0]["nodePort"]
    address = os.environ["GATEWAY_ADDRESS"]
    shared: Obj = {
        "entry": {"kind": "service", "name": "api"},
        "urls": [{"url": f"http://{address}:{port}/version"}],
        "identity": {"header": "X-App-Version"},
    }
    wait_for(lambda: Probe(Identity(header="X-App-Version"), shared["urls"][0]["url"]).ask().version == "1.5.0")
    clients = [http.client.HTTPConnection(address, port) for _client in range(3)]
    for one in clients:
        one.request("GET", "/version")
        assert one.getresponse().read()
    kept = run("traffic_switch", **shared, colour="green", drain={"budget": 2})
    assert not kept.get("failed"), kept["msg"]
    assert kept["drain"]["connected"] >= 3, kept["drain"]
    for one in clients:
        one.request("GET", "/version")
        answer = one.getresponse()
        assert (answer.read() and answer.headers["X-App-Version"]) == "1.5.0"
        one.close()
    left = run("traffic_switch", **shared, colour="green", drain={"budget": 60})
    assert left["drain"]["connected"] == 0, left["drain"]
    assert left["drain"]["seconds"] < 60


def test_weight_on_an_empty_side_is_refused(web: KubeClient) -> None:
    web.scale(DEPLOYMENT, "web-green", 0, SPACE)
    wait_for(lambda: not endpoints(web, "web-green"))
    before = web.get(HTTPROUTE, "web", SPACE)["spec"]
    result = switch(web, "httproute", "green", 5)
    assert result["failed"]
    assert "no endpoint of Service web-green is ready" in result["msg"]
    assert web.get(HTTPROUTE, "web", SPACE)["spec"] == before


def test_an_entry_that_is_not_there_is_refused(web: KubeClient) -> None:
    for namespace in (SPACE, "no-such-namespace"):
        result = run("traffic_switch", namespace=namespace, entry={"kind": "httproute", "name": "docs"}, colour="green")
        assert result["failed"]
        assert f"HTTPRoute {namespace}/docs does not exist" in result["msg"]


def test_an_entry_that_points_elsewhere_is_refused(web: KubeClient) -> None:
    result = run("traffic_switch", name="shop", entry={"kind": "httproute", "name": "web"}, colour="green")
    assert result["failed"]
    assert "sends its traffic to Service web-blue, Service web-green, not to the colours" in result["msg"]


def test_a_cluster_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    started = time.monotonic()
    result = run(
        "traffic_switch",
        entry={"kind": "httproute", "name": "web"},
        colour="green",
        host="https://127.0.0.1:1",
        api_key="x",
    )
    assert result["failed"]
    assert "127.0.0.1:1" in result["msg"]
    assert time.monotonic() - started < 30
