# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the witness recorded about one version, or about all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from ...witness.log import Answers, Tally, read, silence
from ..expect import NothingMeasured
from ..judge.counts import Counts
from .base import Ask, Readings, Source, World

_LOOK_EVERY = 0.05


@dataclass(frozen=True)
class Witness(Source):
    """With `version` only its own answers count: what nobody answered is `lost`, not its error."""

    path: str
    version: str = ""
    since: float = 0.0

    selects: ClassVar[dict[str, str]] = {
        "error_share": "share",
        "failed": "",
        "lost": "",
        "requests": "",
        "wrong_version": "",
        "p50": "ms",
        "p95": "ms",
        "p99": "ms",
    }
    selects_freely: ClassVar[bool] = False

    @property
    def text(self) -> str:
        of = f" of version {self.version}" if self.version else ""
        return f"witness {self.path}{of}" + (f" since {self.since:.3f}" if self.since else "")

    def read(self, ask: Ask, world: World) -> Readings:
        """Waits for as many answers as the criterion needs; a witness that died says nothing about what came after."""
        while True:
            tally = read(self.path, self.since)
            answers = tally.by_version.get(self.version, Answers()) if self.version else tally.total
            if answers.sent >= ask.samples or not (ask.patient and ask.wait(_LOOK_EVERY)):
                break
        if not answers.sent:
            raise NothingMeasured("no request was recorded")
        if silent := silence(self.path, time.time()):
            raise NothingMeasured(f"nothing was recorded for {silent:.0f} s, so the witness has ended or was killed")
        heard = Counts(answers.failed, answers.sent) if ask.select == "error_share" else None
        return Readings([_VALUES[ask.select](tally, answers)], answers.sent, _evidence(tally), heard=heard)


_VALUES: dict[str, Callable[[Tally, Answers], Any]] = {
    "error_share": lambda tally, answers: Fraction(answers.failed, answers.sent),
    "failed": lambda tally, answers: answers.failed,
    "lost": lambda tally, answers: tally.lost,
    "requests": lambda tally, answers: answers.sent,
    "wrong_version": lambda tally, answers: tally.wrong,
    "p50": lambda tally, answers: answers.p50_ms,
    "p95": lambda tally, answers: answers.p95_ms,
    "p99": lambda tally, answers: answers.p99_ms,
}


def _evidence(tally: Tally) -> dict[str, Any]:
    return {
        "requests": tally.sent,
        "failed": tally.failed,
        "lost": tally.lost,
        "wrong_version": tally.wrong,
        "by_version": {version: {"ok": own.ok, "failed": own.failed} for version, own in tally.by_version.items()},
    }
