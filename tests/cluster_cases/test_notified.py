# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of a release, by the playbook that people start."""

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

from ..unit.receivers import Mailbox, Posts, certificate, mail_server, web_server

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
SPACE = "notified-case"
HOST = "notified.release.local"
FIRST = "6.9.2"
SECRET = "planted-s3cr3t"
Obj = dict[str, Any]


@dataclass(frozen=True)
class System:
    """Its inventory in a folder of this machine, and the servers its people are told through."""

    folder: Path
    mailbox: Mailbox
    posts: Posts

    def variables(self) -> Obj:
        source = {"kind": "command", "command": ["cat", str(self.folder / "measured.json")]}
        gate = {"name": "lost orders", "source": source, "select": "lost", "expect": "== 0"}
        mail = {"kind": "mail", "host": "localhost", "port": self.mailbox.port, "sender": "a@example.com"}
        hook = {"kind": "webhook", "url": f"http://localhost:{self.posts.port}/{SECRET}"}
        ended = ["released", "rolled_back", "stopped", "failed"]
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "notified",
            "release_environment": "case",
            "release_starter": "alice@example.com",
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
            "release_components": [component()],
            "release_shift": {"steps": [100], "hold": 0},
            "release_witness": {"rate": 0},
            "release_gates": {"live": [gate]},
            "release_record": str(self.folder / "records"),
            "release_notify": [
                {"events": ["begins", *ended], "to": hook},
                {"events": ended, "to": {**mail, "recipients": ["ops@example.com"]}},
                {"events": ["released"], "to": {**mail, "port": 1, "name": "nobody", "recipients": ["x@example.com"]}},
            ],
            "notify_seconds": 300,
        }

    def deploy(self, version: str, lost: int, *options: str) -> tuple[int, str]:
        (self.folder / "measured.json").write_text(json.dumps({"lost": lost}))
        hosts = {"notified": {**self.variables(), "release_version": version}}
        (self.folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        program = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / "deploy.yml")]
        argv = [*program, f"--inventory={self.folder / 'inventory.json'}", *options]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def heard(self) -> list[str]:
        return [body["event"] for _host, _path, body in self.posts.heard]


def component() -> Obj:
    values = {
        "image": {"repository": "localhost/podinfo", "tag": "{{ release_version }}"},
        "probes": {"readiness": {"periodSeconds": 1}},
    }
    url = f"http://{HOST}:{os.environ['GATEWAY_HTTP_PORT']}/version"
    return {
        "name": "podinfo",
        "source": {"kind": "helm", "chart": f"{os.environ['CHARTS']}/podinfo", "values": values},
        "replicas": 1,
        "timeout": 120,
        "entry": {"kind": "httproute", "name": "podinfo"},
        "port": 9898,
        "urls": [{"url": url, "address": os.environ["GATEWAY_ADDRESS"]}],
        "identity": {"json": "version"},
    }


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Nothing was ever released."""
    client, folder = KubeClient(), tmp_path_factory.mktemp("notified")
    client.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    weights = {"podinfo-blue": 100, "podinfo-green": 0}
    refs = [{"name": name, "port": 9898, "weight": weight} for name, weight in weights.items()]
    parents = {"parentRefs": [{"name": "public", "namespace": "default"}], "hostnames": [HOST]}
    spec = {**parents, "rules": [{"backendRefs": refs}]}
    client.apply(HTTPROUTE, {"metadata": {"name": "podinfo"}, "spec": spec}, SPACE)
    pem = certificate(folder)
    with mail_server(pem) as mailbox, web_server(pem) as posts:
        yield System(folder, mailbox, posts)
    client.delete(NAMESPACE, SPACE)


def test_people_are_told_how_a_release_begins_and_ends_and_check_mode_tells_nobody(system: System) -> None:
    code, said = system.deploy(FIRST, 0, "--check")
    assert (code, system.heard(), system.mailbox.mails) == (0, [], []), said
    assert f"[BEGINS] notified {FIRST} in case" in said
    code, said = system.deploy(FIRST, 0)
    assert (code, system.heard()) == (0, ["begins", "released"]), said
    assert "Not told: nobody." in said
    (record,) = (json.loads(path.read_text()) for path in system.folder.glob("records/notified/*/record.json"))
    told = [(one["event"], one["name"], one["delivered"]) for one in record["told"]]
    assert ("begins", "webhook localhost", True) in told
    assert ("released", "nobody", False) in told
    (mail,) = system.mailbox.mails
    assert mail["Subject"] == f"[RELEASED] notified {FIRST} is live in case"
    assert "sha256" in system.posts.heard[-1][2]["ledger"]
    assert SECRET not in said
