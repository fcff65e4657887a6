# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file on the machine that evaluates."""

from __future__ import annotations

import glob
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...errors import ReleaseError
from .. import select as selecting
from ..expect import ExpectError, NothingMeasured
from ..moments import SKEW
from .base import Ask, Readings, Source, World

_LARGEST = 64 * 1024 * 1024
_TEXT = re.compile(r"/.+/", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class File(Source):
    """Options: `path`; of the files that a pattern such as `/backups/*.dump` names the newest counts.

    Selects: `exists`, true or false; `age`, since it was changed; `size`; `sha256`; or a regular expression between
    slashes in its text, of which the first group counts.
    """

    path: str

    selects: ClassVar[Mapping[str, str | None]] = {"exists": None, "age": "s", "size": "B", "sha256": None}

    @classmethod
    def check_select(cls, select: str) -> None:
        if select not in cls.selects and not _TEXT.fullmatch(select):
            raise ExpectError(
                f"{select!r} is none of {', '.join(cls.selects)}, nor a regular expression between slashes"
            )
        super().check_select(select)

    @property
    def text(self) -> str:
        return f"file {self.path}"

    def read(self, ask: Ask, world: World) -> Readings:
        file = self._newest()
        if ask.select == "exists":
            return Readings([file is not None], 1)
        if file is None:
            raise ReleaseError(f"{self.path} does not exist", remedy="correct path, or see why nothing was written")
        values = self._values(ask.select, file)
        return Readings(values, len(values), {"path": str(file)})

    def _newest(self) -> Path | None:
        named = [Path(name) for name in glob.glob(str(Path(self.path).expanduser()))]
        return max((file for file in named if file.is_file()), key=lambda file: file.stat().st_mtime, default=None)

    def _values(self, select: str, file: Path) -> list[Any]:
        if select == "age":
            age = time.time() - file.stat().st_mtime
            if age < -SKEW:
                raise NothingMeasured(f"{file} was changed {-age:.0f} s in the future, so the clocks differ")
            return [max(0.0, age)]
        if select == "size":
            return [file.stat().st_size]
        if select == "sha256":
            with file.open("rb") as stream:
                return [hashlib.file_digest(stream, "sha256").hexdigest()]
        if file.stat().st_size > _LARGEST:
            raise ReleaseError(f"{file} is larger than {_LARGEST // 1024 // 1024} MiB")
        return selecting.pick(select, file.read_text("utf-8", "replace"))
