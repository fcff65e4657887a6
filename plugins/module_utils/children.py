# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Programs that change the world must not outlive who started them: whoever comes next takes them for ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess

_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_DEATH_SIGNAL = 1


def die_with_us() -> None:
    """For ``preexec_fn``: on Linux the kernel ends the program when this process is killed and cannot."""
    if hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def end_all(process: subprocess.Popen[bytes]) -> None:
    """By force, and with everything it started, which would go on; the process has a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
