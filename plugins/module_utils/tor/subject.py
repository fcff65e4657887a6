# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report has to be about: this version, this image, and nothing older than it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .expect import NothingMeasured
from .moments import SKEW, moment, shown


@dataclass(frozen=True)
class Subject:
    """Empty is whatever there is; `newer_than` is a time, usually when the image was built."""

    version: str = ""
    digest: str = ""
    newer_than: str = ""

    def over(self, other: Subject) -> Subject:
        """This one, and what it leaves open from the other one."""
        return Subject(self.version or other.version, self.digest or other.digest, self.newer_than or other.newer_than)

    def check_time(self, made: datetime | None, now: float) -> None:
        """Refuse a report from before, from the future, or of no known time when that matters."""
        if made is not None and made.timestamp() > now + SKEW:
            raise NothingMeasured(f"the report is from {shown(made)}, which is in the future, so the clocks differ")
        if not self.newer_than:
            return
        since = moment(self.newer_than, zone=False)
        if made is None:
            raise NothingMeasured(
                "the report does not say when it was made; set trust_file_time if the time of the file is right"
            )
        if made < since:
            raise NothingMeasured(
                f"the report is stale: it is from {shown(made)}, and has to be from after {shown(since)}"
            )

    def check_version(self, made_for: Iterable[str]) -> None:
        _same("version", self.version, made_for)

    def check_digest(self, made_for: Iterable[str]) -> None:
        _same("digest", self.digest, made_for)


def _same(what: str, wanted: str, found: Iterable[str]) -> None:
    if not wanted:
        return
    named = [name for name in found if name]
    if not named:
        raise NothingMeasured(f"the report does not say which {what} it was made for")
    if wanted not in named:
        raise NothingMeasured(f"the report was made for {what} {', '.join(named[:3])}, not for {wanted}")
