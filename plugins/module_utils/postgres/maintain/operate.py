# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of pg_maintain: what is to be done goes to the file that does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...errors import Refused
from . import indexes, request, sessions, settings, tables, tracking
from .request import Outcome, Request

if TYPE_CHECKING:
    from ...release.journal import Book
    from ..server import Server

_DOING: Mapping[str, Callable[[Server, Request, Book], Outcome]] = {
    request.VACUUM: tables.vacuum,
    request.REINDEX: indexes.reindex,
    request.END_SESSIONS: sessions.end,
    request.SET: settings.change,
    request.TRACK: tracking.turn_on,
}
_ON_A_STANDBY = (request.END_SESSIONS, request.SET)


def operate(server: Server, asked: Request, book: Book) -> Outcome:
    """``book`` records what is changed, and is asked before that whether it still may be."""
    began = time.monotonic()
    if asked.do not in _ON_A_STANDBY and server.rows("select pg_is_in_recovery() as standby")[0]["standby"]:
        raise Refused(
            f"this server is a standby, which takes no {asked.do}", where=server.where, remedy="name the primary server"
        )
    outcome = _DOING[asked.do](server, asked, book)
    outcome.seconds = time.monotonic() - began
    return outcome
