# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all reports have in common: a file that a tool wrote, about something, at some time."""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ....errors import ReleaseError
from ...expect import ExpectError, NothingMeasured
from ...moments import moment
from ...subject import Subject
from ..base import Ask, Readings, Source, World

LARGEST = 64 * 1024 * 1024

_AGE = "age"


@dataclass(frozen=True)
class Finding:
    """What a report says: the values, how many observations they stand for, and what it is about.

    `made` is None if the report does not say when it was made, and may have no time zone. `versions` and `digests` are
    empty if it does not say what of.
    """

    values: Sequence[Any]
    samples: int
    made: datetime | None = None
    versions: Sequence[str] = ()
    digests: Sequence[str] = ()
    evidence: Any = None


@dataclass(frozen=True, kw_only=True)
class Report(Source):
    """Options of every report: `path` of the file; `component` of the release whose images it is on; `newer_than`,
    `version` and `digest` say what it has to be about, in place of the module's `subject`; `time_zone` of a report
    whose time has none, such as `Asia/Bangkok`; `trust_file_time` takes the time of a file that does not say itself
    when it was made. Select of every report: `age`.
    """

    path: str
    component: str = ""
    newer_than: str = ""
    version: str = ""
    digest: str = ""
    time_zone: str = ""
    trust_file_time: bool = False

    selects: ClassVar[Mapping[str, str | None]] = {}
    selects_freely: ClassVar[bool] = False

    @classmethod
    def check_select(cls, select: str) -> None:
        if select != _AGE:
            super().check_select(select)

    @classmethod
    def unit_of(cls, select: str) -> str | None:
        return "s" if select == _AGE else super().unit_of(select)

    def check_options(self) -> list[str]:
        mistakes = []
        try:
            if self.newer_than:
                moment(self.newer_than)
        except ValueError as exc:
            mistakes.append(f".newer_than: {exc}")
        try:
            if self.time_zone:
                ZoneInfo(self.time_zone)
        except (ValueError, ZoneInfoNotFoundError):
            mistakes.append(f".time_zone: {self.time_zone!r} is not a time zone; write for example Europe/Berlin")
        return mistakes

    @property
    def text(self) -> str:
        return f"{type(self).__name__.lower()} report {self.path}"

    def read(self, ask: Ask, world: World) -> Readings:
        own = Subject(self.version, self.digest, self.newer_than)
        subject = own.over(world.subject if self.digest else world.subject.of(self.component))
        content, changed = self.content(ask, world)
        try:
            found = self.look(content, "" if ask.select == _AGE else ask.select, subject)
        except (ExpectError, NothingMeasured):
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
            why = f"{type(exc).__name__} {exc}"
            raise ReleaseError(f"{self.text} is not whole, or something else: {why}") from exc
        made = self._made(found.made, changed)
        if made:
            subject.check_time(made, time.time())
        elif subject.newer_than or ask.select == _AGE:
            raise NothingMeasured(_undated(found.made))
        subject.named_by(found.versions, found.digests).over(own).check_what(found.versions, found.digests)
        values = [time.time() - made.timestamp()] if made and ask.select == _AGE else found.values
        return Readings(values, found.samples, found.evidence)

    def _made(self, said: datetime | None, changed: datetime | None) -> datetime | None:
        """When the report was made, if that is certain."""
        if said and said.tzinfo:
            return said
        if said and self.time_zone:
            return said.replace(tzinfo=ZoneInfo(self.time_zone))
        return changed if self.trust_file_time else None

    def content(self, ask: Ask, world: World) -> tuple[Any, datetime | None]:
        """What `look` looks at, and when the file was changed."""
        return contents(self.path)

    @abstractmethod
    def look(self, content: Any, select: str, subject: Subject) -> Finding:
        """What the text says; `select` is empty when only the age matters. Any error of Python's means: not whole."""


def _undated(said: datetime | None) -> str:
    if said:
        return f"the report is from {said}, but its time has no time zone; set time_zone"
    return "the report does not say when it was made; set trust_file_time if the time of the file is right"


def contents(path: str) -> tuple[str, datetime]:
    """The text of a file and when it was last changed."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise ReleaseError(f"{path} does not exist", remedy="run the tool that writes it, or correct path")
    status = file.stat()
    if status.st_size > LARGEST:
        raise ReleaseError(f"{path} is larger than {LARGEST // 1024 // 1024} MiB")
    try:
        return file.read_bytes().decode("utf-8-sig"), datetime.fromtimestamp(status.st_mtime, UTC)
    except UnicodeDecodeError as exc:
        raise ReleaseError(f"{path} is not text in UTF-8") from exc


def document(text: str) -> dict[str, Any]:
    """A JSON object."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def tree(text: str) -> ElementTree.Element:
    """An XML document; entities, by which a small file becomes a large one, are refused."""
    if "<!ENTITY" in text:
        raise ValueError("it declares entities")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as exc:
        raise ValueError(f"not XML, {exc}") from exc


def made_at(text: str | None) -> datetime | None:
    """A time that a report says; it may have no time zone."""
    return moment(str(text), zone=False) if text else None
