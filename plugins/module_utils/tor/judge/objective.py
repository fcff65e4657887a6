# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wald's sequential probability ratio test of a bad share against an absolute objective.

Each bad answer adds ln(p1/p0) and each good one ln((1-p1)/(1-p0)), p0 the share that was promised and p1 the one that
is too much (Wald, "Sequential tests of statistical hypotheses", Annals of Mathematical Statistics 16, 1945). Wald's
boundaries ln((1-b)/a) and ln(b/(1-a)) hold for who stops at the first one; ln(1/a) and ln(b), a trifle wider, hold
however long one goes on looking (Ville), as the ratio has mean 1 at most under p0, and its inverse under p1.
"""

from __future__ import annotations

import math

from .counts import Counts


class ShareEvidence:
    """`log_e` is the evidence for `limit` against `slo`: positive for a share that is too large."""

    def __init__(self, slo: float, limit: float) -> None:
        self.log_e = 0.0
        self._bad, self._good = steps(slo, limit)

    def add(self, counts: Counts, dispersion: float = 1.0) -> None:
        """`dispersion` must not depend on these counts."""
        self.log_e += (counts.bad * self._bad + (counts.total - counts.bad) * self._good) / dispersion


def steps(slo: float, limit: float) -> tuple[float, float]:
    """What one bad and one good answer add."""
    return math.log(limit / slo), math.log((1 - limit) / (1 - slo))
