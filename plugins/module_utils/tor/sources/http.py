# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A URL, asked on a new connection each time; redirects are answers and are not followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...web import get, without_secrets
from .answers import SELECTS, Answer, sample
from .base import Ask, Readings, Source, World


@dataclass(frozen=True)
class Http(Source):
    url: str
    address: str = ""
    ca_cert: str = ""

    selects: ClassVar[dict[str, str]] = SELECTS

    @property
    def text(self) -> str:
        at = f" at {self.address}" if self.address else ""
        return f"GET {without_secrets(self.url)}{at}"

    def read(self, ask: Ask, world: World) -> Readings:
        def request(seconds: float) -> Answer:
            return Answer(*get(self.url, self.address, self.ca_cert, timeout=seconds))

        return sample(request, ask)
