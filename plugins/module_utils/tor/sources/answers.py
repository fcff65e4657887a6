# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be read from the answers to HTTP requests, however they are sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...errors import ReleaseError
from ..select import pick
from .base import Ask, Readings

HEADER = "header:"
SELECTS = {"status": "", "latency": "ms", "error_share": "share"}

_EXCERPT = 200


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


def sample(request: Request, ask: Ask) -> Readings:
    """One request after the other, as many as the criterion wants; one that runs into its deadline says nothing."""
    answers: list[Answer] = []
    latencies: list[Fraction] = []
    lost: list[str] = []
    while len(answers) + len(lost) < max(1, ask.samples) and ask.left:
        began = time.monotonic_ns()
        try:
            answers.append(request(ask.left))
            latencies.append(Fraction(time.monotonic_ns() - began, 10**6))
        except (OSError, ReleaseError) as exc:
            if answers and not ask.left:
                break
            if ask.select != "error_share":
                raise
            lost.append(str(exc))
    return Readings(_values(ask.select, answers, latencies, lost), len(answers) + len(lost), _evidence(answers, lost))


def _values(select: str, answers: list[Answer], latencies: list[Fraction], lost: list[str]) -> list[Any]:
    if select == "status":
        return [answer.status for answer in answers]
    if select == "latency":
        return list(latencies)
    if select == "error_share":
        sent = len(answers) + len(lost)
        return [Fraction(len(lost) + sum(not answer.good for answer in answers), sent)] if sent else []
    if select.startswith(HEADER):
        name = select.removeprefix(HEADER).strip().lower()
        return [value for answer in answers for key, value in answer.headers.items() if key.lower() == name]
    return [value for answer in answers for value in pick(select, answer.text)]


def _evidence(answers: list[Answer], lost: list[str]) -> dict[str, Any]:
    last = {"status": answers[-1].status, "body": answers[-1].text[:_EXCERPT]} if answers else {}
    return {**last, **({"lost": lost[:5]} if lost else {})}
