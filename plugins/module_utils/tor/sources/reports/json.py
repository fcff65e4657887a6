# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A JSON document that some tool wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ... import select as selecting
from ...expect import NothingMeasured
from ...subject import Subject
from ..measure import Measured, split
from .base import Finding, Report, made_at


@dataclass(frozen=True, kw_only=True)
class Json(Report, Measured):
    """Options, besides those of every report: `time_key` and `version_key`, where the document says when and for which
    version it was made; `provided`, a JMESPath expression that has to be true for the document to say anything, such as
    `status == 'FINISHED'`.

    Selects: a dotted key or JMESPath, followed by `in UNIT` where a number has one.
    """

    time_key: str = ""
    version_key: str = ""
    provided: str = ""

    selects: ClassVar[Mapping[str, str | None]] = {}
    selects_freely: ClassVar[bool] = True

    def look(self, content: str, select: str, subject: Subject) -> Finding:
        found = json.loads(content)
        if self.provided and selecting.pick_from(self.provided, found) != [True]:
            raise NothingMeasured(f"{self.provided} is not true of it")
        made = self._at(self.time_key, found)
        values = selecting.pick_from(split(select)[0], found) if select else []
        return Finding(values, len(values), made_at(made), self._all(self.version_key, found))

    def _at(self, key: str, found: Any) -> str:
        return str(self._all(key, found)[0]) if key else ""

    def _all(self, key: str, found: Any) -> list[str]:
        if not key:
            return []
        values = selecting.pick_from(key, found)
        if not values:
            raise NothingMeasured(f"it has no {key}")
        return [str(value) for value in values]
