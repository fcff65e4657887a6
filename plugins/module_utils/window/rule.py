# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A recurrence rule of RFC 5545 in the local time of a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from .inputs import wrong

if TYPE_CHECKING:
    from dateutil.rrule import rrule

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
DAYS = ("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO")
STARTS = "a rule here has no start to count from; name the days, for example BYDAY=1TU,3TU with FREQ=MONTHLY"
EXAMPLE = "write it like FREQ=WEEKLY;BYDAY=TU,WE;BYHOUR=2"


@dataclass(frozen=True)
class Rule:
    """When something begins; a rule without BYHOUR begins at midnight."""

    text: str
    zone: ZoneInfo

    @classmethod
    def of(cls, field: str, text: str, zone: ZoneInfo) -> Rule:
        parts = _parts(field, text)
        _check(field, parts)
        if (until := parts.get("UNTIL", "")).endswith("Z"):
            parts["UNTIL"] = _local(field, until, zone)
        rule = cls(";".join(f"{key}={value}" for key, value in parts.items()), zone)
        try:
            rule.since(date(2000, 1, 1))
        except (ValueError, TypeError, KeyError) as error:
            raise wrong(field, f"is {text!r}, not a rule of RFC 5545: {error}", EXAMPLE) from None
        return rule

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Every beginning from ``first`` to ``last``, in UTC.

        A local time that the clocks skip does not begin anything, as RFC 5545 says; one that comes twice begins once,
        the first time.
        """
        day = first.astimezone(self.zone).date() - timedelta(days=1)
        for local in self.since(day).xafter(datetime.combine(day, time()), inc=True):
            begins = local.replace(tzinfo=self.zone).astimezone(UTC)
            if begins > last:
                return
            exists = begins.astimezone(self.zone).replace(tzinfo=None) == local
            if exists and begins >= first:
                yield begins

    def since(self, day: date) -> rrule:
        from dateutil.rrule import rrulestr

        return rrulestr(self.text, dtstart=datetime.combine(day, time()))


def _parts(field: str, text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.strip().upper().removeprefix("RRULE:").split(";")]
    if any(not key or not value for key, _equals, value in pairs) or len({key for key, *_rest in pairs}) < len(pairs):
        raise wrong(field, f"is {text!r}, not a rule of RFC 5545", EXAMPLE)
    return {key: value for key, _equals, value in pairs}


def _check(field: str, parts: dict[str, str]) -> None:
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES:
        raise wrong(field, f"has FREQ={frequency}", f"use one of {', '.join(FREQUENCIES)}")
    if "DTSTART" in parts or "COUNT" in parts or parts.get("INTERVAL", "1") != "1":
        raise wrong(field, "has DTSTART, COUNT or an INTERVAL above 1", STARTS)
    if frequency != "DAILY" and not any(key in parts for key in DAYS):
        raise wrong(field, f"has FREQ={frequency} and does not say on which day", f"add one of {', '.join(DAYS)}")


def _local(field: str, until: str, zone: ZoneInfo) -> str:
    try:
        at = datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise wrong(field, f"has UNTIL={until}", "write it like UNTIL=20271231T235959Z") from None
    return at.astimezone(zone).strftime("%Y%m%dT%H%M%S")
