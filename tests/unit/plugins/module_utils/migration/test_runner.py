# SPDX-License-Identifier: GPL-3.0-or-later
"""A command on this machine ends when it is said to have been ended, with all it started."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.migration.runner import Here

from ..living import is_gone, left_by_a_killed, telling


@pytest.fixture
def wrapped(tmp_path: Path) -> list[str]:
    """A shell that waits for a child which writes its own process id, as `make` does for what it runs."""
    (tmp_path / "migrate").write_text(f"{telling(tmp_path / 'pid')}; exec sleep 600")
    return ["sh", "-c", "sh ./migrate; true"]


def here(folder: Path) -> Here:
    return Here(str(folder), {}, 600)


def child(folder: Path) -> int:
    return int((folder / "pid").read_text())


def test_what_a_command_started_ends_with_it_when_its_time_is_over(
    tmp_path: Path, wrapped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time stands still until the child is there."""
    monkeypatch.setattr(time, "monotonic", lambda: 601.0 if (tmp_path / "pid").exists() else 0.0)
    with pytest.raises(NotReady, match=r"did not end within 600 s.*it was ended"):
        here(tmp_path).run(wrapped)
    monkeypatch.undo()
    assert is_gone(child(tmp_path))


def test_what_a_command_started_ends_with_it_when_the_lock_is_lost(tmp_path: Path, wrapped: list[str]) -> None:
    def check() -> None:
        if (tmp_path / "pid").exists():
            raise Refused("the lock is not ours any more")

    with pytest.raises(Refused, match="not ours any more"):
        here(tmp_path).run(wrapped, check)
    assert is_gone(child(tmp_path))


def test_a_command_ends_when_who_started_it_is_killed(tmp_path: Path) -> None:
    command = ["sh", "-c", f"{telling(tmp_path / 'pid')}; exec sleep 600"]
    assert is_gone(left_by_a_killed(lambda: here(tmp_path).run(command), tmp_path / "pid"))


def test_what_a_command_said_is_what_is_returned_however_long_a_child_of_it_stays(tmp_path: Path) -> None:
    began = time.monotonic()
    assert here(tmp_path).run(["sh", "-c", "sleep 5 & echo done; echo well >&2"]) == "done\nwell\n"
    assert time.monotonic() - began < 5
    with pytest.raises(ReleaseError, match="sh ended with exit code 3: no"):
        here(tmp_path).run(["sh", "-c", "echo no; exit 3"])
