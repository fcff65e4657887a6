# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before asking again."""

from __future__ import annotations

import random
import time
import typing as t
from dataclasses import dataclass

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0


@dataclass(frozen=True)
class Pacing:
    """Clock, sleep and chance, replaced together in tests."""

    clock: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep
    chance: t.Callable[[], float] = random.random


def delay(attempt: int, chance: float, retry_after: float = 0.0) -> float:
    """Seconds to wait after failed ``attempt`` 0, 1, …: exponential, jittered, never less than the server asked."""
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt, 30))
    return max(ceiling * (0.5 + chance / 2), retry_after)


class Backoff:
    """The waits of one request; ``wait`` is False as soon as the next wait would pass the deadline."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._begun = pacing.clock()
        self.attempts = 0

    def wait(self, patience: float, retry_after: float = 0.0) -> bool:
        """Sleep before the next attempt, or say that ``patience`` seconds since the first one do not allow for it."""
        seconds = delay(self.attempts, self._pacing.chance(), retry_after)
        if self._pacing.clock() + seconds > self._begun + patience:
            return False
        self._pacing.sleep(seconds)
        self.attempts += 1
        return True
