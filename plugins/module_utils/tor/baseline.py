# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What criteria measured before the release, by their names, as one task returns it and the next one is given it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ReleaseError
from .expect import ExpectError
from .units import UNITS, Quantity, UnitError, exactly

_FIELDS = ("measure", "observed", "unit", "samples", "at")


@dataclass(frozen=True)
class Captured:
    """A number, or the kinds there were; `measure` says of what, so that nothing else of its name is compared."""

    measure: str
    value: Quantity | frozenset[str]


@dataclass(frozen=True)
class Baseline:
    values: Mapping[str, Captured] = field(default_factory=dict)

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None) -> Baseline:
        """What `report` of a capture gave; an error names every entry that is not."""
        values: dict[str, Captured] = {}
        mistakes: list[str] = []
        for name, entry in (given or {}).items():
            try:
                values[name] = _captured(entry)
            except (UnitError, ValueError, TypeError, KeyError) as exc:
                mistakes.append(f"baseline[{name!r}]: {exc}")
        if mistakes:
            remedy = "give what a task with state captured returned as baseline"
            raise ReleaseError("; ".join(mistakes), where="baseline", remedy=remedy, mistakes=mistakes)
        return cls(values)

    def of(self, name: str, measure: str) -> Quantity | frozenset[str] | None:
        """None when nothing was captured under this name."""
        found = self.values.get(name)
        if found is None:
            return None
        if found.measure != measure:
            raise ExpectError(f"its baseline is of {found.measure}; capture it again")
        return found.value


def _captured(entry: Any) -> Captured:
    if not isinstance(entry, Mapping) or not set(entry) <= set(_FIELDS):
        raise ValueError(f"not a dictionary of {', '.join(_FIELDS)}")
    missing = [name for name in ("measure", "observed") if entry.get(name) in (None, "")]
    if missing:
        raise ValueError(f"{' and '.join(missing)} missing")
    if isinstance(entry["observed"], list):
        return Captured(str(entry["measure"]), frozenset(map(str, entry["observed"])))
    unit = str(entry.get("unit") or "")
    if unit not in UNITS:
        raise ValueError(f"{unit!r} is not a known unit")
    return Captured(str(entry["measure"]), Quantity(exactly(str(entry["observed"])), unit))
