# SPDX-License-Identifier: GPL-3.0-or-later
"""A release is refused by a report on another image, or from before the images were built, before anything changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import NAMESPACE, SERVICE

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "tests" / "unit" / "plugins" / "module_utils" / "tor" / "reports"
SPACE = "tor-subject-case"
SCANNED, OTHER = ("sha256:" + digit * 64 for digit in "23")
SELECTOR = {"app": "web", "runbook.release/colour": "blue"}
MADE_AFTER, MADE_BEFORE = "2026-11-20T09:00:00Z", "2026-11-22T09:00:00Z"


@pytest.fixture(scope="module", autouse=True)
def entry() -> Iterator[None]:
    client = KubeClient()
    client.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    port = {"name": "http", "port": 80, "targetPort": 9898}
    client.apply(SERVICE, {"metadata": {"name": "web"}, "spec": {"selector": SELECTOR, "ports": [port]}}, SPACE)
    yield
    client.delete(NAMESPACE, SPACE)


def manifests(folder: Path, digest: str) -> Path:
    container = {"name": "web", "image": f"localhost/podinfo:6.9.2@{digest}", "ports": [{"containerPort": 9898}]}
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    ports = [{"name": "http", "port": 80, "targetPort": 9898}]
    own = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    objects = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
        {**own, "spec": {"selector": labels, "ports": ports}},
    ]
    path = folder / "web.yml"
    path.write_text("".join(f"---\n{json.dumps(one)}\n" for one in objects))
    return path


def check(folder: Path, digest: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """A release by `playbooks/deploy.yml` in check mode."""
    source = {"kind": "manifests", "path": str(manifests(folder, digest))}
    component = {"name": "web", "source": source, "entry": {"kind": "service", "name": "web"}, "replicas": 1}
    scan = {"kind": "trivy", "path": str(REPORTS / "trivy" / "image.json"), "component": "web"}
    tests = {"kind": "junit", "path": str(REPORTS / "tests" / "junit-passed.xml")}
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "release_system": "subject",
        "release_environment": "local",
        "release_version": "6.9.2",
        "release_cluster": {"kubeconfig": os.environ.get("KUBECONFIG", ""), "namespace": SPACE},
        "release_components": [
            {**component, "urls": [{"url": "http://web.local/version"}], "identity": {"json": "version"}}
        ],
        "release_record": str(folder / "record"),
        "release_gates": {
            "preflight": [
                {"name": "scan", "source": scan, "select": "critical", "expect": "<= 1"},
                {"name": "tests", "source": tests, "select": "failed", "expect": "== 0"},
            ]
        },
        **variables,
    }
    inventory = folder / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"web": host}}}))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / "deploy.yml"), "--check"]
    return subprocess.run([*command, f"--inventory={inventory}"], check=False, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("digest", "built", "said"),
    [
        (SCANNED, MADE_AFTER, ""),
        (OTHER, MADE_AFTER, f"the report was made for digest {SCANNED}"),
        (SCANNED, MADE_BEFORE, "2 of 2 criteria keep the gate closed"),
    ],
)
def test_reports_have_to_be_about_the_images_of_the_release(tmp_path: Path, digest: str, built: str, said: str) -> None:
    run = check(tmp_path, digest, release_built=built)
    assert (run.returncode == 0) is not bool(said), run.stdout[-3000:]
    assert " ".join(said.split()) in " ".join(run.stdout.split())
