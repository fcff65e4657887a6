# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images of a registry may go, and why the others stay. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..errors import Refused
from ..window.inputs import written
from ..window.spans import words

_ABOUT = re.compile(r"sha256-([0-9a-f]{64})(?:\.[a-z]+)?")


@dataclass(frozen=True)
class Image:
    """One manifest with all tags it has. ``created`` is in seconds since the epoch, None where nobody knows it;
    ``parts`` are the digests that a manifest list names.
    """

    digest: str
    tags: tuple[str, ...] = ()
    created: float | None = None
    parts: tuple[str, ...] = ()

    @property
    def subjects(self) -> set[str]:
        """What a signature, an attestation or a list of materials is about, by its tag; nothing of all others."""
        found = [_ABOUT.fullmatch(tag) for tag in self.tags]
        return {f"sha256:{one[1]}" for one in found if one} if all(found) else set()


@dataclass(frozen=True)
class Want:
    """Kept is what ``keep`` matches, the ``newest``, what is not older than ``age`` seconds, and what is ``live``: a
    digest or a tag, with the reason. With ``without_live`` nothing of it has to be among the tags.
    """

    now: float
    age: float
    newest: int
    keep: Sequence[str] = ()
    live: Mapping[str, str] = field(default_factory=dict)
    without_live: bool = False


@dataclass(frozen=True)
class Plan:
    """``kept`` are the tagged images with the reason of each, newest first; ``gone`` all that go, oldest first, a list
    before its parts.
    """

    kept: Sequence[tuple[Image, str]]
    gone: Sequence[Image]

    def report(self) -> dict[str, Any]:
        return {
            "deleted": [_told(one) for one in self.gone],
            "kept": [{**_told(one), "why": why} for one, why in self.kept],
        }

    def diff(self) -> dict[str, str]:
        stays = [(one.digest, _line(one)) for one, _why in self.kept]
        before = sorted([*stays, *((one.digest, _line(one)) for one in self.gone)])
        return {"before": _text(before), "after": _text(sorted(stays))}


def decide(images: Iterable[Image], want: Want) -> Plan:
    """What may go; refused if something would, and nothing that is live was found."""
    have = {one.digest: one for one in images}
    tagged = [one for one in have.values() if one.tags]
    kept = _kept_by_themselves(have, tagged, want)
    if not kept.live and not want.without_live and any(one.digest not in kept.why for one in tagged):
        raise Refused(
            "Nothing that runs or was released is among the tags, so what a way back needs cannot be told",
            where=f"{len(tagged)} images",
            remedy="correct image, namespace, system or environment; or set without_live if nothing of it is live",
        )
    why = _with_what_belongs_to_them(have, tagged, kept.why)
    held = _closure(have, why)
    order = sorted(tagged, key=lambda one: (_age(have, one), one.digest))
    gone: dict[str, Image] = {}
    for one in (one for one in order if one.digest not in why):
        gone[one.digest] = one
        parts = [part for part in _closure(have, [one.digest]) if part in have and part not in held]
        gone.update({part: have[part] for part in parts if part not in gone})
    return Plan([(one, why[one.digest]) for one in reversed(order) if one.digest in why], list(gone.values()))


@dataclass(frozen=True)
class _Kept:
    why: dict[str, str]
    live: bool


def _kept_by_themselves(have: Mapping[str, Image], tagged: Sequence[Image], want: Want) -> _Kept:
    """The reason of each that has one of its own; what is live and has no tag is among them."""
    own = [one for one in tagged if not one.subjects]
    dated = [one for one in own if one.created is not None]
    newest = {one.digest for one in sorted(dated, key=lambda one: one.created or 0.0, reverse=True)[: want.newest]}
    live = {one.digest: reason for one in have.values() if (reason := _live(have, one, want))}
    why = dict(live)
    for one in tagged:
        if one.digest not in why and (reason := _reason(one, want, one.digest in newest)):
            why[one.digest] = reason
    return _Kept(why, any(one.digest in live for one in tagged))


def _live(have: Mapping[str, Image], one: Image, want: Want) -> str:
    names = [*one.tags, *_closure(have, [one.digest])]
    return next((want.live[name] for name in names if name in want.live), "")


def _reason(one: Image, want: Want, newest: bool) -> str:
    for pattern in want.keep:
        if any(fnmatch.fnmatchcase(tag, pattern) for tag in one.tags):
            return f"it matches {pattern}"
    if one.subjects:
        return ""
    if newest:
        return f"it is one of the newest {want.newest}"
    if one.created is None:
        return "nobody knows when it was made"
    return f"it is not older than {words(want.age)}" if want.now - one.created <= want.age else ""


def _with_what_belongs_to_them(
    have: Mapping[str, Image], tagged: Sequence[Image], kept: Mapping[str, str]
) -> dict[str, str]:
    """And what they consist of, and what is about them: more of either may keep more of the other."""
    why = dict(kept)
    while True:
        held = _closure(have, why)
        going = _closure(have, [one.digest for one in tagged if one.digest not in why and not one.subjects])
        left = [one for one in tagged if one.digest not in why]
        parts = {one.digest: "it is a part of what stays" for one in left if one.digest in held}
        about = {
            one.digest: "what it is about stays"
            for one in left
            if one.subjects and any(subject in held or subject not in going for subject in one.subjects)
        }
        if not parts and not about:
            return why
        why = {**why, **about, **parts}


def _closure(have: Mapping[str, Image], digests: Iterable[str]) -> dict[str, None]:
    """These, and all that they consist of, each once and in order."""
    found: dict[str, None] = {}
    waiting = list(digests)
    while waiting:
        digest = waiting.pop(0)
        if digest not in found:
            found[digest] = None
            waiting += have[digest].parts if digest in have else ()
    return found


def _age(have: Mapping[str, Image], one: Image) -> float:
    """When it was made; what is about another image goes with that."""
    subjects = [have[subject].created for subject in one.subjects if subject in have]
    return next((at for at in (*subjects, one.created) if at is not None), 0.0)


def _told(one: Image) -> dict[str, Any]:
    created = written(datetime.fromtimestamp(one.created, UTC)) if one.created is not None else ""
    return {"digest": one.digest, "tags": list(one.tags), "created": created}


def _line(one: Image) -> str:
    return f"{one.digest} {' '.join(one.tags)}".rstrip()


def _text(lines: Sequence[tuple[str, str]]) -> str:
    return "".join(f"{line}\n" for _digest, line in lines)
