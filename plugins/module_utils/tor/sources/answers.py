# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be read from the answers to HTTP requests, however they are sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import Any

from ...errors import ReleaseError
from ..select import pick
from .base import Ask, Readings
from .measure import split

HEADER = "header:"
SHARE, STREAK = "error_share", "failures_in_a_row"
SELECTS = {"status": "", "latency": "ms", SHARE: "share", STREAK: ""}

_EXCERPT = 200
_LOST_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        return 200 <= self.status < 400

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


Request = Callable[[float], Answer]
"""Send one request; it may take so many seconds."""


@dataclass(frozen=True)
class Pace:
    """`duration` spreads the samples over so many seconds, `patience` bounds each request; 0 leaves either open."""

    duration: float = 0.0
    patience: float = 0.0

    def turns(self, ask: Ask) -> Iterator[float]:
        """When it is time for the next request, how many seconds it may take; ends at the deadline."""
        began, number = time.monotonic(), 0
        while True:
            due = began + number * self.duration / max(1, ask.samples)
            if not ask.wait(due - time.monotonic()):
                return
            yield min(ask.left, self.patience or ask.left)
            number += 1


@dataclass
class _Seen:
    answers: list[Answer] = field(default_factory=list)
    latencies: list[Fraction] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    course: list[bool] = field(default_factory=list)

    def is_enough(self, ask: Ask) -> bool:
        wanted = max(1, ask.samples)
        if ask.select == "latency":  # errors tell nothing about it, and are made up for up to a limit
            return len(self.latencies) >= wanted or len(self.course) >= 2 * wanted
        return len(self.course) >= wanted

    def readings(self, select: str) -> Readings:
        failed = self.course.count(False)
        evidence: dict[str, Any] = {"failed": failed} if failed else {}
        if self.answers:
            evidence |= {"status": self.answers[-1].status, "body": self.answers[-1].text[:_EXCERPT]}
        if self.lost:
            evidence["lost"] = self.lost[:_LOST_SHOWN]
        if select == "latency":
            remark = f"{failed} of {len(self.course)} answers were errors and do not count" if failed else ""
            return Readings(self.latencies, len(self.latencies), evidence, remark)
        if select in SELECTS:
            return Readings(self._values(select) if self.course else [], len(self.course), evidence)
        found = [_found_in(answer, select) for answer in self.answers]
        return Readings([value for own in found for value in own], len(found), evidence, silent=found.count([]))

    def _values(self, select: str) -> list[Any]:
        if select == SHARE:
            return [Fraction(self.course.count(False), len(self.course))]
        if select == STREAK:
            return [max((len(list(run)) for good, run in groupby(self.course) if not good), default=0)]
        return [answer.status for answer in self.answers]


def sample(request: Request, ask: Ask, pace: Pace | None = None) -> Readings:
    """One request after the other, as many as the criterion wants; one that runs into its deadline says nothing."""
    seen = _Seen()
    for seconds in (pace or Pace()).turns(ask):
        began = time.monotonic_ns()
        try:
            answer = request(seconds)
        except (OSError, ReleaseError) as exc:
            if seen.course and not ask.left:
                break
            if ask.select not in (SHARE, STREAK):
                raise
            seen.lost.append(str(exc))
            seen.course.append(False)
        else:
            seen.answers.append(answer)
            seen.course.append(answer.good)
            if answer.good:
                seen.latencies.append(Fraction(time.monotonic_ns() - began, 10**6))
        if seen.is_enough(ask):
            break
    return seen.readings(ask.select)


def _found_in(answer: Answer, select: str) -> list[Any]:
    """In an answer that is none, nothing is looked for: an error page may say anything."""
    if not answer.good:
        raise ReleaseError(f"the answer was {answer.status}: {answer.text[:_EXCERPT]}")
    if select.startswith(HEADER):
        name = select.removeprefix(HEADER).strip().lower()
        return [value for key, value in answer.headers.items() if key.lower() == name]
    return pick(split(select)[0], answer.text)
