# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which window a release is announced for, and whether it was announced in time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..ledger.chain import Entry
from ..release.machine import INDEX_TOLD
from ..window.calendar import Calendar, Opening
from ..window.inputs import moment, written
from .targets import NOTICE


@dataclass(frozen=True)
class Announcement:
    """A window in which a release may begin, and until when it has to be announced."""

    begins: datetime
    ends: datetime
    by: datetime
    zone: str

    @classmethod
    def of(cls, calendar: Calendar, one: Opening) -> Announcement:
        window = calendar.windows[one.window]
        return cls(one.begins, one.ends, one.begins - window.notice, window.rule.zone.key)

    def report(self) -> dict[str, str]:
        return {
            "begins": written(self.begins),
            "ends": written(self.ends),
            "notice_by": written(self.by),
            "timezone": self.zone,
        }


def openings(windows: Any, freezes: Any, at: Any) -> list[Announcement]:
    """The windows that ask for a notice, from the one that is open at ``at`` on."""
    calendar, now = Calendar.of(windows, freezes), moment("at", at)
    return [
        Announcement.of(calendar, one)
        for one in calendar.openings(now)
        if one.window >= 0 and calendar.windows[one.window].notice
    ]


def to_announce(ahead: Iterable[Announcement], at: Any) -> Announcement | None:
    """The first window that can still be announced in time."""
    now = moment("at", at)
    return next((one for one in ahead if one.by >= now), None)


def is_open(windows: Any, freezes: Any, at: Any) -> Announcement | None:
    """The window that is open and asked for a notice; None if one that asks for none is open too."""
    calendar, now = Calendar.of(windows, freezes), moment("at", at)
    current = [one for one in calendar.openings(now) if one.holds(now) and one.window >= 0]
    if not current or any(not calendar.windows[one.window].notice for one in current):
        return None
    return Announcement.of(calendar, current[0])


def notices(entries: Iterable[Entry], version: str) -> list[Mapping[str, Any]]:
    """The delivered notices of a version, each with ``window`` and ``when``."""
    told = [(one.after or {}, one.when) for one in entries if one.what == INDEX_TOLD]
    return [
        {"window": after["window"], "when": when}
        for after, when in told
        if after["event"] == NOTICE and after["version"] == version and after["told"]
    ]


def standing(entries: Iterable[Entry], version: str, ahead: Iterable[Announcement]) -> Announcement | None:
    """The window ``ahead`` that a version was announced for; None if there is none."""
    known = {moment("begins", one["window"]["begins"]) for one in notices(entries, version)}
    return next((one for one in ahead if one.begins in known), None)


def in_time(entries: Iterable[Entry], version: str, window: Announcement) -> bool:
    """Whether the version was announced for this window, early enough."""
    return any(
        moment("begins", one["window"]["begins"]) == window.begins and moment("when", one["when"]) <= window.by
        for one in notices(entries, version)
    )
