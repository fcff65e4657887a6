# SPDX-License-Identifier: GPL-3.0-or-later
"""A release whose steps the judge holds, and what is seen of the system after it has ended."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import DEPLOYMENT, HTTPROUTE, NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.release.index import Attempt, Index, read
from ansible_collections.runbook.release.plugins.module_utils.release.register import index_of
from ansible_collections.runbook.release.plugins.module_utils.tor.observing import ledger_of

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
STAGE = "import conftest; from ansible_collections.runbook.release.plugins.modules.helm_bluegreen import main; main()"
SPACE = "observed-case"
HOST = "observed.release.local"
FIRST, NEXT = "6.9.2", "6.9.3"
PATIENCE = 60.0
Variables = dict[str, Any]

JUDGED = {
    "name": "not more slow answers than before",
    "source": {"kind": "judge", "slower_than": "400 ms", "interval": 2, "minimum": 40, "slo": "5 %", "limit": "50 %"},
    "select": "slow_share",
    "expect": '== "pass"',
}
WEIGHTS = {"blue": 100, "green": 0}
SLOW = ["--random-delay-min=600", "--random-delay-max=601", "--random-delay-unit=ms"]


@dataclass(frozen=True)
class System:
    """Its inventory, in a folder of one machine; `measured` is the file that stands for what is measured of it."""

    folder: Path
    measured: Path
    client: KubeClient

    def variables(self) -> Variables:
        compared = {
            "name": "open orders",
            "source": {"kind": "command", "command": ["cat", str(self.measured)]},
            "select": "orders",
            "expect": "<= 2 x baseline",
        }
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "observed",
            "release_environment": "case",
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
            "release_components": [component()],
            "release_shift": {"steps": [25, 100], "hold": 5},
            "release_witness": {"rate": 60, "samples": 5, "error_share": "50 %"},
            "release_gates": {"step": [JUDGED], "observe": [compared]},
            "release_observation": [{"every": "2s", "until": "10m"}],
            "release_rollback": {
                "policy": [{"criterion": "open orders", "when": "failed", "times": 2, "action": "rollback"}],
                "keep_warm": {"full": "1s", "floor": 0, "until": "1h"},
            },
            "release_record": str(self.folder / "records"),
        }

    def start(self, playbook: str, **more: Any) -> subprocess.Popen[str]:
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"observed": self.variables()}}}))
        return subprocess.Popen(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                str(ROOT / "playbooks" / playbook),
                f"--inventory={inventory}",
                f"--extra-vars={json.dumps(more)}",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, **more: Any) -> tuple[int, str]:
        with self.start(playbook, **more) as process:
            said = process.communicate()[0]
        return process.returncode, said

    def measures(self, **values: Any) -> None:
        beside = self.measured.with_suffix(".new")
        beside.write_text(json.dumps(values))
        beside.replace(self.measured)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return Index.of(index_of(self.client, SPACE, "observed-case").entries()).attempts

    @property
    def newest(self) -> Attempt:
        """The newest release."""
        return [one for one in self.attempts if one.kind == "release"][-1]

    def ledger(self, release: str) -> list[Entry]:
        return read(Store(self.client, SPACE, release))

    def looks(self, release: str) -> list[Entry]:
        return self.ledger(ledger_of(release))

    def pods(self, colour: str) -> int:
        """How many the colour is to have."""
        return int((self.client.get(DEPLOYMENT, f"podinfo-{colour}", SPACE) or {})["spec"]["replicas"])

    def live(self) -> str:
        """The colour that has all the traffic."""
        route = self.client.get(HTTPROUTE, "podinfo", SPACE) or {}
        (live,) = [one["name"] for one in route["spec"]["rules"][0]["backendRefs"] if one["weight"]]
        return str(live).removeprefix("podinfo-")


def component() -> Variables:
    values = {
        "image": {"repository": "localhost/podinfo", "tag": "{{ release_version }}"},
        "probes": {"readiness": {"periodSeconds": 1}},
        "faults": {"delay": "{{ slow | default(false) }}"},
        "extraArgs": "{{ " + repr(SLOW) + " if slow | default(false) else [] }}",
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


def route() -> Variables:
    refs = [{"name": f"podinfo-{colour}", "port": 9898, "weight": weight} for colour, weight in WEIGHTS.items()]
    parents = [{"name": "public", "namespace": "default"}]
    return {
        "metadata": {"name": "podinfo"},
        "spec": {"parentRefs": parents, "hostnames": [HOST], "rules": [{"backendRefs": refs}]},
    }


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The first version is live."""
    folder = tmp_path_factory.mktemp("observed")
    own = System(folder, folder / "measured.json", KubeClient())
    own.client.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    own.client.apply(HTTPROUTE, route(), SPACE)
    try:
        staged(FIRST)
        own.measures(orders=100)
        yield own
    finally:
        own.client.delete(NAMESPACE, SPACE)


def staged(version: str) -> None:
    """The version on the side that the entry sends everything to."""
    own = json.loads(json.dumps(component()).replace("{{ release_version }}", version))
    own["source"]["values"] |= {"faults": {}, "extraArgs": []}
    asked = {name: own[name] for name in ("name", "source", "replicas", "timeout", "entry")}
    given = {"namespace": SPACE, "version": version, "_ansible_remote_tmp": "/tmp", **asked}
    done = subprocess.run(
        [sys.executable, "-c", STAGE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def released(system: System) -> System:
    """The next version is live, and whoever released it has left nothing on this machine."""
    code, said = system.run("deploy.yml", release_version=NEXT, release_lift="it answers as fast as before")
    assert code == 0, said
    shutil.rmtree(system.folder / "records")
    return system


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return found


def gates(system: System) -> list[tuple[str, str]]:
    """What the gates of the newest release said, and what the judge said at them."""
    held = [one for one in system.ledger(system.newest.release) if one.what.startswith("gate step")]
    return [
        (one.after["verdict"], verdict["verdict"])
        for one in held
        for verdict in one.after["criteria"]
        if verdict["name"] == JUDGED["name"]
    ]


def test_a_version_that_answers_late_is_judged_at_its_first_step_and_goes_back(system: System) -> None:
    code, said = system.run("deploy.yml", release_version=NEXT, slow=True)
    assert code != 0
    assert "more than 400 ms in" in said
    assert gates(system) == [("fail", "fail")]
    assert (system.newest.verdict, system.live()) == ("rolled back", "blue")


def test_a_version_as_good_as_the_one_before_passes_the_judge(released: System) -> None:
    assert gates(released) == [("pass", "pass")], "at 25 %; at 100 % nobody is left to compare with"
    assert (released.newest.verdict, released.live()) == ("released", "green")


def test_the_version_before_gives_its_pods_up_when_its_time_is_over(released: System) -> None:
    assert released.pods("blue") == 1
    for _run in ("the first", "one that finds nothing to do"):
        code, said = released.run("observe.yml")
        assert code == 0, said
        assert (released.pods("blue"), released.pods("green")) == (0, 1)
        tasks = [one.verdict for one in released.attempts if one.kind == "tasks"]
        assert tasks == ["done"]


def test_looks_go_on_where_they_were_when_the_one_who_looked_is_killed(released: System) -> None:
    release = released.newest.release
    code, said = released.run("observe.yml")
    assert code == 0, said
    before = released.looks(release)
    assert before[-1].after["verdict"] == "pass"
    released.measured.unlink()
    os.mkfifo(released.measured)
    with released.start("observe.yml") as looking:
        reader = wait_for(lambda: opened(released.measured))
        os.killpg(looking.pid, signal.SIGKILL)
    os.close(reader)
    released.measures(orders=200)
    assert released.looks(release) == before
    code, said = released.run("observe.yml")
    after = released.looks(release)
    assert (code, after[-1].after["verdict"], after[: len(before)]) == (0, "pass", before), said
    numbers = [one.after["number"] for one in after]
    assert numbers == list(range(1, len(after) + 1)), "each look was taken or missed once"


def opened(path: Path) -> int | None:
    """The write end of a pipe, once somebody has begun to read it."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as nobody:
        if nobody.errno != errno.ENXIO:
            raise
        return None


def test_what_got_worse_than_before_the_release_takes_it_back(released: System) -> None:
    released.measures(orders=201)
    release = released.newest.release
    code, said = released.run("observe.yml")
    assert code != 0
    assert "open orders: orders is 201, expected <= 2 x baseline (200)" in said
    assert (released.newest.verdict, released.live()) == ("rolled back", "blue")
    last_look, sealed = released.looks(release)[-2:]
    decision = last_look.after["decision"]
    assert (decision["action"], sealed.what) == ("rollback", "sealed")
    assert [one["observed"] for one in decision["numbers"]] == [201]
    assert released.pods("blue") == 1, "it was brought up before it got the traffic"
    code, said = released.run("observe.yml")
    assert (code, "did not go live" in said) == (0, True)
