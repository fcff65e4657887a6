# SPDX-License-Identifier: GPL-3.0-or-later
"""The witness in front of the real gateway: all four shapes, and the mistakes of a switch that must turn it red."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    HTTPROUTE,
    NAMESPACE,
    SERVICE,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.readiness import workload_ready
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.witness.log import read
from ansible_collections.runbook.release.plugins.module_utils.witness.run import Witness
from ansible_collections.runbook.release.plugins.module_utils.witness.spec import spec_from

SPACE = "witness-case"
HOST = "witness.release.local"
OLD, NEW = "6.9.2", "6.9.3"
PATIENCE = 60.0


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def deployment(name: str, version: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {
        "name": "podinfo",
        "image": f"localhost/podinfo:{version}",
        "imagePullPolicy": "Never",
        "command": ["./podinfo", "--port=9898"],
        "ports": [{"name": "http", "containerPort": 9898}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(name: str) -> dict[str, Any]:
    port = {"name": "http", "port": 9898, "targetPort": "http"}
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [port]}}


def route(**weights: int) -> dict[str, Any]:
    backends = [{"name": name, "port": 9898, "weight": weight} for name, weight in weights.items()]
    parents = [{"name": "public", "namespace": "default"}]
    return {
        "metadata": {"name": "web"},
        "spec": {"parentRefs": parents, "hostnames": [HOST], "rules": [{"backendRefs": backends}]},
    }


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    own = KubeClient()
    own.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    for name, version in (("old", OLD), ("new", NEW)):
        own.apply(DEPLOYMENT, deployment(name, version), SPACE)
        own.apply(SERVICE, service(name), SPACE)
    own.apply(SERVICE, service("nobody"), SPACE)
    yield own
    own.delete(NAMESPACE, SPACE)


@pytest.fixture
def witness(client: KubeClient, tmp_path: Path) -> Iterator[Witness]:
    """Started on the old side, which is ready and alone in the route."""
    client.scale(DEPLOYMENT, "old", 1, SPACE)
    client.apply(HTTPROUTE, route(old=100, new=0), SPACE)
    for name in ("old", "new"):
        wait_for(lambda name=name: workload_ready(client.get(DEPLOYMENT, name, SPACE)))
    own = Witness(tmp_path / "witness")
    wait_for(lambda: answers_well(client))
    own.start(spec())
    yield own
    if own.running():
        own.stop()


def spec(**changes: Any) -> Any:
    address = os.environ["GATEWAY_ADDRESS"]
    plain = {"url": f"http://{HOST}:{os.environ['GATEWAY_HTTP_PORT']}/version", "address": address}
    tls = {
        "url": f"https://{HOST}:{os.environ['GATEWAY_HTTPS_PORT']}/version",
        "address": address,
        "ca_cert": os.environ["GATEWAY_CA"],
    }
    return spec_from(
        {
            "urls": [plain, tls],
            "stream_url": {**plain, "url": plain["url"].replace("/version", "/chunked/1")},
            "identity": {"json": "version"},
            "versions": [OLD, NEW],
            "rate": 90,
            "timeout": 2000,
            "duration": 120,
            **changes,
        }
    )


def criteria(*entries: dict[str, Any]) -> Any:
    return parse_criteria([{"name": "it", **entry} for entry in entries])


def answers_well(client: KubeClient) -> bool:
    tls = spec().urls[1]
    source = {"kind": "http", "url": tls.url, "address": tls.address, "ca_cert": tls.ca_cert}
    asked = criteria({"source": source, "select": "version", "expect": f'== "{OLD}"', "samples": 5})
    return evaluate(asked, World()).passed


def test_all_four_shapes_pass_while_weights_move(client, witness):
    client.apply(HTTPROUTE, route(old=50, new=50), SPACE)
    wait_for(lambda: read(witness.path).by_version.get(NEW))
    client.apply(HTTPROUTE, route(old=0, new=100), SPACE)
    wait_for(
        lambda: OLD not in read(witness.path, time.time() - 1).by_version and "stream" in read(witness.path).by_shape
    )
    witness.stop()
    report = witness.report()
    assert (report["verdict"], report["failed_requests"], report["dropped"]) == ("pass", 0, 0), report
    assert report["by_shape"].keys() == {"new", "keepalive", "http2", "stream"}
    assert report["by_version"].keys() == {"", OLD, NEW}


def test_weight_to_an_empty_side_turns_it_red(client, witness):
    client.apply(HTTPROUTE, route(old=50, nobody=50), SPACE)
    wait_for(lambda: read(witness.path).failed)
    witness.stop()
    report = witness.report()
    assert report["verdict"] == "fail"
    assert report["lost"] == report["failed_requests"]
    assert {failure["outcome"] for failure in report["first_failures"]} <= {"500", "502", "503", "504"}


def test_the_old_side_scaled_to_nothing_before_the_switch_turns_it_red(client, witness):
    client.scale(DEPLOYMENT, "old", 0, SPACE)
    wait_for(lambda: read(witness.path).failed)
    client.apply(HTTPROUTE, route(old=0, new=100), SPACE)
    witness.stop()
    assert witness.report()["verdict"] == "fail"


def test_every_source_gives_a_verdict(client, witness):
    smoke = {"kind": "service", "service": "new", "path": "/version"}
    workload = {"kind": "kubernetes", "object_kind": "Deployment", "name": "new"}
    record = {"kind": "witness", "path": str(witness.path), "version": OLD}
    gate = evaluate(
        criteria(
            {"source": smoke, "select": "version", "expect": f'== "{NEW}"'},
            {"source": smoke, "select": "latency", "aggregate": "p95", "samples": 5, "expect": "< 2 s"},
            {"source": workload, "select": "ready_share", "expect": ">= 100 %"},
            {"source": workload, "select": "restarts", "expect": "== 0"},
            {"source": workload, "select": "spec.replicas", "expect": "== 1"},
            {"source": record, "select": "error_share", "expect": "< 1 %", "samples": 100},
            {"source": record, "select": "lost", "expect": "== 0"},
        ),
        World(SPACE, lambda: client),
    )
    assert gate.passed, [verdict.sentence for verdict in gate.blockers]


def test_what_is_not_there_keeps_the_gate_closed(client, witness):
    gate = evaluate(
        criteria(
            {"source": {"kind": "service", "service": "nobody"}, "select": "status", "expect": "== 200"},
            {"source": {"kind": "service", "service": "missing"}, "select": "status", "expect": "== 200"},
            {
                "source": {"kind": "kubernetes", "object_kind": "Deployment", "name": "x"},
                "select": "ready",
                "expect": 1,
            },
        ),
        World(SPACE, lambda: client),
    )
    assert [verdict.verdict for verdict in gate.verdicts] == ["fail", "error", "error"]
