# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""How long the version before a release stays ready to take the traffic back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ReleaseError
from ..tor.mistakes import unknown
from ..window.inputs import duration

KEYS = ("full", "floor", "until", "removed")
WHERE = "release_rollback.keep_warm"
WARM, RETIRED, ABSENT = "warm", "retired", "absent"

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Keep:
    """Seconds after the release until which the colour keeps all its pods, and `floor` pods; then it has none.

    ``removed`` is when it is uninstalled, None for never.
    """

    full: float
    floor: int
    until: float
    removed: float | None

    @classmethod
    def of(cls, given: Given) -> Keep:
        mistakes = [WHERE + told for told in unknown(given, KEYS)]
        if not given.get("until"):
            mistakes.append(f"{WHERE}.until: missing")
        if mistakes:
            raise ReleaseError("; ".join(mistakes), where=WHERE, remedy="write for example {full: 1h, until: 24h}")
        full, until = _seconds("full", given.get("full") or "1h"), _seconds("until", given["until"])
        removed = _seconds("removed", given["removed"]) if given.get("removed") else None
        floor = 1 if given.get("floor") is None else int(given["floor"])
        if not (0 <= full <= until and floor >= 0 and (removed is None or removed >= until)):
            remedy = "let full, until and removed follow one another, as in {full: 1h, until: 24h, removed: 25h}"
            raise ReleaseError("The version before a release is kept in no order of time", where=WHERE, remedy=remedy)
        return cls(full, floor, until, removed)

    def at(self, seconds: float) -> tuple[str, int, float | None]:
        """The state of the colour so many seconds after the release, its pods, and when that changes."""
        if seconds < self.full:
            return WARM, 0, self.full
        if seconds < self.until:
            return RETIRED, self.floor, self.until
        if self.removed is None or seconds < self.removed:
            return RETIRED, 0, self.removed
        return ABSENT, 0, None


def keep_text(given: Given) -> str:
    """For whoever approves it."""
    full, floor = given.get("full") or "1h", 1 if given.get("floor") is None else given["floor"]
    removed = f", and is removed after {given['removed']}" if given.get("removed") else ""
    return f"keeps all its pods for {full}, {floor} of each workload until {given['until']}, then none{removed}"


def _seconds(name: str, given: Any) -> float:
    return duration(f"{WHERE}.{name}", given).total_seconds()
