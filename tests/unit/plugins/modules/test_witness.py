# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.modules import witness

SPEC = {"urls": [{"url": "http://shop.test/"}], "identity": {"json": "version"}, "versions": ["1.0"]}
Run = Callable[..., dict[str, Any]]


class Folder:
    """What the module asks of a witness, and what it did to it."""

    def __init__(self, running: bool) -> None:
        self.path, self.alive, self.done = "/w", running, []

    def needs_start(self, spec: Any) -> bool:
        if spec.rate == 666:
            raise Refused("A witness with other settings is running here", where="/w", remedy="stop it first")
        return not self.alive

    def start(self, spec: Any, k6_binary: str) -> None:
        self.done.append("start")

    def stop(self) -> None:
        self.done.append("stop")

    def running(self) -> bool:
        return self.alive

    def must_exist(self) -> None:
        self.done.append("read")

    def report(self, since: float) -> dict[str, Any]:
        return {"verdict": "fail", "failed_requests": 3, "since": since}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_module(folder: Folder, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(witness, "Witness", lambda path: folder)
        with patch_module_args({"path": "/w", **options}), pytest.raises(SystemExit):
            witness.main()
        return json.loads(capsys.readouterr().out)

    return run_module


@pytest.mark.parametrize(
    ("state", "running", "changed", "done"),
    [
        ("started", False, True, ["start"]),
        ("started", True, False, []),
        ("read", True, False, ["read"]),
        ("stopped", True, True, ["stop"]),
        ("stopped", False, False, []),
    ],
)
def test_states_are_idempotent_and_check_mode_only_says_so(run, state, running, changed, done):
    folder = Folder(running)
    assert run(folder, state=state, **SPEC)["changed"] is changed
    assert folder.done == done
    folder = Folder(running)
    assert run(folder, state=state, _ansible_check_mode=True, **SPEC)["changed"] is changed
    assert folder.done in ([], ["read"])


def test_failed_requests_are_a_result_not_a_failed_task(run):
    result = run(Folder(True), state="read", since=12.5)
    assert "failed" not in result
    assert (result["verdict"], result["failed_requests"], result["since"]) == ("fail", 3, 12.5)


def test_only_starting_needs_the_specification(run):
    assert run(Folder(True), state="stopped")["changed"]
    assert run(Folder(True), state="started")["failed"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"rate": 666}, "stop it first"), ({"rate": -1}, "rate"), ({"urls": [{"url": "x"}]}, "urls[0].url")],
)
def test_errors_say_what_to_do(run, changes, words):
    result = run(Folder(True), **{**SPEC, **changes})
    assert result["failed"]
    assert words in result["msg"]
