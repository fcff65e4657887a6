# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a stream, told in the stream itself: exit code and SHA-256 from where they were made.

A stream that was cut, or lost or repeated something in its middle, has no trailer or one that does not fit, whatever
the exit code of what carried it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ..errors import ReleaseError
from .server import Sink

MARK = "#runbook.release trailer"
LONGEST = 256
PIECE = 256 << 10
_TRAILER = re.compile(
    rb"\n"
    + MARK.encode()
    + rb"(?=[^\n]* rc=(?P<rc>\d+))(?=[^\n]* tee=(?P<tee>\d+))"
    + rb"(?=[^\n]* sha256=(?P<sha256>[0-9a-f]{64}))[^\n]* #end\n\Z"
)


@dataclass(frozen=True)
class Trailer:
    """What the other end says: of the command ``rc``, of what passed the bytes on ``tee``, and of the bytes."""

    rc: int
    tee: int
    sha256: str


def cut(data: bytes) -> tuple[Trailer | None, bytes]:
    """The trailer at the end of the data, if there is one, and what stands before it."""
    found = _TRAILER.search(data)
    if found is None:
        return None, data
    groups = {name: value.decode() for name, value in found.groupdict().items()}
    told = Trailer(int(groups["rc"]), int(groups["tee"]), groups["sha256"])
    return told, data[: found.start()]


class Count:
    """Number and hash of the bytes that were taken here."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.bytes = 0

    def take(self, data: bytes) -> None:
        self._hash.update(data)
        self.bytes += len(data)

    def fits(self, told: Trailer | None) -> bool:
        """Whether these are the bytes that were sent, all passed on."""
        return told is not None and not told.tee and told.sha256 == self._hash.hexdigest()


class Tail:
    """Passes a stream on to a sink, all but what may be its trailer; ``count`` is of what was passed on.

    What comes in many small frames goes on in few pieces.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held = bytearray()
        self.count = Count()

    def take(self, data: bytes) -> None:
        self._held += data
        if len(self._held) >= PIECE:
            self._pass(bytes(self._held[:-LONGEST]))
            del self._held[:-LONGEST]

    def _pass(self, data: bytes) -> None:
        self.count.take(data)
        self._sink(data)

    def end(self) -> Trailer | None:
        """The trailer, or None if the stream has none. What was held back is passed on before."""
        told, before = cut(bytes(self._held))
        if before:
            self._pass(before)
        return told


def truncated(doing: str, where: str, arrived: int, told: Trailer | None, outcome: str) -> ReleaseError:
    """The error for a stream that is not what was sent."""
    lost = (
        f"the stream ended after {arrived} bytes without its trailer"
        if told is None
        else f"the {arrived} bytes that arrived are other bytes than were sent"
    )
    return ReleaseError(
        f"{doing} failed: {lost}, while the connection says: {outcome}",
        where=where,
        remedy="run again; if it happens again, the way through the API server loses data: use server.mode tcp",
        code="truncated",
        bytes=arrived,
    )
