# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""May a release begin now, and if not, why not and when?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .calendar import HORIZON, Calendar, Freeze, Opening, joined
from .inputs import duration, moment, written


def inside(windows: Any, at: Any, freezes: Any = (), need: Any = 0) -> dict[str, Any]:
    """Whether ``at`` lies in a window with at least ``need`` left, and everything a refusal has to say."""
    calendar, now, wanted = Calendar.of(windows, freezes), moment("at", at), duration("need", need)
    openings = joined(calendar.openings(now))
    current = next((one for one in openings if one.holds(now)), None)
    left = current.ends - now if current else timedelta()
    freeze = calendar.frozen(now)
    upcoming = _next(calendar, openings, now, wanted)
    enough = current is not None and left >= wanted
    return {
        "open": enough,
        "remaining": None if current and _endless(current, now) else int(left.total_seconds()),
        "ends": written(current.ends) if current and not _endless(current, now) else "",
        "freeze": _frozen(freeze),
        "next": upcoming,
        "reason": "" if enough else _reason(current, left, wanted, freeze, upcoming),
    }


def upcoming(windows: Any, at: Any, freezes: Any = (), need: Any = 0) -> dict[str, Any]:
    """The first opening after ``at`` that lasts at least ``need``; empty if there is none within the horizon."""
    calendar, now = Calendar.of(windows, freezes), moment("at", at)
    return _next(calendar, joined(calendar.openings(now)), now, duration("need", need))


def _next(calendar: Calendar, openings: list[Opening], now: datetime, need: timedelta) -> dict[str, Any]:
    later = (one for one in openings if one.begins > now and one.ends - one.begins >= need)
    opening = next(later, None)
    if opening is None:
        return {}
    window = calendar.windows[opening.window] if opening.window >= 0 else None
    zone = window.rule.zone if window else ZoneInfo("UTC")
    return {
        "begins": written(opening.begins),
        "ends": "" if _endless(opening, now) else written(opening.ends),
        "local": opening.begins.astimezone(zone).isoformat(),
        "timezone": zone.key,
        "wait": int((opening.begins - now).total_seconds()),
        "window": opening.window,
        "notice_by": written(opening.begins - window.notice) if window and window.notice else "",
    }


def _endless(opening: Opening, now: datetime) -> bool:
    return opening.window < 0 and opening.ends == now + HORIZON


def _frozen(freeze: Freeze | None) -> dict[str, str]:
    if freeze is None:
        return {}
    return {"from": written(freeze.begins), "to": written(freeze.ends), "reason": freeze.reason}


def _reason(
    current: Opening | None, left: timedelta, need: timedelta, freeze: Freeze | None, upcoming: dict[str, Any]
) -> str:
    if freeze:
        why = f"A freeze forbids releases until {written(freeze.ends)}: {freeze.reason}"
    elif current:
        why = f"The window ends in {_seconds(left)} s, and {_seconds(need)} s are needed"
    else:
        why = "No window is open"
    if not upcoming:
        return f"{why}. None opens within {HORIZON.days} days."
    return f"{why}. The next one opens at {upcoming['begins']} ({upcoming['local']} {upcoming['timezone']})."


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
