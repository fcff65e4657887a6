# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that cannot go back: the first one, one whose plan was overtaken, and those with a contract migration."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import DEPLOYMENT, HTTPROUTE, NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
SPACE = "ending-case"
HOST = "ending.release.local"
FIRST, SECOND, THIRD = "6.9.2", "6.9.3", "6.9.6"
CONTRACT = {"release_migrations": [{"name": "0043-drop-price", "class": "contract"}]}
Obj = dict[str, Any]


@dataclass(frozen=True)
class System:
    """Its inventory in a folder of this machine; `measured` is the file its gates read."""

    folder: Path
    client: KubeClient

    @property
    def measured(self) -> Path:
        return self.folder / "measured.json"

    def variables(self) -> Obj:
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "ending",
            "release_environment": "case",
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
            "release_components": [component()],
            "release_shift": {"steps": [25, 100], "hold": 0},
            "release_witness": {"rate": 20, "samples": 5, "error_share": "50 %"},
            "release_gates": {"step": [self.gate()], "live": [self.gate()]},
            "release_record": str(self.folder / "records"),
        }

    def gate(self) -> Obj:
        source = {"kind": "command", "command": ["cat", str(self.measured)]}
        return {"name": "lost orders", "source": source, "select": "lost", "expect": "== 0"}

    def measures(self, lost: int) -> None:
        self.measured.write_text(json.dumps({"lost": lost}))

    def run(self, playbook: str, **more: Any) -> tuple[int, str]:
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"ending": {**self.variables(), **more}}}}))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / playbook)]
        done = subprocess.run(
            [*command, f"--inventory={inventory}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    def deploy(self, version: str, **more: Any) -> tuple[int, str]:
        return self.run("deploy.yml", release_version=version, **more)

    def told(self) -> Obj:
        return tell(self.client, SPACE, "ending-case")

    def ends(self) -> list[tuple[str, str]]:
        """Each release there was, and how it ended."""
        return [(one["version"], one["verdict"]) for one in self.told()["releases"]]

    def weights(self) -> dict[str, int]:
        """The traffic by the version that gets it."""
        route = self.client.get(HTTPROUTE, "podinfo", SPACE) or {}
        shares = {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]}
        return {self.version(name): weight for name, weight in shares.items() if weight}

    def version(self, name: str) -> str:
        deployment = self.client.get(DEPLOYMENT, name, SPACE) or {}
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]


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


def rules(blue: int, green: int) -> Obj:
    weights = {"podinfo-blue": blue, "podinfo-green": green}
    return {"rules": [{"backendRefs": [{"name": name, "port": 9898, "weight": one} for name, one in weights.items()]}]}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Nothing was ever released."""
    own = System(tmp_path_factory.mktemp("ending"), KubeClient())
    own.client.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    parents = {"parentRefs": [{"name": "public", "namespace": "default"}], "hostnames": [HOST]}
    own.client.apply(HTTPROUTE, {"metadata": {"name": "podinfo"}, "spec": {**parents, **rules(100, 0)}}, SPACE)
    yield own
    own.client.delete(NAMESPACE, SPACE)


def test_a_first_release_that_fails_once_it_is_live_ends_and_makes_room_for_the_next(system: System) -> None:
    system.measures(lost=1)
    code, said = system.deploy(FIRST, release_gates={"live": [system.gate()]})
    assert code != 0
    assert f"ending {FIRST} failed and there is nothing to go back to" in said
    told = system.told()
    assert (system.ends(), told["unfinished"], told["owner"]) == ([(FIRST, "failed")], {}, {})
    assert [hold["version"] for hold in told["holds"]] == [FIRST]
    system.measures(lost=0)
    code, said = system.deploy(SECOND)
    assert (code, system.weights()) == (0, {SECOND: 100}), said


def test_what_moved_between_the_plan_and_the_lock_is_named_before_anything_is_touched(system: System) -> None:
    """The gate that is held in between is what moves it here."""
    kubectl = [os.environ["KUBECTL"], f"--kubeconfig={os.environ['KUBECONFIG']}", f"--namespace={SPACE}"]
    patch = json.dumps({"spec": rules(25, 75)})
    command = [*kubectl, "patch", "httproute", "podinfo", "--type=merge", f"--patch={patch}", "--output=json"]
    moving = {"name": "moves", "source": {"kind": "command", "command": command}, "select": "kind"}
    before = system.told()
    code, said = system.deploy(THIRD, release_gates={"preflight": [{**moving, "expect": '== "HTTPRoute"'}]})
    assert code != 0
    said = " ".join(said.split())
    assert f"podinfo was planned with green {SECOND}, and now it is blue {FIRST} 25 %, green {SECOND} 75 %" in said
    assert system.weights() == {FIRST: 25, SECOND: 75}
    after = system.told()
    assert [one["verdict"] for one in after["releases"][len(before["releases"]) :]] == ["stopped"]
    assert (after["holds"], after["owner"]) == (before["holds"], {})
    system.client.merge_patch(HTTPROUTE, "podinfo", {"spec": rules(0, 100)}, SPACE)


def test_what_can_neither_go_on_nor_back_is_brought_forward_to_a_version_that_mends_it(system: System) -> None:
    system.measures(lost=1)
    code, said = system.deploy(THIRD, **CONTRACT)
    assert (code != 0, "Migration 0043-drop-price is a contract" in " ".join(said.split())) == (True, True)
    assert system.weights() == {SECOND: 75, THIRD: 25}
    mending = {"release_resume": "forward", "release_lift": "its orders are not lost any more"}
    code, said = system.deploy(FIRST, **mending)
    assert code != 0
    said = " ".join(said.split())
    assert f"No side of podinfo is free for {FIRST} while both carry traffic." in said
    assert f"run deploy.yml with -e release_version={THIRD} -e release_resume=forward" in said
    code, said = system.deploy(THIRD, release_resume="forward", **CONTRACT)
    assert (code != 0, system.weights()) == (True, {THIRD: 100}), said
    system.measures(lost=0)
    code, said = system.deploy(FIRST, **mending, **CONTRACT)
    assert (code, system.weights()) == (0, {FIRST: 100}), said
    assert system.ends()[-2:] == [(THIRD, "failed"), (FIRST, "released")]


def test_a_release_is_taken_back_by_the_migrations_it_had_not_by_those_of_today(system: System) -> None:
    before = system.told()
    code, said = system.run("rollback.yml")
    assert (code != 0, "Migration 0043-drop-price is a contract" in " ".join(said.split())) == (True, True)
    assert system.told() == before, "what is refused leaves nothing behind"
    code, said = system.run("rollback.yml", release_force="the column is back")
    assert (code, system.weights()) == (0, {THIRD: 100}), said
    assert system.ends()[-1] == (FIRST, "rolled back")
    (whole, traffic) = re.findall(r"ended: rolled back in (\d+\.\d) s, traffic after (\d+\.\d) s\.", said)[-1]
    assert 0 < float(traffic) < float(whole)
    assert system.told()["releases"][-1]["seconds"] == pytest.approx(float(whole), abs=0.06)
