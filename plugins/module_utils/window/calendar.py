# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Windows in which releases are allowed, freezes in which they are not, and what that leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .inputs import duration, fields_of, moment, wrong
from .rule import Rule

HORIZON = timedelta(days=400)
LONGEST = timedelta(days=31)


@dataclass(frozen=True)
class Window:
    """Opens by a rule, stays open for a duration of real hours, and is announced ``notice`` before."""

    rule: Rule
    duration: timedelta
    notice: timedelta

    @classmethod
    def of(cls, name: str, given: Any) -> Window:
        known, required = ("rrule", "timezone", "duration", "notice"), ("rrule", "timezone", "duration")
        fields = fields_of(name, given, known, required)
        zone = time_zone(f"{name}.timezone", fields["timezone"])
        length = duration(f"{name}.duration", fields["duration"])
        if not timedelta() < length <= LONGEST:
            raise wrong(f"{name}.duration", f"is {fields['duration']}", f"choose above 0 and up to {LONGEST.days}d")
        rule = Rule.of(f"{name}.rrule", str(fields["rrule"]), zone)
        return cls(rule, length, duration(f"{name}.notice", fields.get("notice") or 0))


@dataclass(frozen=True)
class Freeze:
    """No release begins or goes on from ``begins`` to ``ends``."""

    begins: datetime
    ends: datetime
    reason: str

    @classmethod
    def of(cls, name: str, given: Any) -> Freeze:
        fields = fields_of(name, given, ("from", "to", "reason", "timezone"), ("from", "to", "reason"))
        zone: tzinfo = UTC
        if fields.get("timezone"):
            zone = time_zone(f"{name}.timezone", fields["timezone"])
        begins = moment(f"{name}.from", fields["from"], zone)
        ends = moment(f"{name}.to", fields["to"], zone, end=True)
        if ends <= begins:
            raise wrong(f"{name}.to", f"is {fields['to']}, not after {name}.from", "swap them or correct one")
        return cls(begins, ends, str(fields["reason"]))


@dataclass(frozen=True)
class Opening:
    """A time in which releases are allowed; ``window`` is the position of its window, -1 when there are no windows."""

    begins: datetime
    ends: datetime
    window: int = -1

    def holds(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


@dataclass(frozen=True)
class Calendar:
    windows: Sequence[Window]
    freezes: Sequence[Freeze]

    @classmethod
    def of(cls, windows: Any, freezes: Any) -> Calendar:
        for name, given in (("windows", windows), ("freezes", freezes)):
            if not isinstance(given, list | tuple):
                raise wrong(name, f"is {given!r}, not a list", "write a list")
        return cls(
            [Window.of(f"windows[{number}]", one) for number, one in enumerate(windows)],
            [Freeze.of(f"freezes[{number}]", one) for number, one in enumerate(freezes)],
        )

    def frozen(self, at: datetime) -> Freeze | None:
        """The freeze that forbids ``at``; of several, the one that ends last."""
        forbidding = [freeze for freeze in self.freezes if freeze.begins <= at < freeze.ends]
        return max(forbidding, key=lambda freeze: freeze.ends, default=None)

    def openings(self, at: datetime) -> list[Opening]:
        """Everything that is open at ``at`` or opens within the horizon, without the freezes, by beginning."""
        pieces: Iterable[Opening] = self._scheduled(at)
        for freeze in self.freezes:
            pieces = [rest for piece in pieces for rest in _without(piece, freeze)]
        return sorted((one for one in pieces if one.ends > at), key=lambda one: (one.begins, -one.ends.timestamp()))

    def _scheduled(self, at: datetime) -> Iterator[Opening]:
        if not self.windows:
            yield Opening(at - HORIZON, at + HORIZON)
        for number, window in enumerate(self.windows):
            for begins in window.rule.between(at - window.duration, at + HORIZON):
                yield Opening(begins, begins + window.duration, number)


def time_zone(field: str, name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong(field, f"is {name!r}, not a known time zone", "use a name like Europe/Berlin or UTC") from None


def joined(openings: Sequence[Opening]) -> list[Opening]:
    """Openings that touch or overlap as one."""
    whole: list[Opening] = []
    for one in openings:
        if whole and one.begins <= whole[-1].ends:
            whole[-1] = replace(whole[-1], ends=max(whole[-1].ends, one.ends))
        else:
            whole.append(one)
    return whole


def _without(piece: Opening, freeze: Freeze) -> Iterator[Opening]:
    before = replace(piece, ends=min(piece.ends, freeze.begins))
    after = replace(piece, begins=max(piece.begins, freeze.ends))
    yield from (one for one in (before, after) if one.begins < one.ends)
