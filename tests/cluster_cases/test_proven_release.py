# SPDX-License-Identifier: GPL-3.0-or-later
"""From a repository that init.yml wrote: staging proves a version, and production takes no other images for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import HTTPROUTE, NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.release.index import Attempt, Index
from ansible_collections.runbook.release.plugins.module_utils.release.register import index_of

pytestmark = pytest.mark.thorough

SYSTEM, VERSION, OTHER = "proven", "6.9.2", "6.9.3"
ENVIRONMENTS = ("staging", "prod")
MOVED = "moved"
PLACES = (*ENVIRONMENTS, MOVED)
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
WHY = "this is a case of a test"
Variables = dict[str, Any]


def space(environment: str) -> str:
    return f"proven-{environment}-case"


def domain(environment: str) -> str:
    return f"proven-{environment}.release.local"


def variables(environment: str) -> Variables:
    """All there is to know of the system, as somebody writes it into host_vars."""
    image = {"repository": "localhost/podinfo", "tag": "{{ image_tag | default(release_version) }}"}
    values = {"image": image, "probes": {"readiness": {"periodSeconds": 1}}}
    url = f"http://{domain(environment)}:{os.environ['GATEWAY_HTTP_PORT']}/version"
    health = {
        "name": "health",
        "source": {"kind": "service", "path": "/healthz"},
        "select": "status",
        "expect": "== 200",
    }
    return {
        "release_system": SYSTEM,
        "release_version": VERSION,
        "release_components": [
            {
                "name": "podinfo",
                "source": {"kind": "helm", "chart": f"{os.environ['CHARTS']}/podinfo", "values": values},
                "replicas": 1,
                "timeout": 300,
                "entry": {"kind": "httproute", "name": "podinfo"},
                "port": 9898,
                "urls": [{"url": url, "address": os.environ["GATEWAY_ADDRESS"]}],
                "identity": {"json": "version"},
                "smoke": [health],
            }
        ],
        "release_shift": {"steps": [100], "hold": 1},
        "release_witness": {"rate": 10, "duration": 300, "samples": 1},
        "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": space(environment)},
        "release_without": {"approvals": WHY, "windows": WHY},
    }


def route(environment: str) -> Variables:
    weights = {"blue": 100, "green": 0}
    refs = [{"name": f"podinfo-{colour}", "port": 9898, "weight": weight} for colour, weight in weights.items()]
    parents = [{"name": "public", "namespace": "default"}]
    rules = [{"backendRefs": refs}]
    spec = {"parentRefs": parents, "hostnames": [domain(environment)], "rules": rules}
    return {"metadata": {"name": "podinfo"}, "spec": spec}


@dataclass(frozen=True)
class Operations:
    """The repository, and what its commands leave in the cluster."""

    folder: Path
    client: KubeClient

    def run(self, *command: str) -> tuple[int, str]:
        here = {"PATH": f"{BIN}:{os.environ['PATH']}", "PWD": str(self.folder)}
        env = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections"), **os.environ, **here}
        done = subprocess.run(
            ["ansible-playbook", *command], cwd=self.folder, env=env, check=False, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    def newest(self, environment: str, place: str = "") -> Attempt:
        index = index_of(self.client, space(place or environment), f"{SYSTEM}-{environment}")
        found = Index.of(index.entries()).newest
        assert found
        return found

    def ledger(self, environment: str, place: str = "") -> dict[str, Entry]:
        """The newest release, the last entry of each kind."""
        texts = Store(self.client, space(place or environment), self.newest(environment, place).release).texts()
        return {entry.what: entry for entry in map(Entry.parse, texts)}


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    own = Operations(tmp_path / "ops", KubeClient())
    own.folder.mkdir()
    code, said = own.run("runbook.release.init", "-e", f"init_target={own.folder}", "-e", f"init_system={SYSTEM}")
    assert code == 0, said
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    signers = own.folder / "signers" / "lead.allowed_signers"
    signers.write_text(f"lead@example.com {key.with_suffix('.pub').read_text()}")
    proof = {"environment": "staging", "records": str(own.folder / "records" / "staging"), "signers": str(signers)}
    more = {"staging": {"release_signing_key": str(key)}, "prod": {"release_proven_in": proof}}
    try:
        for environment in ENVIRONMENTS:
            described = own.folder / environment / "host_vars" / f"{SYSTEM}.yml"
            described.write_text(json.dumps({**variables(environment), **more[environment]}))
        for place in PLACES:
            own.client.apply(NAMESPACE, {"metadata": {"name": space(place)}})
            own.client.apply(HTTPROUTE, route(place), space(place))
        yield own
    finally:
        for place in PLACES:
            own.client.delete(NAMESPACE, space(place))


def test_production_releases_what_staging_proved_and_gives_no_traffic_to_another_image(operations: Operations) -> None:
    code, said = operations.run("staging.yml", "-i", "staging")
    assert (code, operations.newest("staging").verdict) == (0, "released"), said
    images = operations.ledger("staging")["release ends"].after["images"]
    assert [one.rpartition("@")[2].startswith("sha256:") for one in images["podinfo"]] == [True]

    moved = {"image_tag": OTHER, "release_cluster": {**variables("prod")["release_cluster"], "namespace": space(MOVED)}}
    code, said = operations.run("production.yml", "-i", "prod", "-e", json.dumps(moved))
    assert (code, "6.9.2 is not what was proven in staging: podinfo runs" in said) == (2, True), said
    assert operations.newest("prod", MOVED).verdict == "stopped", said
    assert "switch podinfo to 100: begins" not in operations.ledger("prod", MOVED), "it got no traffic"

    code, said = operations.run("production.yml", "-i", "prod")
    assert (code, operations.newest("prod").verdict) == (0, "released"), said
    assert operations.ledger("prod")["release ends"].after["images"] == images
    code, said = operations.run("verify.yml", "-i", "prod")
    assert code == 0, said
