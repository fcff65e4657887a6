# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a chain is what was once written: every altered, missing, reordered, repeated or cut entry, by its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .chain import Entry, Head, root


@dataclass(frozen=True)
class Finding:
    """What is wrong with the entries from ``number`` to ``until``."""

    kind: str
    number: int
    until: int
    sentence: str

    def report(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Seen:
    """A stored entry in its place; ``entry`` is None if it is not sound, and its number then that of its place."""

    number: int
    entry: Entry | None


def verify(release: str, texts: Sequence[str], pins: Sequence[Head] = ()) -> list[Finding]:
    """What is wrong with entries stored in this order. A cut tail shows only against a pin, a head kept elsewhere."""
    seen = list(_seen(texts))
    sound = {one.number: one.entry for one in reversed(seen) if one.entry}
    found = {
        (finding.kind, finding.number): finding
        for finding in (
            *_altered(seen),
            *_missing(seen, pins),
            *_reordered(seen),
            *_broken_links(release, sound),
            *_unlike_pins(sound, pins),
        )
    }
    return sorted(found.values(), key=lambda finding: finding.number)


def _seen(texts: Sequence[str]) -> Iterator[Seen]:
    last = 0
    for text in texts:
        entry = _sound(text)
        last = entry.number if entry else last + 1
        yield Seen(last, entry)


def _sound(text: str) -> Entry | None:
    try:
        entry = Entry.parse(text)
    except ValueError:
        return None
    return entry if entry.is_sound(text) else None


def _altered(seen: Sequence[Seen]) -> Iterator[Finding]:
    for one in seen:
        if not one.entry:
            yield _one("altered", one.number, "is altered: it is not what its SHA-256 was made of")


def _missing(seen: Sequence[Seen], pins: Sequence[Head]) -> Iterator[Finding]:
    numbers = sorted({one.number for one in seen})
    for before, after in pairwise([0, *numbers]):
        if after > before + 1:
            yield _span("missing", before + 1, after - 1, "missing")
    last, pinned = max(numbers, default=0), max((pin.number for pin in pins), default=0)
    if pinned > last:
        yield _span("cut", last + 1, pinned, f"cut off: the ledger once had {pinned}")
    elif not last:
        yield _one("missing", 1, "is missing: there is none at all")


def _reordered(seen: Sequence[Seen]) -> Iterator[Finding]:
    stored = [one.number for one in seen]
    for number, expected in zip(stored, sorted(stored), strict=True):
        if number != expected:
            yield _one("reordered", number, "is reordered: it is not where its number belongs")
    for number, following in pairwise(sorted(stored)):
        if number == following:
            yield _one("repeated", number, "is repeated: more than one has this number")


def _broken_links(release: str, sound: dict[int, Entry]) -> Iterator[Finding]:
    for number, entry in sound.items():
        if number == 1 and entry.previous != root(release).sha256:
            yield _one("altered", 1, f"is altered: it does not begin the ledger of release {release}")
        elif number - 1 in sound and entry.previous != sound[number - 1].sha256:
            yield _one("altered", number - 1, f"is altered: entry {number} does not follow it but another one")


def _unlike_pins(sound: dict[int, Entry], pins: Sequence[Head]) -> Iterator[Finding]:
    for pin in pins:
        if pin.number in sound and sound[pin.number].sha256 != pin.sha256:
            yield _one("altered", pin.number, "is altered: another one was pinned")


def _one(kind: str, number: int, what: str) -> Finding:
    return Finding(kind, number, number, f"entry {number} {what}")


def _span(kind: str, first: int, last: int, what: str) -> Finding:
    subject = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    return Finding(kind, first, last, f"{subject} {what}")
