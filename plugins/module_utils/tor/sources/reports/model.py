# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How good the predictions of a model were: predicted and actual values from a CSV file or a database."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from ....errors import ReleaseError
from ...expect import ExpectError, NothingMeasured
from ...subject import Subject
from .. import measure
from ..base import Ask, World
from ..database import Database
from .base import Finding, Report, contents, made_at

Pair = tuple[float, float]
"""Predicted and actual."""


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Accuracy:
    """Errors of predictions. `floor`: actual values closer to 0 do not count for `mape`, which divides by them."""

    pairs: tuple[Pair, ...]
    floor: float = 0.0

    def value(self, name: str) -> Any:
        return {"mape": self._mape, "mae": self._mae, "rmse": self._rmse, "r2": self._r2}[name]()

    def counted(self, name: str) -> Sequence[Pair]:
        """The pairs the value comes from."""
        return [pair for pair in self.pairs if abs(pair[1]) >= self.floor] if name == "mape" else self.pairs

    def _mape(self) -> float:
        counted = self.counted("mape")
        if not counted:
            raise NothingMeasured(f"no actual value reaches the floor of {self.floor:g}")
        zeros = sum(actual == 0 for _predicted, actual in counted)
        if zeros:
            raise ExpectError(
                f"{zeros} of {len(counted)} actual values are 0, of which no share can be taken: set floor"
            )
        return math.fsum(abs((predicted - actual) / actual) for predicted, actual in counted) / len(counted)

    def _mae(self) -> float:
        return math.fsum(abs(predicted - actual) for predicted, actual in self.pairs) / len(self.pairs)

    def _rmse(self) -> float:
        return math.sqrt(self._squares() / len(self.pairs))

    def _r2(self) -> float:
        mean = math.fsum(actual for _predicted, actual in self.pairs) / len(self.pairs)
        spread = math.fsum((actual - mean) ** 2 for _predicted, actual in self.pairs)
        if not spread:
            raise NothingMeasured("all actual values are the same, so there is nothing to explain")
        return 1 - self._squares() / spread

    def _squares(self) -> float:
        return math.fsum((predicted - actual) ** 2 for predicted, actual in self.pairs)


def paired(rows: Iterable[tuple[Any, Any]]) -> tuple[Pair, ...]:
    """Rows as numbers; a row that lacks one makes all of them worthless."""
    pairs = []
    for number, row in enumerate(rows, 1):
        if any(value is None or value == "" for value in row):
            raise NothingMeasured(f"row {number} lacks a value")
        pairs.append((measure.finite(row[0]), measure.finite(row[1])))
    if not pairs:
        raise NothingMeasured("there are no predictions")
    return tuple(pairs)


@dataclass(frozen=True, kw_only=True)
class Model(Database, Report):
    """Options, besides those of every report: `path` of a CSV file, or those of `Database` and `query`, one SELECT;
    `predicted` and `actual`, columns (`predicted`, `actual`); `time_column`, whose newest value says when the values
    were made; `floor`: actual values closer to 0 do not count for `mape`.

    Selects: `mape`, a share; `r2`; `mae` and `rmse`, followed by `in UNIT` where they have one, as in `rmse in kW`. The
    samples are the pairs of values that count.
    """

    path: str = ""
    query: str = ""
    host: str = ""
    database: str = ""
    user: str = ""
    predicted: str = "predicted"
    actual: str = "actual"
    time_column: str = ""
    floor: float = 0.0

    selects: ClassVar[Mapping[str, str | None]] = {"mape": "share", "mae": None, "rmse": None, "r2": ""}

    @classmethod
    def check_select(cls, select: str) -> None:
        measure.check_unit(select)
        what, unit = measure.split(select)
        super().check_select(what if unit is None or what in ("mae", "rmse") else select)

    @classmethod
    def unit_of(cls, select: str) -> str | None:
        what, unit = measure.split(select)
        return unit or super().unit_of(what)

    def check_options(self) -> list[str]:
        mistakes = super().check_options() + self.database_mistakes()
        if bool(self.path) == bool(self.query):
            mistakes.append(".path: give either path or query")
        missing = [name for name in ("host", "database", "user") if self.query and not getattr(self, name)]
        return mistakes + [f".{name}: missing" for name in missing]

    @property
    def text(self) -> str:
        return f"{' '.join(self.query.split())} in {self.where}" if self.query else super().text

    def content(self, ask: Ask, world: World) -> tuple[Table, datetime | None]:
        if self.query:
            found = self.rows(self.query, world, ask.deadline)
            return Table(found.columns, found.rows), None
        text, changed = contents(self.path)
        if not text.endswith("\n"):
            raise ReleaseError(f"{self.path} was cut: its last line is not whole")
        reader = csv.DictReader(io.StringIO(text), strict=True)
        return Table(tuple(reader.fieldnames or ()), list(reader)), changed

    def look(self, content: Table, select: str, subject: Subject) -> Finding:
        for name in filter(None, (self.predicted, self.actual, self.time_column)):
            if content.columns.count(name) != 1:
                several = "several columns are called" if name in content.columns else "there is no column"
                raise ReleaseError(f"{several} {name}", remedy=f"take one of {', '.join(content.columns)}")
        pairs = paired((row[self.predicted], row[self.actual]) for row in content.rows)
        accuracy, what = Accuracy(pairs, self.floor), measure.split(select)[0]
        values = [accuracy.value(what)] if select else []
        times = [made_at(row[self.time_column]) for row in content.rows] if self.time_column else []
        made = max(filter(None, times), default=None)
        return Finding(values, len(accuracy.counted(what)), made, evidence={"rows": len(pairs)})
