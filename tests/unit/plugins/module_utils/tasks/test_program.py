# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of a task holds the lock of its run, ends with it, and what it wrote is in no ledger."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book, journal
from ansible_collections.runbook.release.plugins.module_utils.tasks.pods import Chosen
from ansible_collections.runbook.release.plugins.module_utils.tasks.program import Program, keep, run_here, run_in

from ..release.api import Api, begun, stolen


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_lock_is_renewed_while_a_program_works() -> None:
    api = Api()
    with journal(api.client(), begun(api, ttl=1)) as book:
        before = len(api.heard)
        run_here(Program(["sleep", "2"], 60), ".", book)
    assert len([one for one in api.heard[before:] if one[0] == "PATCH" and "leases" in one[1]]) >= 3


def test_a_program_ends_with_the_lock_and_so_does_what_it_started(tmp_path: Path) -> None:
    api, pid = Api(), tmp_path / "pid"

    def steal() -> None:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.01)
        stolen(api)

    thief = threading.Thread(target=steal)
    with journal(api.client(), begun(api, ttl=1)) as book:
        thief.start()
        with pytest.raises(Refused, match="this run does not hold the lock"):
            run_here(Program(["sh", "-c", f"sleep 600 & echo $! > {pid}; wait"], 60), ".", book)
    thief.join()
    deadline = time.monotonic() + 10
    while alive(int(pid.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_of_a_failure_the_record_has_no_word_that_was_written() -> None:
    program = Program(["sh", "-c", "echo postgresql://u:planted@db; exit 9"], 60, {"9": "A threshold does not hold"})
    with pytest.raises(ReleaseError) as caught:
        run_here(program, ".", Book())
    assert "A threshold does not hold. sh ended with exit code 9: postgresql://u:planted@db" in str(caught.value)
    assert caught.value.record == "A threshold does not hold. sh ended with exit code 9"


class Cluster:
    """Pods in which a command ends as they are told."""

    def __init__(self, **ends: Any) -> None:
        self.ends = ends
        self.ran: list[tuple[str, str]] = []

    def exec(self, pod: str, namespace: str, container: str, argv: Any, timeout: float) -> tuple[int, str]:
        self.ran.append((pod, container))
        end = self.ends[pod]
        if isinstance(end, Exception):
            raise end
        return end


def test_it_goes_on_with_the_next_pod_and_names_those_that_failed() -> None:
    late = NotReady("vacuum did not end within 3 s", output="half of it")
    cluster: Any = Cluster(a=(0, "\n".join(map(str, range(60)))), b=(2, "no space\nleft"), c=late, d=(0, ""))
    chosen = Chosen(dict.fromkeys("abcd", "app"), [])
    said = run_in(cluster, "shop", chosen, Program(["vacuum"], 3), Book())
    assert cluster.ran == [(pod, "app") for pod in "abcd"]
    assert list(said.bad) == ["b: vacuum ended with exit code 2: no space left", "c: vacuum did not end within 3 s"]
    assert said.report()["a"] == [str(number) for number in range(10, 60)]
    assert said.report()["c"] == ["half of it"]


def test_without_the_lock_it_is_not_started_in_the_next_pod() -> None:
    api = Api()

    class Thief(Cluster):
        def exec(self, *words: Any) -> tuple[int, str]:
            stolen(api)
            return super().exec(*words)

    thief: Any = Thief(a=(0, ""), b=(0, ""))
    with journal(api.client(), begun(api)) as book, pytest.raises(Refused):
        run_in(thief, "shop", Chosen({"a": "app", "b": "app"}, []), Program(["reindex"], 3), book)
    assert thief.ran == [("a", "app")]


def test_what_is_kept_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        files = keep({"api-1": "all of it"}, str(tmp_path / "kept"), "heap profile")
    finally:
        os.umask(old)
    assert files == [str(tmp_path / "kept" / "heap-profile-in-api-1")]
    assert Path(files[0]).read_text() == "all of it"
    assert stat.S_IMODE(os.stat(files[0]).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "kept").st_mode) == 0o700
