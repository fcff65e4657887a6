# SPDX-License-Identifier: GPL-3.0-or-later
"""Several systems in one run of a playbook: what one of them waits for, the others do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import HTTPROUTE, NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.release.index import Index
from ansible_collections.runbook.release.plugins.module_utils.release.register import index_of

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
STAGE = "import conftest; from ansible_collections.runbook.release.plugins.modules.helm_bluegreen import main; main()"
FIRST, NEXT = "6.9.2", "6.9.3"
WAITING, BROKEN = "waiting", "broken"
PATIENCE = 180.0
Variables = dict[str, Any]


@dataclass(frozen=True)
class Systems:
    """One waits at its staged gate until `gate` is written to, the other one's live gate fails."""

    client: KubeClient
    folder: Path

    @property
    def screen(self) -> Path:
        return self.folder / "screen"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    def variables(self, system: str) -> Variables:
        waits = {"command": ["cat", str(self.gate)]}
        breaks = {"command": ["cat", str(self.folder / "nothing")]}
        source, gate = (waits, "staged") if system == WAITING else (breaks, "live")
        criterion = {"name": gate, "source": {"kind": "command", **source}, "select": "output", "expect": '== "go"'}
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": system,
            "release_environment": "case",
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": space(system)},
            "release_components": [component(system)],
            "release_shift": {"steps": [100], "hold": 1},
            "release_gates": {gate: [criterion | {"timeout": PATIENCE}]},
            "release_record": str(self.folder / "records"),
        }

    def deploy(self) -> subprocess.Popen[bytes]:
        inventory = self.folder / "inventory.json"
        hosts = {system: self.variables(system) for system in (WAITING, BROKEN)}
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        program = str(Path(sys.executable).parent / "ansible-playbook")
        playbook = str(ROOT / "playbooks" / "deploy.yml")
        with self.screen.open("w") as screen:
            return subprocess.Popen(
                [program, playbook, f"--inventory={inventory}", f"--extra-vars=release_version={NEXT}"],
                cwd=ROOT,
                stdout=screen,
                stderr=subprocess.STDOUT,
            )

    def go(self) -> None:
        """Open the gate, at which somebody waits."""
        end = os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK)
        os.write(end, b"go")
        os.close(end)

    def verdict(self, system: str) -> str:
        newest = Index.of(index_of(self.client, space(system), f"{system}-case").entries()).newest
        return newest.verdict if newest else ""


def space(system: str) -> str:
    return f"{system}-case"


def host(system: str) -> str:
    return f"{system}.release.local"


def component(system: str) -> Variables:
    url = f"http://{host(system)}:{os.environ['GATEWAY_HTTP_PORT']}/version"
    image = {"repository": "localhost/podinfo", "tag": "{{ release_version }}"}
    values = {"image": image, "probes": {"readiness": {"periodSeconds": 1}}}
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


def route(system: str) -> Variables:
    weights = {"blue": 100, "green": 0}
    refs = [{"name": f"podinfo-{colour}", "port": 9898, "weight": weight} for colour, weight in weights.items()]
    parents = [{"name": "public", "namespace": "default"}]
    return {
        "metadata": {"name": "podinfo"},
        "spec": {"parentRefs": parents, "hostnames": [host(system)], "rules": [{"backendRefs": refs}]},
    }


def make_live(system: str, version: str) -> None:
    """On the side that the entry sends everything to."""
    own = json.loads(json.dumps(component(system)).replace("{{ release_version }}", version))
    asked = {name: own[name] for name in ("name", "source", "replicas", "timeout", "entry")}
    given = {"namespace": space(system), "version": version, "_ansible_remote_tmp": "/tmp", **asked}
    done = subprocess.run(
        [sys.executable, "-c", STAGE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[Systems]:
    own = Systems(KubeClient(), tmp_path)
    os.mkfifo(own.gate)
    try:
        for system in (WAITING, BROKEN):
            own.client.apply(NAMESPACE, {"metadata": {"name": space(system)}})
            own.client.apply(HTTPROUTE, route(system), space(system))
            make_live(system, FIRST)
        yield own
    finally:
        for system in (WAITING, BROKEN):
            own.client.delete(NAMESPACE, space(system))


def until(condition: Callable[[], Any], running: subprocess.Popen[bytes], systems: Systems) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert running.poll() is None, systems.screen.read_text()
        assert time.monotonic() < deadline, systems.screen.read_text()
        time.sleep(0.2)


def test_a_system_goes_back_while_another_one_waits_at_its_gate(systems: Systems) -> None:
    with systems.deploy() as running:
        until(lambda: systems.verdict(BROKEN) == "rolled back", running, systems)
        assert systems.verdict(WAITING) == "", systems.screen.read_text()
        systems.go()
    assert (running.returncode, systems.verdict(WAITING)) == (2, "released"), systems.screen.read_text()
