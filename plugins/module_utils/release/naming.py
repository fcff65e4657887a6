# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The id of a release: what it is the name of everywhere, made of lease, version and time. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection
from datetime import UTC, datetime

LONGEST = 63
LONGEST_VERSION = 24
_OTHER = re.compile(r"[^a-z0-9]+")


def release_id(lease: str, version: str, at: datetime, taken: Collection[str]) -> str:
    """An id that is a valid label value, and unlike all that are ``taken``."""
    stamp = at.astimezone(UTC).strftime("%Y%m%dt%H%M%Sz").lower()
    for number in itertools.count(1):
        end = stamp if number == 1 else f"{stamp}-{number}"
        label = _plain(version)[:LONGEST_VERSION].strip("-")
        system = _plain(lease)[: LONGEST - len(end) - len(label) - 2].strip("-")
        found = "-".join(part for part in (system, label, end) if part)
        if found not in taken:
            return found
    raise AssertionError("numbers do not end")


def _plain(text: str) -> str:
    return _OTHER.sub("-", text.lower()).strip("-")
