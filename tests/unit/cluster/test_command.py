# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cluster import command
from cluster.plan import Places

TOOL = Path(__file__).resolve().parents[2] / "cluster"
KUBECTL = """#!/bin/sh
case "$*" in *"--kubeconfig=/good"*) echo ok;; *) echo "connection refused" >&2; exit 1;; esac
"""


@pytest.fixture(autouse=True)
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("RUNBOOK_CLUSTER", "254")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return Places.from_environment()


def test_a_cluster_of_the_user_is_only_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_machine: Places
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/good")
    assert command.main(["up"]) == 0
    assert capsys.readouterr().out == "/good\n"
    assert not own_machine.cache.exists()


def test_a_cluster_of_the_user_that_does_not_answer_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/bad")
    assert command.main(["up"]) == 1
    assert "connection refused" in capsys.readouterr().err


def test_the_kubeconfig_of_the_tool_itself_is_no_cluster_of_the_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_machine: Places
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(own_machine.kubeconfig))
    assert command.main(["status"]) == 3
    assert capsys.readouterr().out == "runbook-254 is down.\n"


def test_settings_of_a_cluster_that_is_down_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["env"]) == 1
    assert "runbook-254 is not up" in capsys.readouterr().err


def test_two_commands_at_once_are_refused(capsys: pytest.CaptureFixture[str], own_machine: Places) -> None:
    with command._alone(own_machine):
        assert command.main(["down"]) == 1
    assert "Another command works on runbook-254" in capsys.readouterr().err


def test_the_folder_is_a_program() -> None:
    done = subprocess.run([sys.executable, TOOL, "kubeconfig"], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("cluster-254/kubeconfig\n")
