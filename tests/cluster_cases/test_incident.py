# SPDX-License-Identifier: GPL-3.0-or-later
"""Real incidents of a real workload, by the playbook that people start: from the first look to the review."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP, DEPLOYMENT, NAMESPACE, POD

ROOT = Path(__file__).resolve().parents[2]
SPACE = "incident-case"
SECRET = "planted-s3cr3t"
Obj = dict[str, Any]


def workload() -> Obj:
    """It is ready until somebody disables that, and then until it is restarted."""
    container = {
        "name": "api",
        "image": "localhost/podinfo:6.9.2",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898", "--level=debug"],
        "env": [{"name": "DATABASE_PASSWORD", "value": SECRET}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1, "failureThreshold": 1},
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
    }
    labels = {"app": "api"}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    return {
        "metadata": {"name": "api"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


@dataclass(frozen=True)
class System:
    """Its inventory in a folder of this machine."""

    client: KubeClient
    folder: Path

    def variables(self) -> Obj:
        ready = {"kind": "kubernetes", "object_kind": "Deployment", "name": "api"}
        stop, start = ({"workloads": [{"name": "api"}], **do} for do in ({}, {"do": "resume"}))
        severity = {"name": "SEV-1", "scale": "critical", "respond": "15m", "resolve": "1h"}
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "incidents",
            "release_environment": "case",
            "release_starter": "alice@example.com",
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
            "release_strategy": "rolling",
            "release_components": [{"name": "api", "workloads": [{"name": "api"}]}],
            "release_record": str(self.folder / "records"),
            "release_tasks": [
                {"name": "restart the API", "workload": {"name": "api", "do": "restart"}},
                {"name": "stop the API", "pause": stop},
                {"name": "start the API", "pause": start},
            ],
            "release_incidents": {
                "severities": [severity],
                "types": [
                    {
                        "name": "not-ready",
                        "severity": "SEV-1",
                        "title": "The API is not ready",
                        "symptoms": [
                            {"name": "the API is ready", "source": ready, "select": "ready", "expect": ">= 1"}
                        ],
                        "remedies": ["restart the API"],
                    },
                    {
                        "name": "breach",
                        "severity": "SEV-1",
                        "security": True,
                        "contain": [{"task": "stop the API", "back": "start the API"}],
                    },
                ],
            },
        }

    def responds(self, **asked: Any) -> tuple[int, str]:
        hosts = {"all": {"hosts": {"incidents": self.variables()}}}
        (self.folder / "inventory.json").write_text(json.dumps(hosts))
        extra = json.dumps({f"incident_{name}": value for name, value in asked.items()})
        program = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / "incident.yml")]
        argv = [*program, f"--inventory={self.folder / 'inventory.json'}", "-e", extra]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        said = " ".join((done.stdout + done.stderr).split())
        assert SECRET not in said
        return done.returncode, said

    def pods(self) -> list[Obj]:
        return [
            pod
            for pod in self.client.list(POD, SPACE, labels="app=api")
            if not pod["metadata"].get("deletionTimestamp")
        ]

    def break_it(self) -> None:
        """The application says from now on that it is not ready, and logs that somebody asked for it."""
        (pod,) = (one["metadata"]["name"] for one in self.pods())
        path = f"/api/v1/namespaces/{SPACE}/pods/{pod}:9898/proxy/readyz/disable"
        body = self.folder / "nothing"
        body.write_text("")
        kubectl = [os.environ["KUBECTL"], "create", "--raw", path, "-f", str(body)]
        subprocess.run(kubectl, check=False, capture_output=True)
        wait = ["wait", f"--namespace={SPACE}", "--for=jsonpath={.status.unavailableReplicas}=1", "deployment/api"]
        subprocess.run([os.environ["KUBECTL"], *wait, "--timeout=60s"], check=True, capture_output=True)

    def folder_of(self, type: str) -> Path:
        return self.folder / "records" / "incidents" / "incidents" / f"incidents-case-incident-{type}-1"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One API that is ready."""
    client = KubeClient()
    client.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    client.apply(DEPLOYMENT, workload(), SPACE)
    wait = ["rollout", "status", f"--namespace={SPACE}", "deployment/api", "--timeout=120s"]
    subprocess.run([os.environ["KUBECTL"], *wait], check=True, capture_output=True)
    yield System(client, tmp_path_factory.mktemp("incident"))
    client.delete(NAMESPACE, SPACE)


def test_a_workload_that_fails_is_looked_at_first_then_restarted_and_the_incident_ends_with_its_review(
    system: System,
) -> None:
    system.break_it()
    (broken,) = (pod["metadata"]["name"] for pod in system.pods())
    code, said = system.responds(type="not-ready", source="alert", trigger="ApiNotReady")
    assert code == 0, said
    assert "the API is ready: ready is 0, expected >= 1" in said
    (kept,) = system.folder_of("not-ready").glob("evidence-*/api")
    files = {path.name: path for path in kept.iterdir()}
    assert {"summary.txt", "events.txt", "evidence.json", f"{broken}.api.log"} <= set(files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    assert not any(SECRET in path.read_text() for path in files.values())

    code, said = system.responds(type="not-ready", step="state", state="resolved", cause="somebody disabled it")
    assert code != 0
    assert "cannot be resolved while its symptoms hold: the API is ready (fail)" in said

    code, said = system.responds(type="not-ready", remedy="restart the API", confirm=True, state="resolved")
    assert code == 0, said
    assert broken not in {pod["metadata"]["name"] for pod in system.pods()}
    review = (system.folder_of("not-ready") / "review.md").read_text()
    for part in (
        "# The API is not ready",
        "SEV-1 (critical)",
        "restart the API done",
        "somebody disabled it",
        "mitigated",
    ):
        assert part in review
    assert SECRET not in review


def test_a_breach_is_contained_after_everything_is_kept_and_ends_at_the_baseline(system: System) -> None:
    code, said = system.responds(type="breach", remedy="stop the API", confirm=True)
    assert (code, "there is no incident of the type breach" in said) == (2, True), said
    assert system.responds(type="breach")[0] == 0
    code, said = system.responds(type="breach", step="remedy", remedy="stop the API", confirm=True)
    assert (code, system.pods()) == (0, []), said
    code, said = system.responds(type="breach", state="resolved", cause="a stolen key", vector="a leaked token")
    assert (code, "is still contained by stop the API" in said) == (2, True), said
    code, said = system.responds(type="breach", back="stop the API", confirm=True, state="resolved")
    assert (code, len(system.pods())) == (0, 1), said
    ledgers = [one for one in system.client.list(CONFIGMAP, SPACE) if one["metadata"]["name"].startswith("ledger-")]
    assert SECRET not in json.dumps([one["data"] for one in ledgers])
