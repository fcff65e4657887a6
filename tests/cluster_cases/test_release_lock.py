# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty operators at once, and one whose clock is ten minutes off, at a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import LEASE, NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import Outcome, keep, observe

SPACE = "release-lock-case"
OPERATORS = 20
TESTS = Path(__file__).resolve().parents[1]
MAIN = "import conftest; from ansible_collections.runbook.release.plugins.modules.release_lock import main; main()"
SKEWED = "import time; real = time.time; time.time = lambda: real() + {0}; " + MAIN


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture(scope="module", autouse=True)
def space(client: KubeClient) -> Iterator[None]:
    client.delete(NAMESPACE, SPACE)
    deadline = time.monotonic() + 60
    while client.get(NAMESPACE, SPACE) is not None:
        assert time.monotonic() < deadline, "the namespace of an earlier run does not go away"
        time.sleep(0.2)
    client.create(NAMESPACE, {"metadata": {"name": SPACE}})
    yield
    client.delete(NAMESPACE, SPACE)


def start(code: str = MAIN, **options: Any) -> subprocess.Popen[str]:
    given = {"namespace": SPACE, **options}
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    args = json.dumps({"ANSIBLE_MODULE_ARGS": given})
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code, args], env=env, stdout=pipe, stderr=pipe, text=True)


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    stdout, stderr = process.communicate(timeout=300)
    assert stdout, stderr
    return dict(json.loads(stdout))


def ask(client: KubeClient, name: str, holder: str, state: str = "held", **more: Any) -> Outcome:
    return keep(client, Want(f"{SPACE}/{name}", state, holder, f"{holder}-{time.monotonic_ns()}", **more))


def race(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The result of the one that got the lock, and those of the others."""
    running = [start(name=name, holder=f"operator-{number}@host", ttl=600) for number in range(OPERATORS)]
    results = [result_of(process) for process in running]
    holding = [result for result in results if not result.get("failed")]
    assert len(holding) == 1, results
    return holding[0], [result for result in results if result.get("failed")]


def test_of_twenty_operators_one_holds_and_the_others_name_it(client: KubeClient) -> None:
    winner, others = race("twenty")
    assert len(others) == OPERATORS - 1
    assert all(f"{winner['holder']} has held the lock since" in one["msg"] for one in others), others
    assert {one["owner"]["token"] for one in others} == {winner["token"]}


def test_of_twenty_operators_one_takes_over_an_expired_lock(client: KubeClient) -> None:
    dead = ask(client, "expired", "dead@host", ttl=1).after
    assert dead
    deadline = time.monotonic() + 30
    while not dead.expired(observe(client, f"{SPACE}/expired")[1]):
        assert time.monotonic() < deadline, "the API server's time stands still"
        time.sleep(0.2)
    winner, others = race("expired")
    assert (winner["token"], winner["taken_over"]["from"]) == (dead.token + 1, "dead@host")
    assert all(winner["holder"] in one["msg"] for one in others), others
    with pytest.raises(Refused, match="is stale"):
        ask(client, "expired", "dead@host", "renewed", token=dead.token)


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_clock_that_is_ten_minutes_off_takes_nothing(client: KubeClient, seconds: int) -> None:
    name = f"skew{seconds:+}".replace("+", "p").replace("-", "m")
    held = ask(client, name, "alice@a").after
    refused = result_of(start(SKEWED.format(seconds), name=name, holder="bob@b"))
    assert "alice@a has held the lock" in refused["msg"]
    assert held
    skewed = result_of(start(SKEWED.format(seconds), name=name, state="renewed", token=held.token))
    assert skewed["changed"]
    with pytest.raises(Refused, match="has held the lock"):
        ask(client, name, "carol@c")


def test_release_then_hold_then_check_mode(client: KubeClient) -> None:
    first = ask(client, "cycle", "alice@a").after
    assert first
    ask(client, "cycle", "alice@a", "released", token=first.token)
    dry = KubeClient(dry_run=True)
    assert ask(dry, "cycle", "bob@b").report()["token"] == first.token + 1
    lease = client.get(LEASE, "cycle", SPACE) or {}
    assert lease["spec"].get("holderIdentity", "") == ""
    assert ask(dry, "absent", "bob@b").report()["changed"]
    assert client.get(LEASE, "absent", SPACE) is None
    assert ask(client, "cycle", "bob@b").report()["token"] == first.token + 1
