# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of a whole process."""

from __future__ import annotations

import os
import sys
import threading

STEP = 0.1
"""Seconds between two growths of the memory."""


def crash(version: str) -> None:
    print(f"fatal: version {version} cannot read its configuration", file=sys.stderr, flush=True)
    os._exit(1)


def grow(speed: float, leave: threading.Event) -> None:
    """Hold on to so many MiB more each second, until somebody ends it or it is told to leave."""
    held = []
    while not leave.wait(STEP):
        held.append(b"x" * int(speed * STEP * (1 << 20)))
