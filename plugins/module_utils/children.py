# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Programs that change the world must not outlive who started them: whoever comes next takes them for ended."""

from __future__ import annotations

import ctypes
import signal

_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_DEATH_SIGNAL = 1


def die_with_us() -> None:
    """For ``preexec_fn``: on Linux the kernel ends the program when this process is killed and cannot."""
    if hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
