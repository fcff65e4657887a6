# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a share of bad answers that exceeds its limit may do so by chance.

The evidence is Wald's ratio of `WORSE` times the limit against the limit itself. A version that keeps to the limit ever
reaches `ENOUGH` with a probability of 1 % at most, however often one looks (Ville); see judge.objective.
"""

from __future__ import annotations

import math

from .expect import Comparison, Expectation
from .judge.counts import Counts
from .judge.objective import ShareEvidence
from .units import SHARE

WORSE = 4
ENOUGH = math.log(100)


def may_be_chance(expect: Expectation, heard: Counts | None) -> bool:
    """Whether a version within the limit may have answered like this; a limit of 0 leaves nothing to chance."""
    limit = _limit(expect)
    if heard is None or not 0 < limit < 1:
        return False
    evidence = ShareEvidence(limit, min(WORSE * limit, (1 + limit) / 2))
    evidence.add(heard)
    return evidence.log_e < ENOUGH


def _limit(expect: Expectation) -> float:
    """The most that is allowed, 0 if it is no share."""
    if not isinstance(expect, Comparison) or expect.relation not in ("<", "<=") or expect.threshold.dimension != SHARE:
        return 0.0
    return float(expect.threshold.base)
