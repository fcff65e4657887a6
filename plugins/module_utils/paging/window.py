# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A maintenance window of the service that pages people: found by its name, opened, made longer, ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from ..errors import Refused
from ..window.spans import words

OPEN, CLOSED = "open", "closed"


@dataclass(frozen=True)
class Window:
    """One that is not over: ``ref`` is what the service calls it, ``about`` what nobody is paged for."""

    ref: str
    ends: datetime
    about: frozenset[str] = frozenset()

    def report(self) -> dict[str, Any]:
        return {"id": self.ref, "ends": written(self.ends), "about": sorted(self.about)}


class Service(Protocol):
    """What pages people."""

    @property
    def about(self) -> frozenset[str]:
        """What a window is put for, in the words of ``Window.about``."""

    def windows(self, name: str) -> list[Window]:
        """Those of this name that are not over."""

    def put(self, name: str, begins: datetime, ends: datetime, ref: str) -> Window:
        """Open one, or give the one called ``ref`` another end."""

    def end(self, ref: str) -> None:
        """End it now."""


@dataclass(frozen=True)
class Want:
    """``seconds`` is how long nobody is to be paged from now on."""

    state: str
    name: str
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.state == OPEN and self.seconds <= 0:
            raise Refused(
                "A window without an end would keep people from being paged for good",
                where="option for",
                remedy="say for how long, for example 2 h",
            )


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    sentence: str
    before: Sequence[Window]
    after: Sequence[Window]

    def report(self) -> dict[str, Any]:
        sides = {"before": self.before, "after": self.after}
        told = {side: [one.report() for one in windows] for side, windows in sides.items()}
        return {"changed": told["before"] != told["after"], "plan": self.sentence, **told}

    def diff(self) -> dict[str, str]:
        sides = {"before": self.before, "after": self.after}
        return {side: "".join(map(_line, windows)) for side, windows in sides.items()}


def operate(service: Service, want: Want, now: datetime, dry: bool = False) -> Outcome:
    """One window of that name about what it is put for when it is open, none of that name when it is closed.

    So what a dead run left is found. One about anything else stays until it is over, or closed.
    """
    before = service.windows(want.name)
    if want.state == CLOSED:
        return _closed(service, before, dry)
    ends = now.replace(microsecond=0) + timedelta(seconds=want.seconds)
    longest = max((one for one in before if one.about == service.about), key=lambda one: one.ends, default=None)
    if longest and longest.ends >= ends:
        return Outcome(f"nobody is paged until {written(longest.ends)} already", before, before)
    wanted = Window(longest.ref if longest else "", ends, service.about)
    after = wanted if dry else service.put(want.name, now, ends, wanted.ref)
    others = [one for one in before if one is not longest]
    return Outcome(f"nobody is paged for {words(want.seconds)}, until {written(ends)}", before, [*others, after])


def _closed(service: Service, before: Sequence[Window], dry: bool) -> Outcome:
    for one in before if not dry else ():
        service.end(one.ref)
    return Outcome("people are paged again" if before else "no such window is open", before, [])


def _line(one: Window) -> str:
    return f"until {written(one.ends)} about {', '.join(sorted(one.about))}\n"


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
