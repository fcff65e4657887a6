# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a release at a real API server: recorded, fenced, killed half-way, and robbed of their lock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    HTTPROUTE,
    LEASE,
    NAMESPACE,
    SERVICE,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.readiness import workload_ready
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import keep
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run

from .test_helm_bluegreen import ENTRY as PODINFO
from .test_helm_bluegreen import manifests, namespace_with_entry
from .test_traffic_switch import HOST, VERSIONS, deployment, route, service, wait_for

SPACE = "journal-case"
TESTS = Path(__file__).resolve().parents[1]
MODULE = "import conftest; from ansible_collections.runbook.release.plugins.modules.{0} import main; main()"
ENTRY = {"kind": "httproute", "name": "web"}
Obj = dict[str, Any]


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    own = KubeClient()
    own.delete(NAMESPACE, SPACE)
    wait_for(lambda: own.get(NAMESPACE, SPACE) is None)
    own.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    for colour in VERSIONS:
        own.apply(DEPLOYMENT, deployment(colour), SPACE)
        own.apply(SERVICE, service(f"web-{colour}", colour), SPACE)
    for colour in VERSIONS:
        wait_for(lambda colour=colour: workload_ready(own.get(DEPLOYMENT, f"web-{colour}", SPACE)))
    yield own
    own.delete(NAMESPACE, SPACE)


class Release:
    """A release that holds its lock, and the modules that take part in it."""

    def __init__(self, client: KubeClient, name: str, mirror: Path) -> None:
        self.client = client
        self.run = Run(name, SPACE, name, 0, "alice@a", 6, str(mirror))
        self.run = self.taken_over("alice@a")

    def taken_over(self, who: str) -> Run:
        want = Want(f"{SPACE}/{self.run.lease}", "held", who, f"{who}{time.monotonic_ns()}", 6, None, True, "a test")
        after = keep(self.client, want).after
        assert after
        return Run(**{**self.run.report(), "token": after.token, "who": who})

    @property
    def store(self) -> Store:
        return Store(self.client, SPACE, self.run.release)

    def entries(self) -> list[Entry]:
        return [Entry.parse(text) for text in self.store.texts()]

    def whats(self) -> list[str]:
        return [entry.what for entry in self.entries()]

    def switching(self, weight: int, run: Run | None = None, **options: Any) -> subprocess.Popen[str]:
        url = f"http://{HOST}:{os.environ['GATEWAY_HTTP_PORT']}/version"
        given = {
            "namespace": SPACE,
            "entry": ENTRY,
            "colour": "green",
            "weight": weight,
            "urls": [{"url": url, "address": os.environ["GATEWAY_ADDRESS"]}],
            "identity": {"json": "version"},
            "run": (run or self.run).report(),
            **options,
        }
        return started("traffic_switch", given)

    def switch(self, weight: int, run: Run | None = None, **options: Any) -> Obj:
        return result_of(self.switching(weight, run, **options))

    def entry(self) -> Obj:
        found = self.client.get(HTTPROUTE, "web", SPACE)
        assert found
        return found

    def weights(self) -> list[int]:
        return [one["weight"] for one in self.entry()["spec"]["rules"][0]["backendRefs"]]


def started(module: str, given: Obj) -> subprocess.Popen[str]:
    """The module in a process of its own, as Ansible would start it."""
    args = json.dumps({"ANSIBLE_MODULE_ARGS": given})
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", MODULE.format(module), args]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result_of(process: subprocess.Popen[str]) -> Obj:
    stdout, stderr = process.communicate(timeout=300)
    assert stdout, stderr
    return dict(json.loads(stdout))


@pytest.fixture
def release(client: KubeClient, tmp_path: Path, request: pytest.FixtureRequest) -> Release:
    """A fresh entry that gives everything to blue."""
    client.delete(HTTPROUTE, "web", SPACE)
    wait_for(lambda: client.get(HTTPROUTE, "web", SPACE) is None)
    client.create(HTTPROUTE, route(("web-blue", 100), ("web-green", 0)), SPACE)
    name = request.node.name.removeprefix("test_").replace("_", "-")[:50].rstrip("-")
    return Release(client, name, tmp_path / "ledger")


def test_a_switch_is_recorded_fenced_and_mirrored(release: Release, tmp_path: Path) -> None:
    result = release.switch(25)
    assert not result.get("failed"), result["msg"]
    begins, done = release.entries()
    assert (begins.what, done.what) == ("switch web to 25: begins", "switch web to 25: done")
    assert (begins.before["weights"], begins.after) == ({"blue": 100, "green": 0}, result["patch"])
    assert (done.after["weights"], done.after["version"]) == ({"blue": 75, "green": 25}, VERSIONS["green"])
    assert (done.who, done.fence) == ("alice@a", release.run.token)
    assert release.entry()["metadata"]["annotations"]["runbook.release/fence"] == str(release.run.token)
    assert (tmp_path / "ledger" / "ledger.jsonl").read_text().splitlines() == release.store.texts()
    assert "warnings" not in result


def test_a_long_step_keeps_its_lock(release: Release) -> None:
    """The lock lasts six seconds, the proof ten."""
    running = release.switching(25, proof={"seconds": 10})
    while running.poll() is None:
        lease = release.client.get(LEASE, release.run.lease, SPACE)
        assert lease
        assert lease["spec"]["holderIdentity"] == "alice@a"
        time.sleep(0.5)
    assert not result_of(running).get("failed")
    renewals = lease["spec"]["renewTime"], lease["spec"]["acquireTime"]
    assert renewals[0] > renewals[1]
    assert verify(release.run.release, release.store.texts(), []) == []


def test_a_step_that_is_killed_stays_open_and_its_successor_takes_it(release: Release) -> None:
    killed = release.switching(25, proof={"seconds": 20})
    wait_for(lambda: release.weights() == [75, 25])
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert release.whats() == ["switch web to 25: begins"]
    successor = release.taken_over("bob@b")
    assert not release.switch(25, successor).get("failed")
    assert release.whats()[1:] == ["switch web to 25: begins", "switch web to 25: done"]
    assert not release.switch(50, successor).get("failed")
    assert release.entry()["metadata"]["annotations"]["runbook.release/fence"] == str(successor.token)
    late = release.switch(100)
    assert "bob@b has held it" in late["msg"]
    assert "stop this run" in late["msg"]
    assert release.weights() == [50, 50]
    assert len(release.entries()) == 5
    assert verify(release.run.release, release.store.texts(), []) == []


def test_a_lock_stolen_in_the_middle_of_a_step_ends_the_run(release: Release) -> None:
    robbed = release.switching(25, proof={"seconds": 5})
    wait_for(lambda: release.weights() == [75, 25])
    successor = release.taken_over("bob@b")
    release.store.append(Draft("taken over", None, None, "bob@b", successor.token))
    result = result_of(robbed)
    assert "is stale" in result["msg"]
    assert release.whats() == ["switch web to 25: begins", "taken over"]


def test_check_mode_writes_neither_lock_nor_ledger_nor_entry(release: Release) -> None:
    def written() -> list[Any]:
        """The gateway writes the status of an entry whenever it likes."""
        lease, entry = release.client.get(LEASE, release.run.lease, SPACE), release.entry()
        assert lease
        marks = entry["metadata"].get("annotations")
        return [lease["metadata"]["resourceVersion"], entry["metadata"]["generation"], marks, entry["spec"]]

    before = written()
    result = release.switch(25, _ansible_check_mode=True)
    assert (result["changed"], written(), release.entries()) == (True, before, [])
    fence = [op["value"] for op in result["patch"] if "fence" in op["path"] or "fence" in str(op["value"])]
    assert str(release.run.token) in str(fence)


def test_a_full_disk_under_the_mirror_is_a_warning(release: Release) -> None:
    broken = Run(**{**release.run.report(), "mirror": "/dev/full/ledger"})
    result = release.switch(25, broken)
    assert not result.get("failed"), result["msg"]
    assert "mirror cannot be written" in str(result["warnings"])
    assert len(release.entries()) == 2


def test_a_killed_helm_is_recovered_at_once_and_what_changes_nothing_is_no_step(
    release: Release, tmp_path: Path
) -> None:
    def stage(version: str, **more: Any) -> Obj:
        given = {
            "name": "podinfo",
            "namespace": case.namespace,
            "entry": PODINFO,
            "version": version,
            "source": {"kind": "manifests", "path": source.path, "image": source.image},
            "stable": 1,
            "helm_binary": os.environ["HELM"],
            **more,
        }
        return result_of(started("helm_bluegreen", given))

    run = release.run.report()
    with namespace_with_entry(release.client, tmp_path) as case:
        source = manifests(tmp_path)
        first = stage("6.9.2", run=run)
        assert not first.get("failed"), first["msg"]
        begins, done = release.entries()
        assert (begins.what, done.what) == ("stage podinfo: begins", "stage podinfo: done")
        assert begins.after == done.after["plan"] == first["plan"]
        assert (done.after["version"], done.after["digest"]) == ("6.9.2", first["digest"])
        assert not stage("6.9.2", run=run)["changed"]
        assert len(release.entries()) == 2
        assert not stage("6.9.3", run=run).get("failed")
        case.stick("green", age=5)
        assert "another Helm operation may be running" in stage("6.9.6")["msg"]
        recovered = stage("6.9.6", run=run)
        assert not recovered.get("failed"), recovered["msg"]
        assert "mark revision" in recovered["plan"][0]
        release.taken_over("bob@b")
        assert "bob@b has held it" in stage("6.9.2", run=run, state="absent")["msg"]
    assert release.whats() == ["stage podinfo: begins", "stage podinfo: done"] * 3
