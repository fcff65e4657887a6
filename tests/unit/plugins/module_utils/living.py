# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process that a test did not start itself is still there."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 30


def is_gone(pid: int) -> bool:
    """Nobody here can wait for the child of a child; what was killed still needs a processor to end."""
    deadline = time.monotonic() + PATIENCE
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def telling(path: Path) -> str:
    """A line of shell that writes the process id of the shell, all at once."""
    return f"echo $$ > {path}.draft; mv {path}.draft {path}"


def left_by_a_killed(work: Callable[[], object], path: Path) -> int:
    """The process id in `path`, written by what `work` started in a process that was killed meanwhile."""
    starter = os.fork()
    if starter == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    deadline = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    return int(path.read_text())
