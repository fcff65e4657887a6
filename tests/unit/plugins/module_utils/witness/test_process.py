# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import os
import stat
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.witness import process as subject

SLEEPS = "import time; time.sleep(30)"
DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(30)"


@pytest.fixture
def sleeper(tmp_path):
    started = []

    def launch(code=SLEEPS):
        started.append(
            subject.launch([sys.executable, "-c", code, "mark"], "mark", tmp_path, tmp_path / "out", os.environ)
        )
        return started[-1]

    yield launch
    for process in started:
        process.stop(0)


def test_it_lives_in_a_session_of_its_own_until_it_is_stopped(sleeper):
    process = sleeper()
    assert process.alive()
    assert os.getsid(process.pid) == process.pid
    assert process.stop(60)
    assert not process.alive()


def test_one_that_does_not_listen_is_ended_by_force(sleeper, tmp_path):
    process = sleeper(DEAF)
    deadline = time.monotonic() + 5
    while b"deaf" not in (tmp_path / "out").read_bytes():
        assert time.monotonic() < deadline
    assert not process.stop(0.1)
    assert not process.alive()


@pytest.mark.parametrize("change", [{"start": 1}, {"mark": "another"}])
def test_a_pid_that_belongs_to_another_process_is_never_signalled(sleeper, change, monkeypatch):
    process = sleeper()
    deadline = time.monotonic() + 5
    while b"mark" not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
    other = dataclasses.replace(process, **change)
    monkeypatch.setattr(os, "kill", lambda *args: pytest.fail("it was signalled"))
    assert not other.alive()
    other.stop(0)
    monkeypatch.undo()
    assert process.alive()


def test_a_program_that_is_being_loaded_is_alive(sleeper, monkeypatch):
    process = sleeper()
    monkeypatch.setattr(subject, "_arguments", lambda pid: [])
    assert process.alive()


def test_nobody_else_reads_its_output(sleeper, tmp_path):
    sleeper()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
