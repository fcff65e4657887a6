# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys bit by bit: SCAN for some, UNLINK of those before, in one go and over again, so that memory stays flat."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ReleaseError
from ..release.journal import Book
from .base import Answer, Cache, Command
from .queues import queue_of

BATCH = 1000
_BEGIN = b"0"


@dataclass
class Swept:
    """How far it came: keys that match and were to be removed, those removed, and those of queues that were kept."""

    seen: int = 0
    removed: int = 0
    kept: int = 0
    owners: set[str] = field(default_factory=set)

    def mine(self, keys: list[bytes], queues: bool) -> list[bytes]:
        """Those that are to be removed."""
        due = []
        for key in keys:
            owner = "" if queues else queue_of(key)
            if owner:
                self.kept += 1
                self.owners.add(owner)
            else:
                due.append(key)
        self.seen += len(due)
        return due


def sweep(cache: Cache, pattern: str, swept: Swept, book: Book, *, queues: bool, remove: bool) -> None:
    """Count in ``swept`` what matches, and remove it."""
    due: list[bytes] = []
    cursor: bytes | None = _BEGIN
    while cursor is not None or due:
        book.check()
        commands: list[Command] = [("UNLINK", *due)] if due else []
        if cursor is not None:
            commands.append(_scan(cursor, pattern))
        answers = cache.checked(commands)
        if due:
            swept.removed += _number(answers[0])
        if cursor is None:
            return
        cursor, keys = _page(answers[-1])
        found = swept.mine(keys, queues)
        due = found if remove else []


def first_queues(cache: Cache, book: Book) -> list[str]:
    """Whose queues the database has, as far as the first keys that look like one tell."""
    cursor: bytes | None = _BEGIN
    while cursor is not None:
        book.check()
        cursor, keys = _page(cache.checked([_scan(cursor, "*")])[0])
        owners = sorted({owner for key in keys if (owner := queue_of(key))})
        if owners:
            return owners
    return []


def _scan(cursor: bytes, pattern: str) -> Command:
    return ("SCAN", cursor, "MATCH", pattern, "COUNT", str(BATCH))


def _page(answer: Answer) -> tuple[bytes | None, list[bytes]]:
    """The cursor to go on with, None at the end, and the keys; both ways of a server to nest them."""
    flat: list[Answer] = []
    for part in answer if isinstance(answer, list) else [answer]:
        flat += part if isinstance(part, list) else [part]
    if not flat or not all(isinstance(part, bytes) for part in flat):
        raise ReleaseError(f"the answer to SCAN is none: {str(answer)[:100]}", remedy="see whether this is a Redis")
    cursor, *keys = [part for part in flat if isinstance(part, bytes)]
    return (None if cursor == _BEGIN else cursor), keys


def _number(answer: Answer) -> int:
    return answer if isinstance(answer, int) else 0
