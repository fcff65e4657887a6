# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are begun, killed, resumed and ended at a real API server."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP, LEASE, NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Request, Transport
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from ansible_collections.runbook.release.plugins.module_utils.release.ending import End, end
from ansible_collections.runbook.release.plugins.module_utils.release.operate import Begin, begin
from ansible_collections.runbook.release.plugins.module_utils.release.resume import Want
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell

SPACE = "release-run-case"
OPERATORS = 20
TIMES = 12
TESTS = Path(__file__).resolve().parents[1]
MAIN = "import conftest; from ansible_collections.runbook.release.plugins.modules.{0} import main; main()"
ENDED = ["release begins", "release ends", "sealed"]
Obj = dict[str, Any]


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    own = KubeClient()
    own.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    yield own
    own.delete(NAMESPACE, SPACE)


@pytest.fixture
def alice() -> Begin:
    """Who releases a system of its own for every test."""
    return Begin(SPACE, f"shop-{time.time_ns()}", "alice@a", Want("1.4.0"), recorded={"components": ["api"]})


def bob(alice: Begin) -> Begin:
    return replace(alice, who="bob@b", takeover=True, reason="it is dead")


def run_of(report: Obj) -> Run:
    return Run(**report["run"])


def said(client: KubeClient, release: str) -> list[str]:
    texts = Store(client, SPACE, release).texts()
    assert verify(release, texts) == []
    return [Entry.parse(text).what for text in texts]


def killed_at(writes: int, doing: Callable[[KubeClient], Any]) -> None:
    """Let a process of its own do it, and kill it as soon as the API server has answered that write."""
    child = os.fork()
    if child == 0:
        try:
            _die_at(writes)
            doing(KubeClient())
        finally:
            os._exit(1)
    _child, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it got to its end in less than {writes} writes"
    assert os.WTERMSIG(status) == signal.SIGKILL


def _die_at(writes: int) -> None:
    real, left = Transport._exchange, [writes]

    def exchange(self: Transport, request: Request, preload: bool) -> Any:
        answer = real(self, request, preload)
        left[0] -= request.method != "GET"
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Transport._exchange = exchange  # type: ignore[method-assign]


def module(name: str, **options: Any) -> Obj:
    """Run a module as Ansible would: its result."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN.format(name)],
        check=False,
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_the_modules_take_a_release_from_its_begin_to_its_end(client: KubeClient) -> None:
    where = {"namespace": SPACE, "system": f"shop-{time.time_ns()}", "environment": "prod"}
    begun = module("release_run", state="begun", **where, version="1.4.0", components=["api"], steps=[25, 100])
    assert (begun["decision"], begun["changed"]) == ("start", True), begun
    assert module("release_run", state="ended", run=begun["run"], verdict="released", seconds=1.5)["changed"]
    known = module("release_info", **where)
    assert (known["unfinished"], known["owner"], known["typical_seconds"]) == ({}, {}, 1.5)
    assert said(client, begun["run"]["release"]) == ENDED


def test_of_twenty_who_begin_at_once_one_does_and_the_others_name_it(client: KubeClient, alice: Begin) -> None:
    def attempt(number: int) -> Obj | Refused:
        try:
            return begin(KubeClient(), replace(alice, who=f"operator-{number}@host"))
        except Refused as refused:
            return refused

    with ThreadPoolExecutor(OPERATORS) as pool:
        results = list(pool.map(attempt, range(OPERATORS)))
    (winner,) = [result for result in results if not isinstance(result, Refused)]
    others = [str(result) for result in results if isinstance(result, Refused)]
    assert all(f"{winner['run']['who']} has held the lock" in other for other in others), others
    assert len(tell(client, SPACE, alice.lease)["releases"]) == 1


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_whoever_is_killed_while_beginning_is_succeeded(client: KubeClient, alice: Begin, writes: int) -> None:
    killed_at(writes, lambda own: begin(own, alice))
    with pytest.raises(Refused, match="alice@a has held the lock"):
        begin(client, replace(bob(alice), takeover=False))
    result = begin(client, bob(alice))
    assert result["decision"] == ("continue" if writes == 3 else "start"), result
    known = tell(client, SPACE, alice.lease)
    assert [one["verdict"] for one in known["releases"]] == (["stopped", ""] if writes == 2 else [""])
    assert known["unfinished"]["release"] == result["run"]["release"]
    assert said(client, result["run"]["release"])[0] == "release begins"


@pytest.mark.parametrize("writes", [1, 2, 3, 4, 5])
def test_whoever_is_killed_while_ending_can_end_again(client: KubeClient, alice: Begin, writes: int) -> None:
    run, failed = run_of(begin(client, alice)), End("rolled back")
    killed_at(writes, lambda own: end(own, run, failed))
    end(client, run, failed)
    assert not end(client, run, failed)["changed"]
    assert said(client, run.release) == ENDED
    known = tell(client, SPACE, alice.lease)
    assert ([one["verdict"] for one in known["releases"]], known["owner"]) == (["rolled back"], {})
    with pytest.raises(Refused, match="is on hold"):
        begin(client, alice)


def test_check_mode_leaves_no_trace(client: KubeClient, alice: Begin) -> None:
    result = begin(KubeClient(dry_run=True), alice)
    assert (result["decision"], result["run"]) == ("start", {})
    assert client.get(LEASE, alice.lease, SPACE) is None
    assert client.list(CONFIGMAP, SPACE, labels=f"runbook.release/ledger={alice.lease}-index") == []


def test_an_index_edited_by_hand_is_refused(client: KubeClient, alice: Begin) -> None:
    end(client, run_of(begin(client, alice)), End("rolled back"))
    (chunk,) = client.list(CONFIGMAP, SPACE, labels=f"runbook.release/ledger={alice.lease}-index")
    edited = {"00000002": chunk["data"]["00000002"].replace("rolled back", "released")}
    client.merge_patch(CONFIGMAP, chunk["metadata"]["name"], {"data": edited}, SPACE)
    with pytest.raises(Refused, match="entry 2 is altered") as refused:
        begin(client, alice)
    assert refused.value.details["findings"][0]["number"] == 2
    assert tell_owner(client, alice) == ""


def tell_owner(client: KubeClient, alice: Begin) -> str:
    return str((client.get(LEASE, alice.lease, SPACE) or {})["spec"].get("holderIdentity", ""))


def test_what_it_costs_is_printed(client: KubeClient, alice: Begin) -> None:
    took: dict[str, list[float]] = {"begin": [], "end": []}
    for number in range(TIMES):
        began = time.monotonic()
        run = run_of(begin(client, replace(alice, want=Want(f"1.4.{number}"))))
        took["begin"].append(time.monotonic() - began)
        began = time.monotonic()
        end(client, run, End("released", seconds=float(number)))
        took["end"].append(time.monotonic() - began)
    for name, seconds in took.items():
        median, worst = statistics.median(seconds) * 1000, max(seconds) * 1000
        print(f"{name}: median {median:.0f} ms, worst {worst:.0f} ms of {TIMES}")
    assert [one["verdict"] for one in tell(client, SPACE, alice.lease)["releases"]] == ["released"] * TIMES
