# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that dies in the middle of its shift, and what the cluster does about it on its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    HTTPROUTE,
    JOB,
    LEASE,
    NAMESPACE,
    POD,
    ROLE,
    ROLEBINDING,
    SERVICE,
    SERVICEACCOUNT,
)
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import keep, observe
from ansible_collections.runbook.release.plugins.module_utils.lock.record import Record
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.observe import observe_entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.patch import apply, decide

Obj = dict[str, Any]
TESTS = Path(__file__).resolve().parents[1]
RUN = "import conftest; from ansible_collections.runbook.release.plugins.modules.release_deadman import main; main()"
LEASE_NAME = "shop-case"
NAME = f"dead-man-{LEASE_NAME}"
SERVICES = {"blue": "web-blue", "green": "web-green"}
COMPONENTS = [
    {"name": "web", "entry": {"kind": "httproute", "name": "web"}},
    {"name": "api", "entry": {"kind": "service", "name": "api"}, "services": SERVICES},
]
TTL = 4
PATIENCE = 60.0


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


class Shop:
    """Two entries on blue, and a lock; the namespace enforces the restricted Pod Security Standard."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.entries = [Entry(one["entry"]["kind"], one["entry"]["name"], namespace) for one in COMPONENTS]
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        client.create(NAMESPACE, {"metadata": {"name": namespace, "labels": restricted}})
        ports = [{"name": "http", "port": 80}]
        for name, colour in (("web-blue", "blue"), ("web-green", "green"), ("api", "blue")):
            version = {"runbook.release/version": {"blue": "1", "green": "2"}[colour]}
            spec = {"selector": {"app": "web", "colour": colour}, "ports": ports}
            client.create(SERVICE, {"metadata": {"name": name, "annotations": version}, "spec": spec}, namespace)
        refs = [{"name": name, "port": 80, "weight": 100 if name == "web-blue" else 0} for name in SERVICES.values()]
        route = {"metadata": {"name": "web"}, "spec": {"rules": [{"backendRefs": refs}]}}
        client.create(HTTPROUTE, route, namespace)

    def lock(self, state: str = "held", ttl: int = TTL, token: int | None = None, **more: Any) -> Record:
        who, claim = "alice@a", f"claim-{time.monotonic_ns()}"
        held = keep(self.client, Want(f"{self.namespace}/{LEASE_NAME}", state, who, claim, ttl, token, **more)).after
        assert held
        return held

    def run_of(self, lock: Record) -> Run:
        return Run("shop-2", self.namespace, LEASE_NAME, lock.token, lock.holder, lock.ttl)

    def deadman(self, state: str = "present", lock: Record | None = None, **options: Any) -> Obj:
        """The module in a process of its own, as Ansible would start it."""
        given: Obj = {"namespace": self.namespace, "state": state, "_ansible_remote_tmp": "/tmp", **options}
        if lock:
            image = options.get("image", "localhost/stand-in:1.5.0")
            given |= {"components": COMPONENTS, "image": image, "run": asdict(self.run_of(lock))}
        else:
            given |= {"system": "shop", "environment": "case"}
        done = subprocess.run(
            [sys.executable, "-c", RUN],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    def watched(self, lock: Record, **options: Any) -> Obj:
        """The dead man watches, and the lock has its whole time again."""
        result = self.deadman(lock=lock, **options)
        assert not result.get("failed"), result["msg"]
        return result

    def shift(self, lock: Record, weight: int = 25) -> None:
        for entry in self.entries:
            state = observe_entry(self.client, entry, SERVICES)
            share = weight if entry.kind == "httproute" else 100
            apply(self.client, state, decide(state, "green", share, fence=lock.token))

    def weights(self) -> list[int]:
        """What green gets at each entry."""
        return [observe_entry(self.client, entry, SERVICES).weights["green"] for entry in self.entries]

    def lease(self) -> Record:
        found = observe(self.client, f"{self.namespace}/{LEASE_NAME}")[0]
        assert found
        return found

    def ended(self) -> bool:
        job = self.client.get(JOB, NAME, self.namespace) or {}
        return any(one["type"] == "Complete" for one in job.get("status", {}).get("conditions") or [])

    def log(self) -> str:
        pods = self.client.list(POD, self.namespace, labels=f"runbook.release/dead-man={LEASE_NAME}")
        return "".join(self.client.logs(pod["metadata"]["name"], self.namespace, "dead-man") for pod in pods)


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture
def shop(client: KubeClient, request: pytest.FixtureRequest) -> Iterator[Shop]:
    namespace = f"deadman-{os.getpid()}-{abs(hash(request.node.name)) % 10000}"
    try:
        yield Shop(client, namespace)
    finally:
        client.delete(NAMESPACE, namespace)


def test_a_release_that_dies_gets_its_traffic_back(shop: Shop) -> None:
    lock = shop.lock(ttl=20)
    result = shop.watched(lock)
    assert (result["changed"], [one["colour"] for one in result["entries"]]) == (True, ["blue", "blue"])
    assert not shop.watched(lock)["changed"]
    shop.shift(lock)
    assert shop.weights() == [25, 100]
    renewed = shop.lock("renewed", token=lock.token, ttl=TTL)
    wait_for(lambda: shop.weights() == [0, 0], 60)
    wait_for(shop.ended)
    after = shop.lease()
    assert (after.token, after.holder) == (lock.token + 1, "")
    assert after.taken_over
    assert {key: after.taken_over[key] for key in ("from", "token", "by")} == {
        "from": "alice@a",
        "token": lock.token,
        "by": "dead-man shop-2",
    }
    assert after.renewed > renewed.renewed
    assert "its traffic is back where it was before the shift" in shop.log()
    route = shop.client.get(HTTPROUTE, "web", shop.namespace) or {}
    assert route["metadata"]["annotations"]["runbook.release/fence"] == str(after.token)
    assert shop.lock(ttl=TTL).token == after.token + 1


def test_a_living_release_is_left_alone_and_so_is_one_that_ended(shop: Shop) -> None:
    lock = shop.lock(ttl=TTL)
    shop.watched(lock)
    shop.shift(lock)
    until = time.monotonic() + 3 * TTL
    while time.monotonic() < until:
        shop.lock("renewed", token=lock.token)
        time.sleep(TTL / 4)
    assert (shop.weights(), shop.lease().token, shop.ended()) == ([25, 100], lock.token, False)
    shop.lock("released", token=lock.token)
    wait_for(shop.ended)
    assert shop.weights() == [25, 100]
    assert "nothing to do: the lock was released" in shop.log()

    assert shop.deadman("absent")["changed"]
    assert not shop.deadman("absent")["changed"]
    for kind in (JOB, CONFIGMAP, SERVICEACCOUNT, ROLE, ROLEBINDING):
        assert shop.client.get(kind, NAME, shop.namespace) is None


def test_what_somebody_else_did_survives(shop: Shop) -> None:
    """One entry was taken out of the shift by hand; the other one is given back all the same."""
    lock = shop.lock(ttl=20)
    shop.watched(lock)
    shop.shift(lock)
    docs = {"backendRefs": [{"name": "web-docs", "port": 80}], "matches": [{"path": {"value": "/docs"}}]}
    shop.client.json_patch(HTTPROUTE, "web", [{"op": "add", "path": "/spec/rules/0", "value": docs}], shop.namespace)
    shop.lock("renewed", token=lock.token, ttl=TTL)
    wait_for(shop.ended, 60)
    assert shop.weights() == [25, 0]
    assert "somebody changed its rules; left alone" in shop.log()


def test_who_acquires_the_lock_anew_is_not_disturbed(shop: Shop) -> None:
    lock = shop.lock(ttl=60)
    shop.watched(lock)
    shop.shift(lock)
    newer = shop.lock(ttl=60, takeover=True, reason="a test")
    wait_for(shop.ended)
    assert (shop.weights(), shop.lease().token) == ([25, 100], newer.token)
    assert f"the lock was acquired anew with token {newer.token} by alice@a" in shop.log()
    stale = shop.deadman(lock=lock)
    assert stale["failed"]
    assert "is stale" in stale["msg"]
    again = shop.watched(newer, version="2")
    assert (again["changed"], [one["colour"] for one in again["entries"]]) == (True, ["blue", "blue"])
    assert not shop.ended()


def test_a_dead_man_that_cannot_start_is_no_protection(shop: Shop) -> None:
    result = shop.deadman(lock=shop.lock(ttl=60), image="localhost/no-such:1", image_pull_policy="Never")
    assert result["failed"]
    assert "The dead man does not watch" in result["msg"]
    assert "ErrImageNeverPull" in result["msg"]


def test_check_mode_makes_nothing(shop: Shop) -> None:
    assert shop.deadman(lock=shop.lock(ttl=60), _ansible_check_mode=True)["changed"]
    for kind in (JOB, CONFIGMAP, SERVICEACCOUNT, ROLE, ROLEBINDING):
        assert shop.client.get(kind, NAME, shop.namespace) is None
    assert shop.client.get(LEASE, LEASE_NAME, shop.namespace)
