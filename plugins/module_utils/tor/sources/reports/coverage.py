# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of the code the tests ran: Cobertura's XML, or the JSON of coverage.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from ....errors import ReleaseError
from ...expect import NothingMeasured
from ...subject import Subject
from .base import Finding, Report, document, made_at, tree

_ROUNDING = 0.01


@dataclass(frozen=True, kw_only=True)
class Coverage(Report):
    """Options: those of every report.

    Selects: `line_share`, `branch_share`; `lines`, how many could have been run, which are the samples, too.
    """

    selects: ClassVar[Mapping[str, str | None]] = {"line_share": "share", "branch_share": "share", "lines": ""}

    def look(self, content: str, select: str, subject: Subject) -> Finding:
        covered = _of_json(document(content)) if content.lstrip().startswith("{") else _of_xml(tree(content))
        values: list[Any] = []
        if select == "lines":
            values = [covered.lines[1]]
        elif select:
            what, (run, there) = ("lines", covered.lines) if select == "line_share" else ("branches", covered.branches)
            if not there:
                raise NothingMeasured(f"no {what} were measured")
            if not 0 <= run <= there:
                raise ReleaseError(f"it says that {run} of {there} {what} were run")
            values = [Fraction(run, there)]
        evidence = {"lines": list(covered.lines), "branches": list(covered.branches)}
        return Finding(values, covered.lines[1], covered.made, evidence=evidence)


@dataclass(frozen=True)
class _Covered:
    """Of each how many were run, and how many there are."""

    lines: tuple[int, int]
    branches: tuple[int, int]
    made: datetime | None


def _of_json(found: dict[str, Any]) -> _Covered:
    totals = found["totals"]
    return _Covered(
        (totals["covered_lines"], totals["num_statements"]),
        (totals.get("covered_branches", 0), totals.get("num_branches", 0)),
        made_at(found["meta"]["timestamp"]),
    )


def _of_xml(root: Element) -> _Covered:
    if root.tag != "coverage":
        raise ValueError(f"its root is {root.tag}")
    lines = _counts(root, "lines") or _counted(root)
    said = root.get("line-rate")
    if said is not None and lines[1] and abs(float(said) - lines[0] / lines[1]) > _ROUNDING:
        raise ReleaseError(f"it says line-rate {said}, but {lines[0]} of {lines[1]} lines were run")
    return _Covered(lines, _counts(root, "branches") or (0, 0), made_at(root.get("timestamp")))


def _counts(root: Element, what: str) -> tuple[int, int] | None:
    run, there = root.get(f"{what}-covered"), root.get(f"{what}-valid")
    return None if run is None or there is None else (int(run), int(there))


def _counted(root: Element) -> tuple[int, int]:
    lines = root.findall(".//class/lines/line")
    return sum(int(line.get("hits", "0")) > 0 for line in lines), len(lines)
