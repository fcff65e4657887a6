# SPDX-License-Identifier: GPL-3.0-or-later
"""A released system that people touch: may it still go back, and what did they change without a release?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.helm.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target
from ansible_collections.runbook.release.plugins.module_utils.helm.operate import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Source
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    DEPLOYMENT,
    HTTPROUTE,
    NAMESPACE,
)

Obj = dict[str, Any]
TESTS = Path(__file__).resolve().parents[1]
RUN = "import conftest; from ansible_collections.runbook.release.plugins.modules.{0} import main; main()"
ENTRY = {"kind": "httproute", "name": "podinfo"}
COMPONENTS = [{"name": "podinfo", "entry": ENTRY, "urls": ["what a component has besides"]}]
LABELS = {"app": "podinfo"}
CONTAINER = {
    "name": "podinfo",
    "image": "localhost/podinfo",
    "imagePullPolicy": "IfNotPresent",
    "command": ["./podinfo", "--port=9898"],
    "envFrom": [{"configMapRef": {"name": "settings"}}],
    "ports": [{"name": "http", "containerPort": 9898}],
    "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
    "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
}
BUSY = {"type": "Utilization", "averageUtilization": 100_000}
MANIFESTS: list[Obj] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"COLOUR": "any"}},
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "podinfo"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [CONTAINER]},
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "podinfo"},
        "spec": {"selector": LABELS, "ports": [{"name": "http", "port": 9898, "targetPort": "http"}]},
    },
    {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "podinfo"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": BUSY}}],
        },
    },
]


def weights(blue: int, **metadata: Any) -> Obj:
    refs = [
        {"name": f"podinfo-{colour}", "port": 9898, "weight": weight}
        for colour, weight in (("blue", blue), ("green", 100 - blue))
    ]
    return {"metadata": {"name": "podinfo", **metadata}, "spec": {"rules": [{"backendRefs": refs}]}}


class System:
    """podinfo 6.9.3 live on green, 6.9.2 on blue before it."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.client, self.namespace, self.folder = KubeClient(), namespace, folder

    def release(self) -> None:
        (self.folder / "podinfo.yaml").write_text(yaml.safe_dump_all(MANIFESTS))
        self.client.create(NAMESPACE, {"metadata": {"name": self.namespace}})
        self.client.create(HTTPROUTE, weights(100), self.namespace)
        self.stage("staged", "6.9.2")
        self.stage("staged", "6.9.3")
        shift = {"from": "blue", "to": "green", "versions": {"blue": "6.9.2", "green": "6.9.3"}}
        noted = weights(0, annotations={"runbook.release/shift": json.dumps(shift)})
        self.client.apply(HTTPROUTE, noted, self.namespace, force=True)

    def stage(self, state: str, version: str = "") -> None:
        target = Target.of({"name": "podinfo", "namespace": self.namespace, "entry": ENTRY})
        source = Source("manifests", path=str(self.folder), image="localhost/podinfo") if version else None
        want = Want(state, version, timeout=90, now=time.time())
        operate(self.client, Request(target, want, source, 1, os.environ["HELM"], False, diff=False))

    def run(self, module: str, **options: Any) -> Obj:
        """The module in a process of its own, as Ansible would start it."""
        given = {"namespace": self.namespace, "_ansible_remote_tmp": "/tmp", **options}
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

    def drift(self, state: str, **options: Any) -> Obj:
        result = self.run("release_drift", state=state, system="podinfo", environment="case", **options)
        assert not result.get("failed"), result["msg"]
        return result

    def safety(self, *migrations: str, **options: Any) -> Obj:
        given = [{"name": f"0042-{name}", "class": name} for name in migrations]
        return self.run("release_safety", components=COMPONENTS, migrations=given, version="6.9.3", **options)

    def kubectl(self, *arguments: str) -> None:
        subprocess.run(
            [os.environ["KUBECTL"], "--namespace", self.namespace, *arguments], check=True, capture_output=True
        )

    def settings(self, colour: str) -> str:
        found = self.client.get(DEPLOYMENT, f"podinfo-{colour}", self.namespace)
        assert found
        return str(found["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"])


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(f"safety-and-drift-{os.getpid()}", tmp_path_factory.mktemp("manifests"))
    try:
        system.release()
        yield system
    finally:
        system.client.delete(NAMESPACE, system.namespace)


def test_what_people_change_without_a_release_is_found(system: System) -> None:
    assert system.drift("checked")["since"] == ""
    assert system.drift("recorded", components=COMPONENTS, _ansible_check_mode=True)["changed"]
    assert system.drift("checked")["since"] == ""
    first = system.drift("recorded", components=COMPONENTS)
    assert (first["changed"], first["objects"]) == (True, 5)
    assert not system.drift("recorded", components=COMPONENTS)["changed"]
    assert system.drift("checked")["findings"] == []

    system.client.scale(DEPLOYMENT, "podinfo-green", 3, system.namespace)
    system.kubectl("rollout", "restart", "deployment/podinfo-green")
    system.kubectl("rollout", "status", "deployment/podinfo-green", "--timeout=90s")
    system.stage("retired")
    assert system.drift("checked")["findings"] == []

    settings = system.settings("green")
    system.kubectl("set", "env", "deployment/podinfo-green", "DEBUG=1", "--field-manager=somebody")
    system.kubectl("delete", "configmap", settings)
    header = {"op": "add", "path": "/spec/hostnames", "value": ["mine.example"]}
    system.kubectl("patch", "httproute", "podinfo", "--type=json", f"--patch={json.dumps([header])}")
    found = system.drift("checked")
    assert found["drifted"]
    assert {(one["kind"], one["object"], one["by"]) for one in found["findings"]} == {
        ("changed", "Deployment podinfo-green", "somebody"),
        ("vanished", f"ConfigMap {settings}", ""),
        ("changed", "HTTPRoute podinfo", "kubectl-patch"),
    }
    fields = {one["object"]: one["fields"] for one in found["findings"]}
    assert fields["HTTPRoute podinfo"] == ["spec.hostnames"]
    assert any("env[DEBUG]" in field for field in fields["Deployment podinfo-green"])
    assert system.drift("recorded", components=COMPONENTS)["objects"] == 4
    assert not system.drift("checked")["drifted"]


def test_a_release_knows_whether_it_may_go_back(system: System) -> None:
    system.stage("warm")
    whole = system.safety("expand")
    assert (whole["safe"], whole["warm_first"]) == (True, []), whole
    assert whole["components"]["podinfo"]["colour"] == "blue"

    refused = system.safety("expand", "contract")
    assert refused["failed"]
    assert "0042-contract" in refused["msg"]
    assert "Fix forward: release a version that works with migration 0042-contract." in refused["forward"]
    assert system.safety("contract", reached="backup")["safe"]
    assert system.safety("contract", force="proven by hand")["forced"] == "proven by hand"

    system.stage("retired")
    retired = system.safety()
    assert (retired["safe"], retired["warm_first"]) == (True, ["podinfo"]), retired

    settings = system.settings("blue")
    assert system.client.delete(CONFIGMAP, settings, system.namespace)
    without = system.safety()
    assert without["failed"]
    assert f"ConfigMap {settings} does not exist any more" in without["msg"]
