# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that outlives who started it, and is never mistaken for another one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOK_EVERY = 0.02
_FIELDS_BEFORE_STATE = 2
_START_FIELD = 22


@dataclass(frozen=True)
class Process:
    """A pid alone may be somebody else's by now: `start` is its start in ticks since boot, `mark` one of its arguments.

    Arguments are empty for a moment while a program is being loaded.
    """

    pid: int
    start: int
    mark: str

    def alive(self) -> bool:
        found = _stat(self.pid)
        if found is None or found[0] in "ZX" or found[1] != self.start:
            return False
        arguments = _arguments(self.pid)
        return not arguments or self.mark in arguments

    def stop(self, patience: float) -> bool:
        """Ask it to finish and wait; end it by force after `patience` seconds. Says whether it finished by itself."""
        self._signal(signal.SIGINT)
        if self.ended_within(patience):
            return True
        self._signal(signal.SIGKILL)
        self.ended_within(patience)
        return False

    def ended_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY)
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def launch(argv: Sequence[str], mark: str, folder: Path, output: Path, environment: Mapping[str, str]) -> Process:
    """Start `argv` in a session of its own; only its owner can read what it writes."""
    with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as sink:
        child = subprocess.Popen(
            list(argv),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            umask=0o077,
        )
    found = _stat(child.pid)
    return Process(child.pid, found[1] if found else 0, mark)


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start time; the name before them may hold anything, so count from its closing bracket."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[_START_FIELD - _FIELDS_BEFORE_STATE - 1])


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []
