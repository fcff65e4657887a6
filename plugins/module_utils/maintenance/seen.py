# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What users see: whether new connections get the maintenance page, or the application again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import NotReady, ReleaseError
from ..web import Call, send, without_secrets

IN_A_ROW = 5
PAUSE = 0.1
LONGEST = 5.0


@dataclass(frozen=True)
class Seen:
    """Where users ask, and what stands in the page but not in the application (a regular expression)."""

    call: Call
    shows: str

    def shown(self) -> bool:
        """Whether one new connection gets the page; a request nobody answers does not."""
        try:
            _status, _headers, body = send(self.call, timeout=LONGEST)
        except ReleaseError:
            return False
        return re.search(self.shows, body.decode("utf-8", "replace")) is not None


def prove(seen: Seen, page: bool, seconds: float, check: Callable[[], None]) -> None:
    """Return once several new connections in a row got the page, or did not any more."""
    deadline, in_a_row = time.monotonic() + seconds, 0
    while in_a_row < IN_A_ROW:
        check()
        in_a_row = in_a_row + 1 if seen.shown() is page else 0
        if time.monotonic() > deadline:
            break
        if not in_a_row:
            time.sleep(PAUSE)
    if in_a_row < IN_A_ROW:
        see = "the application" if page else "the maintenance page"
        raise NotReady(
            f"The entry is changed, and after {seconds:g} s users of {without_secrets(seen.call.url)} still see {see}",
            remedy="look at what routes to the entry, and run this again",
        )
