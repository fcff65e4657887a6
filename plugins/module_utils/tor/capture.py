# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure before a release what its criteria will compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import ReleaseError
from .criterion import Criterion
from .evaluate import Gate, evaluate
from .expect import AnyNumber, OfBaseline
from .sources.base import World
from .verdict import PASS


def capture(criteria: Sequence[Criterion], world: World, deadline: float = 60.0) -> Gate:
    """A verdict on each criterion that refers to a baseline: passed when a number was measured."""
    comparing = [criterion for criterion in criteria if isinstance(criterion.expect, OfBaseline)]
    twice = [name for name, count in Counter(criterion.name for criterion in comparing).items() if count > 1]
    if twice:
        what = f"More than one criterion with a baseline is called {', '.join(twice)}"
        raise ReleaseError(what, where="criteria", remedy="give each its own name")
    if not comparing:
        return Gate(())
    return evaluate([replace(criterion, expect=AnyNumber()) for criterion in comparing], world, deadline)


def baseline_of(gate: Gate) -> dict[str, dict[str, Any]]:
    """What was captured, as `Baseline.parse` reads it."""
    return {
        verdict.criterion.name: {
            "measure": verdict.criterion.measure,
            "observed": verdict.observed,
            "unit": verdict.unit,
            "samples": verdict.samples,
            "at": verdict.at,
        }
        for verdict in gate.verdicts
        if verdict.verdict == PASS
    }
