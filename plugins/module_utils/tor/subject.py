# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report has to be about: this version, an image of this release, and nothing older than it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..errors import ReleaseError
from .expect import NothingMeasured
from .moments import SKEW, moment, shown

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PINNED = re.compile(rf"@({_DIGEST.pattern})")


@dataclass(frozen=True)
class Subject:
    """Empty is whatever there is; `newer_than` is a time, usually when the images were built.

    `digest` is that of the one image that counts; otherwise one of `images` does, the digests by component.
    """

    version: str = ""
    digest: str = ""
    newer_than: str = ""
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def checked(self) -> Subject:
        """This one, if its time and its images can be read."""
        try:
            if self.newer_than:
                moment(self.newer_than)
        except ValueError as exc:
            raise ReleaseError(str(exc), where="subject.newer_than", remedy="give when the image was built") from exc
        for component, digests in self.images.items():
            if not isinstance(digests, list | tuple) or not all(_DIGEST.fullmatch(str(digest)) for digest in digests):
                remedy = "give for each component a list of digests, as in sha256:4f3b"
                raise ReleaseError(
                    f"{digests!r} is no list of digests", where=f"subject.images.{component}", remedy=remedy
                )
        return self

    @property
    def digests(self) -> list[str]:
        if self.digest:
            return [self.digest.rpartition("@")[2]]
        return list(dict.fromkeys(digest for digests in self.images.values() for digest in digests))

    def of(self, component: str) -> Subject:
        """What is left of it for a report on this component alone."""
        if not component or self.digest:
            return self
        if not self.images.get(component):
            raise NothingMeasured(
                f"it is not known with which image {component} is released; pin it by its digest, or set digest"
            )
        return replace(self, images={component: self.images[component]})

    def over(self, other: Subject) -> Subject:
        """This one, and what it leaves open from the other one."""
        images = self.images if self.digest or self.images else other.images
        newer_than = self.newer_than or other.newer_than
        return Subject(self.version or other.version, self.digest or other.digest, newer_than, images)

    def named_by(self, versions: Sequence[str], digests: Sequence[str]) -> Subject:
        """Only what a report that names these things can be held to."""
        named = self if digests else replace(self, digest="", images={})
        return named if versions else replace(named, version="")

    def check_time(self, made: datetime, now: float) -> None:
        """Refuse a report from before, or from the future."""
        if made.timestamp() > now + SKEW:
            raise NothingMeasured(f"the report is from {shown(made)}, which is in the future, so the clocks differ")
        if self.newer_than and made < moment(self.newer_than):
            since = shown(moment(self.newer_than))
            raise NothingMeasured(f"the report is stale: it is from {shown(made)}, and has to be from after {since}")

    def check_what(self, versions: Sequence[str], digests: Sequence[str]) -> None:
        """Refuse a report about something else."""
        _same("version", [self.version] if self.version else [], versions)
        _same("digest", self.digests, digests)


def subject_of(
    version: str, components: Sequence[Mapping[str, Any]], staged: Mapping[str, Mapping[str, Any]], built: str = ""
) -> dict[str, Any]:
    """The option `subject` for a release; `staged` is what helm_bluegreen returned for each component."""
    images: dict[str, list[str]] = {}
    for component in components:
        shown = [str(diff.get("after", "")) for diff in staged.get(component["name"], {}).get("diff") or []]
        found = [*_DIGEST.findall(_text_of(component.get("source"))), *_PINNED.findall("\n".join(shown))]
        if found:
            images[component["name"]] = list(dict.fromkeys(found))
    return {name: value for name, value in (("version", version), ("newer_than", built), ("images", images)) if value}


def _text_of(source: Any) -> str:
    return "\n".join(_texts(source))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    else:
        yield str(value)


def _same(what: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    if wanted and not set(wanted) & set(found):
        named = f"was made for {what} {', '.join(found[:3])}" if found else f"does not say for which {what} it was made"
        raise NothingMeasured(f"the report {named}, and has to be for {' or '.join(wanted[:3])}")
