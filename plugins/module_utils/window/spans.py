# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A span as an option of a module has it, and as people are told it."""

from __future__ import annotations

from typing import Any

from ..errors import Refused, ReleaseError
from .inputs import duration


def seconds(option: str, given: Any) -> float:
    """``90``, ``10m``, ``30 min``, ``1h30m``, ``7d`` as seconds; ``Refused`` names the option."""
    try:
        return duration(option, given).total_seconds()
    except ReleaseError as error:
        raise Refused(error.what, remedy=error.remedy) from error


def optional(option: str, given: Any) -> float | None:
    """The same of an option that may be left out."""
    return None if given is None else seconds(option, given)


def words(seconds: float) -> str:
    """``90 s``, ``5 min``, ``3 h``, ``7 d``: the largest unit of which it is at least two, or exactly one."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or seconds == length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
