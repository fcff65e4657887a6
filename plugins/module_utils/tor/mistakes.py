# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for what somebody wrote wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any


def unknown(given: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    """One mistake per key that nobody reads, with what was probably meant."""
    mistakes = []
    for key in given:
        if key not in known:
            close = get_close_matches(str(key), known, n=1)
            meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            mistakes.append(f".{key}: unknown, {meant}")
    return mistakes
