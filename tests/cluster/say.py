# SPDX-License-Identifier: GPL-3.0-or-later
"""How the cluster tool speaks: progress on stderr, answers on stdout, one sentence when it refuses."""

from __future__ import annotations

import sys
import time

_START = time.monotonic()


class Problem(Exception):
    """Something the user has to know or change; its text is all that is shown."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - _START:5.1f} s] {text}", file=sys.stderr, flush=True)
