# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries that each carry the SHA-256 of the one before; the first one that of the release's id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from ..errors import Refused
from .canonical import canonical, digest, parse

SEAL = "sealed"


@dataclass(frozen=True)
class Head:
    """The newest entry of a ledger at some time: whoever keeps it elsewhere can tell later that the tail was cut."""

    number: int
    sha256: str

    def report(self) -> dict[str, Any]:
        return {"number": self.number, "sha256": self.sha256}


def root(release: str) -> Head:
    """What the first entry follows: an entry of another release does not fit."""
    return Head(0, digest({"release": release}))


@dataclass(frozen=True)
class Draft:
    """What happened and who did it, not yet part of a chain."""

    what: str
    before: Any
    after: Any
    who: str
    fence: int

    def following(self, head: Head, when: str) -> Entry:
        record = {**vars(self), "number": head.number + 1, "previous": head.sha256, "when": when}
        return Entry(**record, sha256=digest(record))


@dataclass(frozen=True)
class Entry:
    """One thing that happened, as it is stored."""

    number: int
    what: str
    before: Any
    after: Any
    who: str
    when: str
    fence: int
    previous: str
    sha256: str

    @classmethod
    def parse(cls, text: str) -> Entry:
        """The entry ``text`` says it is; ``ValueError`` if it says nothing of the kind."""
        record = parse(text)
        if not isinstance(record, dict) or record.keys() != {field.name for field in fields(cls)}:
            raise ValueError("not an entry")
        for name in ("number", "fence"):
            if isinstance(record[name], bool) or not isinstance(record[name], int):
                raise ValueError(f"{name} is not a number")
        return cls(**record)

    @property
    def head(self) -> Head:
        return Head(self.number, self.sha256)

    @property
    def text(self) -> str:
        return canonical(self.report()).decode()

    def report(self) -> dict[str, Any]:
        return dict(vars(self))

    def is_sound(self, text: str) -> bool:
        """Whether ``text``, byte for byte, is what its own SHA-256 was made of."""
        record: Mapping[str, Any] = {key: value for key, value in vars(self).items() if key != "sha256"}
        try:
            return self.number > 0 and digest(record) == self.sha256 and self.text == text
        except Refused:
            return False


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
