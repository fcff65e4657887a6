# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query to a PostgreSQL database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..expect import ExpectError
from .base import Ask, Readings, Source, World
from .database import Database
from .measure import check_unit, split

_SHOWN = 3
ROWS = "rows"


@dataclass(frozen=True, kw_only=True)
class Sql(Database, Source):
    """Options, besides those of `Database`: `query`, one SELECT. It runs in a read-only transaction that is rolled
    back, and the server gives up when the criterion's time is up. At most 10,000 rows.

    Selects: a column of the result, `COLUMN in s` (or another unit) where it has one; or `rows`, how many there are. A
    value of the column is a sample. A result without rows and NULL are `insufficient`. A time without a time zone does
    not say when it was: ask for an age instead, `extract(epoch from now() - max(time)) AS age` and `age in s`.
    """

    query: str

    selects: ClassVar[dict[str, str]] = {ROWS: ""}

    @classmethod
    def check_select(cls, select: str) -> None:
        check_unit(select)

    @classmethod
    def unit_of(cls, select: str) -> str | None:
        return "" if select == ROWS else split(select)[1]

    def check_options(self) -> list[str]:
        return self.database_mistakes()

    @property
    def text(self) -> str:
        return f"{' '.join(self.query.split())} in {self.where}"

    def read(self, ask: Ask, world: World) -> Readings:
        found = self.rows(self.query, world, ask.deadline)
        evidence = {"rows": found.rows[:_SHOWN]}
        if ask.select == ROWS:
            return Readings([len(found.rows)], 1, evidence)
        column = split(ask.select)[0]
        if found.columns.count(column) != 1:
            many = "several columns are called" if column in found.columns else "there is no column"
            raise ExpectError(f"{many} {column}, the result has {', '.join(found.columns)}")
        return Readings([row[column] for row in found.rows], len(found.rows), evidence)
