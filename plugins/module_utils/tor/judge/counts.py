# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the judge is given: counts of answers by interval, and the terms it judges on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import ReleaseError

SPEAKS_FROM = 50


@dataclass(frozen=True)
class Counts:
    """Answers of one version, and those of them that were bad."""

    bad: int = 0
    total: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.bad + other.bad, self.total + other.total)

    @property
    def share(self) -> float:
        return self.bad / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.bad} of {self.total} ({percent(self.share)})"


@dataclass(frozen=True)
class Interval:
    """What both versions answered in the same seconds."""

    canary: Counts
    baseline: Counts = Counts()


@dataclass(frozen=True)
class Terms:
    """What is tolerated, and how often the judge may be wrong. Shares and probabilities are between 0 and 1.

    A canary fails when its bad share is proven to be more than `tolerated` times the baseline's, by `min_excess` at
    least. It passes when its share is proven to be less than `unacceptable` times the baseline's, or less than `limit`.
    Without a baseline it fails when its share is proven to be more than `slo`.

    `alpha` bounds the probability of a wrong fail, over all looks and all `metrics` judged at the same gate; `beta`
    that of a wrong pass.
    """

    tolerated: float = 1.0
    unacceptable: float = 2.0
    min_excess: float = 0.001
    slo: float = 0.001
    limit: float = 0.01
    hopeless: float = 0.2
    alpha: float = 0.01
    beta: float = 0.05
    metrics: int = 1
    minimum: int = 300
    interval: float = 10.0

    def __post_init__(self) -> None:
        for broken, where, remedy in (
            (not 0 < self.tolerated < self.unacceptable, "tolerated", "choose 0 < tolerated < unacceptable"),
            (not 0 < self.slo < self.limit < 1, "slo", "choose 0 < slo < limit < 100 %"),
            (not 0 < self.alpha < 0.5, "alpha", "choose between 0 and 0.5"),
            (not 0 < self.beta < 0.5, "beta", "choose between 0 and 0.5"),
            (not 0 < self.hopeless <= 1, "hopeless", "choose more than 0, at most 100 %"),
            (not 0 <= self.min_excess < 1, "min_excess", "choose 0 or more, less than 100 %"),
            (self.metrics < 1, "metrics", "say how many are judged together, at least 1"),
            (self.minimum < 1, "minimum", "choose at least 1"),
            (not (math.isfinite(self.interval) and self.interval > 0), "interval", "choose some seconds"),
        ):
            if broken:
                raise ReleaseError("The judge cannot work on these terms", where=where, remedy=remedy)

    @property
    def fails_at(self) -> float:
        """The natural logarithm of the evidence that is enough to fail."""
        return math.log(self.metrics / self.alpha)

    @property
    def speaks_from(self) -> int:
        """Answers without which nothing is proven."""
        return min(SPEAKS_FROM, self.minimum)

    @property
    def passes_at(self) -> float:
        """The same to pass, each of the two ways having half of beta."""
        return math.log(2 / self.beta)


def percent(share: float) -> str:
    """Two digits that count: 5.8 %, 0.3 %, 0.042 %."""
    return "0 %" if share == 0 else f"{float(f'{share * 100:.2g}'):.10g} %"
