# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""How far a long migration is, by what it writes into a table of its own; one that stands still is found out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import NotReady

PERIOD = 5.0


@dataclass
class Progress:
    """``read`` runs the query; ``stall`` is for how many seconds its answer may stay the same, 0 for ever."""

    read: Callable[[], list[dict[str, Any]]]
    stall: float
    clock: Callable[[], float] = time.monotonic
    last: list[dict[str, Any]] = field(default_factory=list)
    _asked: float | None = None
    _moved: float = 0.0

    def look(self) -> None:
        """Ask, at most every few seconds; ``NotReady`` once nothing has moved for too long."""
        now = self.clock()
        if self._asked is not None and now - self._asked < PERIOD:
            return
        found = self.read()
        if self._asked is None or found != self.last:
            self._moved = now
        self._asked, self.last = now, found
        if self.stall and now - self._moved >= self.stall:
            raise NotReady(
                f"The migration has made no progress for {now - self._moved:.0f} s: {json.dumps(found)}",
                remedy="look at what it waits for, and run this again, which reads the revision first; a Job of it that"
                " still runs is waited for",
            )
