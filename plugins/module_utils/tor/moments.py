# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time as reports, databases and people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

SKEW = 30.0
"""Seconds by which the clocks of two machines may differ."""

_EPOCH = re.compile(r"(?P<seconds>\d{10}(?:\.\d+)?)|(?P<milliseconds>\d{13})")
_DATE = re.compile(r"\d{4}-\d\d-\d\d.*", re.DOTALL)
_FRACTION = re.compile(r"(\.\d{6})\d+")


def like_a_moment(text: str) -> bool:
    return bool(_EPOCH.fullmatch(text) or _DATE.fullmatch(text))


def moment(text: str, *, zone: bool = True) -> datetime:
    """ISO 8601, or seconds or milliseconds since the epoch; ValueError for anything else.

    With `zone` a time has to say its time zone, without it one of no zone stays so.
    """
    text = text.strip()
    epoch = _EPOCH.fullmatch(text)
    if epoch:
        seconds = float(epoch["seconds"] or 0) or int(epoch["milliseconds"]) / 1000
        return datetime.fromtimestamp(seconds, UTC)
    try:
        found = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write for example 2026-11-21T16:00:00Z") from None
    if zone and found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found


def shown(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
