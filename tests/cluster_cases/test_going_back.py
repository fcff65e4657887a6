# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back by the role rollback to a version that is smaller than what serves now, on a real cluster."""

from __future__ import annotations

import itertools
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
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Have, Target, observe
from ansible_collections.runbook.release.plugins.module_utils.helm.operate import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Source
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    HPA,
    HTTPROUTE,
    NAMESPACE,
    RESOURCEQUOTA,
)

Obj = dict[str, Any]
COUNTER = itertools.count()
ROOT = Path(__file__).resolve().parents[2]
ENTRY = {"kind": "httproute", "name": "podinfo"}
LABELS = {"app": "podinfo"}
SHIFT = {"from": "blue", "to": "green", "versions": {"blue": "6.9.2", "green": "6.9.3"}}
BUSY = {"type": "Utilization", "averageUtilization": 100_000}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "runbook.release.rollback"}}],
    }
]
CONTAINER = {
    "name": "podinfo",
    "image": "localhost/podinfo",
    "imagePullPolicy": "IfNotPresent",
    "command": ["./podinfo", "--port=9898"],
    "ports": [{"name": "http", "containerPort": 9898}],
    "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
    "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
}
MANIFESTS: list[Obj] = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "podinfo"},
        "spec": {
            "replicas": 1,
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
            "minReplicas": 1,
            "maxReplicas": 6,
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
    """6.9.3 live on green with four pods, 6.9.2 on blue before it with one."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.client, self.namespace, self.folder = KubeClient(), namespace, folder
        self.target = Target.of({"name": "podinfo", "namespace": namespace, "entry": ENTRY})

    def release(self) -> None:
        manifests = self.folder / "manifests"
        manifests.mkdir()
        (manifests / "podinfo.yaml").write_text(yaml.safe_dump_all(MANIFESTS))
        self.client.create(NAMESPACE, {"metadata": {"name": self.namespace}})
        self.client.create(HTTPROUTE, weights(100), self.namespace)
        self.stage(manifests, "6.9.2", 1)
        self.stage(manifests, "6.9.3", 4)
        noted = weights(0, annotations={"runbook.release/shift": json.dumps(SHIFT)})
        self.client.apply(HTTPROUTE, noted, self.namespace, force=True)

    def stage(self, manifests: Path, version: str, replicas: int) -> None:
        source = Source("manifests", path=str(manifests), image="localhost/podinfo")
        want = Want("staged", version, replicas=replicas, timeout=90, now=time.time())
        operate(self.client, Request(self.target, want, source, 1, os.environ["HELM"]))

    def have(self) -> Have:
        return observe(self.client, self.target)

    def allow(self, maximum: int) -> None:
        self.client.merge_patch(HPA, "podinfo-blue", {"spec": {"maxReplicas": maximum}}, self.namespace)

    def go_back(self, **variables: Any) -> subprocess.CompletedProcess[str]:
        """The role, as an operator without any release runs it."""
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "podinfo",
            "release_cluster": {"namespace": self.namespace},
            "release_record": str(self.folder / "record"),
            "release_components": [{"name": "podinfo", "entry": ENTRY, "urls": [], "identity": {"json": "version"}}],
            **variables,
        }
        (self.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"podinfo": host}}}))
        (self.folder / "play.yml").write_text(yaml.safe_dump(PLAY))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.folder / "hosts.json")]
        return subprocess.run(
            [*command, str(self.folder / "play.yml")], check=False, cwd=ROOT, capture_output=True, text=True
        )


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    made = System(f"going-back-{os.getpid()}-{next(COUNTER)}", tmp_path)
    try:
        made.release()
        yield made
    finally:
        made.client.delete(NAMESPACE, made.namespace)


def test_a_version_that_shrank_is_as_large_as_what_serves_before_it_gets_the_traffic(system: System) -> None:
    assert system.have().colours["blue"].desired == 1
    back = system.go_back()
    assert back.returncode == 0, back.stdout
    have = system.have()
    assert (have.live, have.colours["blue"].ready, have.colours["green"].desired) == ("blue", 4, 0)
    assert "blue is too small for the traffic to go back to: 1 of 4 pods are ready" in back.stdout


@pytest.mark.thorough
def test_an_autoscaler_that_allows_less_delays_nobody_and_is_named(system: System) -> None:
    system.allow(2)
    back = system.go_back()
    assert back.returncode == 0, back.stdout
    have = system.have()
    assert (have.live, have.colours["blue"].ready) == ("blue", 2)
    said = " ".join((back.stdout + back.stderr).split())
    assert "HorizontalPodAutoscaler podinfo-blue allows no more than 2 pods, and 4 serve now" in said


@pytest.mark.thorough
def test_a_quota_that_is_full_leaves_the_traffic_until_somebody_says_why_it_goes_back(system: System) -> None:
    system.client.create(
        RESOURCEQUOTA, {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "5"}}}, system.namespace
    )
    refused = system.go_back()
    assert refused.returncode != 0
    last = refused.stdout.strip().splitlines()[-1]
    assert "1 of 4 pods are ready" in last
    assert "release_force" in last
    assert "exceeded quota: full" in refused.stdout
    have = system.have()
    assert (have.live, have.colours["green"].desired) == ("green", 4)
    back = system.go_back(release_force="CHG-1234, one pod is enough at night")
    assert back.returncode == 0, back.stdout
    assert system.have().live == "blue"
