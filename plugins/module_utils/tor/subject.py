# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report has to be about: this version, this image, and nothing older than it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import ReleaseError
from .expect import NothingMeasured
from .moments import SKEW, moment, shown


@dataclass(frozen=True)
class Subject:
    """Empty is whatever there is; `newer_than` is a time, usually when the image was built."""

    version: str = ""
    digest: str = ""
    newer_than: str = ""

    def checked(self) -> Subject:
        """This one, if its time can be read."""
        try:
            if self.newer_than:
                moment(self.newer_than)
        except ValueError as exc:
            raise ReleaseError(str(exc), where="subject.newer_than", remedy="give when the image was built") from exc
        return self

    def over(self, other: Subject) -> Subject:
        """This one, and what it leaves open from the other one."""
        return Subject(self.version or other.version, self.digest or other.digest, self.newer_than or other.newer_than)

    def named_by(self, versions: Sequence[str], digests: Sequence[str]) -> Subject:
        """Only what a report that names these things can be held to."""
        return Subject(self.version if versions else "", self.digest if digests else "", self.newer_than)

    def check_time(self, made: datetime, now: float) -> None:
        """Refuse a report from before, or from the future."""
        if made.timestamp() > now + SKEW:
            raise NothingMeasured(f"the report is from {shown(made)}, which is in the future, so the clocks differ")
        if self.newer_than and made < moment(self.newer_than):
            since = shown(moment(self.newer_than))
            raise NothingMeasured(f"the report is stale: it is from {shown(made)}, and has to be from after {since}")

    def check_what(self, versions: Sequence[str], digests: Sequence[str]) -> None:
        """Refuse a report about something else."""
        _same("version", self.version, versions)
        _same("digest", self.digest.rpartition("@")[2], digests)


def _same(what: str, wanted: str, found: Sequence[str]) -> None:
    if wanted and wanted not in found:
        named = f"was made for {what} {', '.join(found[:3])}" if found else f"does not say for which {what} it was made"
        raise NothingMeasured(f"the report {named}, and has to be for {wanted}")
