# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_report_info is asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``timeout`` in seconds, of each query."""

    about: str
    database: str
    by: str = "mean"
    statement: str = ""
    most: int = 10
    timeout: int = 60


def size(bytes: float) -> str:
    """``17 MB``, as the server writes sizes."""
    number = float(bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 10240:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.0f} TB"
