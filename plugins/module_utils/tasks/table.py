# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What became of each task, for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]
HEADS = ("task", "clause", "verdict", "why")
DONE, UNCHANGED, SKIPPED, FAILED, WAITS = "done", "unchanged", "skipped", "failed", "waits"
VERDICTS = (DONE, UNCHANGED, SKIPPED, FAILED, WAITS)


def table(results: Sequence[Result]) -> list[str]:
    """Lines of equal columns, the heads first."""
    rows = [
        HEADS,
        *(tuple(" ".join(str(one.get(key) or "").split()) for key in ("name", *HEADS[1:])) for one in results),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def sentence(results: Sequence[Result]) -> str:
    """How many came out how, and each that needs somebody by its name."""
    counts = Counter(str(one["verdict"]) for one in results)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]) or "nothing to do"
    named = [
        f"{verdict.capitalize()}: {', '.join(str(one['name']) for one in results if one['verdict'] == verdict)}."
        for verdict in (FAILED, WAITS, SKIPPED)
        if counts[verdict]
    ]
    return " ".join([f"Of {len(results)} tasks {said}.", *named])
