# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A criterion: one measurable rule, as data; every mistake in it is named with the field it is in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ReleaseError
from .aggregate import AGGREGATES, COUNT
from .expect import Expectation, ExpectError
from .grammar import parse
from .mistakes import unknown
from .sources.base import Source
from .sources.kinds import source_class
from .sources.registry import build, mistakes_in

BLOCKING, ADVISORY = "blocking", "advisory"

_FIELDS = ("name", "clause", "source", "select", "aggregate", "expect", "severity", "samples", "timeout", "remedy")
_REQUIRED = ("name", "source", "select", "expect")


@dataclass(frozen=True)
class Criterion:
    name: str
    source: Source
    select: str
    expect: Expectation
    aggregate: str = ""
    clause: str = ""
    severity: str = BLOCKING
    samples: int = 1
    timeout: float = 10.0
    remedy: str = ""

    @property
    def blocking(self) -> bool:
        return self.severity == BLOCKING

    @property
    def title(self) -> str:
        return f"{self.name} ({self.clause})" if self.clause else self.name

    @property
    def measure(self) -> str:
        return f"{self.aggregate} of {self.select}" if self.aggregate else self.select


def parse_criteria(given: Sequence[Any], called: str = "criteria") -> list[Criterion]:
    """All criteria, or one error that lists every mistake; `called` is what its reader knows them by."""
    criteria: list[Criterion] = []
    mistakes: list[str] = []
    for place, entry in enumerate(given):
        where = f"{called}[{place}]"
        if not isinstance(entry, Mapping):
            mistakes.append(f"{where}: not a dictionary")
            continue
        found = list(_mistakes(entry))
        if found:
            mistakes += [f"{where}{mistake}" for mistake in found]
        else:
            criteria.append(_criterion(entry))
    if mistakes:
        raise ReleaseError("; ".join(mistakes), where=called, mistakes=mistakes)
    return criteria


def _criterion(entry: Mapping[str, Any]) -> Criterion:
    return Criterion(
        name=str(entry["name"]),
        source=build(entry["source"]),
        select=str(entry["select"]),
        expect=parse(entry["expect"]),
        aggregate=entry.get("aggregate") or "",
        clause=str(entry.get("clause") or ""),
        severity=entry.get("severity") or BLOCKING,
        samples=1 if entry.get("samples") is None else int(entry["samples"]),
        timeout=10.0 if entry.get("timeout") is None else float(entry["timeout"]),
        remedy=str(entry.get("remedy") or ""),
    )


def _mistakes(entry: Mapping[str, Any]) -> list[str]:
    mistakes = unknown(entry, _FIELDS)
    mistakes += [f".{field}: missing" for field in _REQUIRED if entry.get(field) in (None, "", {})]
    if entry.get("severity") not in (None, BLOCKING, ADVISORY):
        mistakes.append(f".severity: {entry['severity']!r} is neither {BLOCKING} nor {ADVISORY}")
    if entry.get("aggregate") not in (None, "", *AGGREGATES):
        mistakes.append(f".aggregate: {entry['aggregate']!r} is none of {', '.join(AGGREGATES)}")
    mistakes += _not_a_number(entry, "samples", least=0, whole=True)
    mistakes += _not_a_number(entry, "timeout", least=0.001)
    return mistakes or _mistakes_of_meaning(entry)


def _not_a_number(entry: Mapping[str, Any], field: str, least: float, *, whole: bool = False) -> list[str]:
    try:
        given = float(least if entry.get(field) is None else entry[field])
    except (TypeError, ValueError):
        return [f".{field}: {entry[field]!r} is not a number"]
    if not math.isfinite(given) or (whole and not given.is_integer()):
        return [f".{field}: {entry[field]} is not a {'whole' if whole else 'finite'} number"]
    return [] if given >= least else [f".{field}: {entry[field]} is less than {least}"]


def _mistakes_of_meaning(entry: Mapping[str, Any]) -> list[str]:
    """What only the source and the expectation know, and whether the two fit."""
    mistakes = mistakes_in(entry["source"])
    if mistakes:
        return [f".source{mistake}" for mistake in mistakes]
    kind = source_class(entry["source"]["kind"])
    select = str(entry["select"])
    try:
        kind.check_select(select)
    except ExpectError as exc:
        return [f".select: {exc}"]
    try:
        expectation = parse(entry["expect"])
        unit = "" if entry.get("aggregate") == COUNT else kind.unit_of(select)
        if unit is not None:
            expectation.check_unit(unit)
    except ExpectError as exc:
        return [f".expect: {exc}"]
    return []
