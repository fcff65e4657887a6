# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure before a release what its criteria will compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import ReleaseError
from .criterion import Criterion
from .evaluate import Gate, evaluate
from .expect import AnyKinds, AnyNumber, Expectation, InBaseline, OfBaseline
from .sources.base import World
from .verdict import PASS


def comparing(criteria: Sequence[Criterion]) -> list[Criterion]:
    """Those that refer to a baseline."""
    return [criterion for criterion in criteria if isinstance(criterion.expect, OfBaseline | InBaseline)]


def capture(criteria: Sequence[Criterion], world: World, deadline: float | None = None) -> Gate:
    """A verdict on each thing that is compared with a baseline: passed when a number was measured.

    Criteria of several gates may be of one name when they measure the same and only expect something else of it.
    """
    measured: dict[str, Criterion] = {}
    for criterion in comparing(criteria):
        same = measured.setdefault(criterion.name, criterion)
        if (same.source, same.measure) != (criterion.source, criterion.measure):
            what = f"Criteria that measure different things with a baseline are both called {criterion.name}"
            raise ReleaseError(what, where="criteria", remedy="give each its own name")
    if not measured:
        return Gate(())
    return evaluate([replace(one, expect=_any(one)) for one in measured.values()], world, deadline)


def _any(criterion: Criterion) -> Expectation:
    return AnyKinds() if isinstance(criterion.expect, InBaseline) else AnyNumber()


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
