# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Durations and moments as people write them; an error names the field they stand in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from ..errors import ReleaseError

UNITS = {"d": 86400, "h": 3600, "min": 60, "m": 60, "s": 1}
_PART = r"(\d+(?:\.\d+)?)(d|h|min|m|s)"
_DURATION = re.compile(f"(?:{_PART})+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def wrong(field: str, why: str, remedy: str) -> ReleaseError:
    return ReleaseError(f"{field} {why}", where="windows and freezes", remedy=remedy)


def fields_of(name: str, given: Any, known: Sequence[str], required: Sequence[str]) -> Mapping[str, Any]:
    """A mapping with all required keys and no unknown one."""
    if not isinstance(given, Mapping):
        raise wrong(name, f"is {given!r}, not a mapping", f"give it the keys {', '.join(known)}")
    for key in given:
        if key not in known:
            raise wrong(f"{name}.{key}", "is not a known key", f"use {', '.join(known)}")
    for key in required:
        if given.get(key) in (None, ""):
            raise wrong(f"{name}.{key}", "is missing", "set it")
    return given


def duration(field: str, given: Any) -> timedelta:
    """Seconds as a number, or a text like ``90m``, ``30 min``, ``1h30m``, ``7 d``."""
    text = str(given).replace(" ", "")
    if not isinstance(given, bool):
        if _NUMBER.fullmatch(text):
            return timedelta(seconds=float(text))
        if _DURATION.fullmatch(text):
            parts = re.findall(_PART, text)
            return timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in parts))
    raise wrong(field, f"is {given!r}, not a duration", "write seconds, or a text like 90m, 1h30m or 7d")


def moment(field: str, given: Any, zone: tzinfo | None = None, *, end: bool = False) -> datetime:
    """Epoch seconds, or ISO 8601; without an offset it is local to ``zone``, and an error if there is none.

    A date alone is the beginning of that day, with ``end`` the end of it.
    """
    text = given.isoformat() if isinstance(given, date) else str(given).strip()
    if _NUMBER.fullmatch(text) and not isinstance(given, bool):
        return datetime.fromtimestamp(float(text), UTC)
    try:
        if zone and _DATE.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=int(end))
            return datetime.combine(day, time(), zone).astimezone(UTC)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise wrong(field, f"is {given!r}, not a moment", "write it like 2026-12-24T18:00:00+01:00") from None
    if at.tzinfo is None and zone is None:
        raise wrong(field, f"is {text}, which is another moment in every time zone", "add Z or an offset like +01:00")
    return at.replace(tzinfo=at.tzinfo or zone).astimezone(UTC)


def written(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""
