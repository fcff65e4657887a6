# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds, exactly: rows and a digest of every table, sequences, large objects.

All of it is read in one transaction, so it is what one moment held. A digest does not depend on the order of rows.
Two rows that are equal to PostgreSQL but not the same (1.0 and 1.00 as numeric, A and a as citext) differ here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import sql

Rows = Callable[[str], list[dict[str, Any]]]
"""One SELECT in, its rows out; all calls in one transaction (``Snapshot.rows``)."""


@dataclass(frozen=True)
class Table:
    """``name`` is qualified and quoted as SQL has it; ``digest`` is the sum of the rows' hashes."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Sequence:
    """``last`` is the value it gave last, if ``called``, else the one it gives next."""

    name: str
    last: int
    called: bool
    increment: int

    def lags(self, other: Sequence) -> bool:
        """Whether this one would give a value again that ``other`` has given already."""
        steps = ((one.last + one.increment * one.called) * (1 if other.increment > 0 else -1) for one in (self, other))
        mine, theirs = steps
        return mine < theirs


@dataclass(frozen=True)
class LargeObjects:
    """Number of large objects; the digest covers their content, owner and permissions."""

    count: int
    digest: str


@dataclass(frozen=True)
class Contents:
    """Everything a dump of the data has to bring back."""

    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]
    large_objects: LargeObjects

    def to_dict(self) -> dict[str, Any]:
        """The fields ``tables``, ``sequences`` and ``large_objects`` of a manifest."""
        return {
            "tables": tuple(asdict(table) for table in self.tables),
            "sequences": tuple(asdict(sequence) for sequence in self.sequences),
            "large_objects": asdict(self.large_objects),
        }

    @classmethod
    def of(cls, tables: Any, sequences: Any, large_objects: Mapping[str, Any]) -> Contents:
        return cls(
            tuple(Table(**table) for table in tables),
            tuple(Sequence(**sequence) for sequence in sequences),
            LargeObjects(**large_objects),
        )


def of(rows: Rows, before: tuple[Sequence, ...] | None = None) -> Contents:
    """Read everything; ``ReleaseError`` names what may not be read.

    Sequences do not belong to a snapshot, and a dump reads them late. So read them (``sequences``) before the dump
    starts, and hand them in as ``before``: what is restored may be ahead of that, and never behind.
    """
    raise NotImplementedError


def sequences(rows: Rows) -> tuple[Sequence, ...]:
    """Every sequence as it is now."""
    raise NotImplementedError
