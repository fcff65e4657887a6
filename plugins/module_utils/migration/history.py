# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The revisions that an image, or a folder, knows: what is pending, what a downgrade undoes. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

BASE = "base"

# <base> -> 1975ea83b712, create orders     ae10 (27c6) -> 53ff (label) (head) (mergepoint), merge
_ALEMBIC = re.compile(
    r"(?:<base>|(?P<parents>[\w, -]+?))(?: \((?P<needs>[^)]*)\))? -> (?P<id>[\w-]+)(?: \([^)]*\))*(?:,.*)?"
)


@dataclass(frozen=True)
class Script:
    """One revision and those it comes right after."""

    id: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """Every known revision, each after its parents."""

    scripts: tuple[Script, ...]

    @classmethod
    def line(cls, ids: Iterable[str]) -> History:
        """Revisions that follow one another."""
        listed = tuple(ids)
        return cls(tuple(Script(one, listed[place - 1 : place] if place else ()) for place, one in enumerate(listed)))

    @classmethod
    def listed(cls, text: str) -> History:
        """What a command prints, a revision a line, the oldest first; what follows the first word is for people."""
        return cls.line(words[0] for line in text.splitlines() if (words := line.split()))

    @classmethod
    def alembic(cls, text: str) -> History:
        """What ``alembic history`` prints, the newest first; lines of logs between them are passed over."""
        found = [_ALEMBIC.fullmatch(line.strip()) for line in text.splitlines()]
        scripts = [
            Script(one["id"], tuple(f"{one['parents'] or ''}, {one['needs'] or ''}".replace(",", " ").split()))
            for one in found
            if one
        ]
        return cls(tuple(reversed(scripts)))

    @cached_property
    def _parents(self) -> dict[str, tuple[str, ...]]:
        return {script.id: script.parents for script in self.scripts}

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._parents)

    @property
    def heads(self) -> tuple[str, ...]:
        """Revisions that nothing comes after."""
        followed = {parent for script in self.scripts for parent in script.parents}
        return tuple(sorted(one for one in self.ids if one not in followed))

    def unknown(self, revisions: Collection[str]) -> list[str]:
        return sorted(set(revisions) - self._parents.keys())

    def pending(self, current: Collection[str], to: str = "") -> tuple[str, ...]:
        """What has to run, in order, to come from ``current`` to ``to`` or to the newest."""
        wanted = self._up_to([to]) if to else set(self.ids)
        return self._in_order(wanted - self._up_to(current))

    def undone(self, current: Collection[str], to: str) -> tuple[str, ...]:
        """What a downgrade from ``current`` to ``to`` takes back, the newest first."""
        kept = self._up_to([to]) if to != BASE else set()
        return self._in_order(self._up_to(current) - kept)[::-1]

    def before(self, revision: str, current: Collection[str]) -> bool:
        """Whether a schema at ``current`` has ``revision``."""
        return revision == BASE or revision in self._up_to(current)

    def _up_to(self, revisions: Collection[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(revisions)
        while waiting:
            one = waiting.pop()
            if one not in found and one in self._parents:
                found.add(one)
                waiting += self._parents[one]
        return found

    def _in_order(self, ids: Collection[str]) -> tuple[str, ...]:
        return tuple(one for one in self.ids if one in ids)


def titles(ids: Sequence[str], most: int = 8) -> str:
    """Revisions in a sentence."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more
