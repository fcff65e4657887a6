# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of contents of an archive of pg_dump: what is in it, without any program of PostgreSQL.

The layout is that of PostgreSQL's ``pg_backup_archiver.c``: custom format (``PGDMP`` files) and ``toc.dat`` of folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import ReleaseError

MAGIC = b"PGDMP"
OLDEST, NEWEST = (1, 14), (1, 16)
_CUSTOM = 1
_NUMBERS_OF_A_TIME = 7


@dataclass(frozen=True)
class Entry:
    """One object: ``kind`` and ``tag`` as ``pg_restore --list`` shows them, ``text`` the statements that make it."""

    kind: str
    tag: str
    schema: str
    owner: str
    text: str


@dataclass(frozen=True)
class Contents:
    """``version`` of the layout; ``database`` that was dumped; versions of the ``server`` and the ``client``."""

    version: tuple[int, int]
    database: str
    server: str
    client: str
    entries: tuple[Entry, ...]


def contents(pieces: Iterable[bytes]) -> Contents:
    """Read as few ``pieces`` of an archive as it takes; ``ReleaseError`` if it is none, or ends too early."""
    stream = _Stream(pieces)
    if stream.take(len(MAGIC)) != MAGIC:
        raise ReleaseError("this is no archive of pg_dump: it does not begin with PGDMP", remedy="use another backup")
    version = (stream.byte(), stream.byte())
    stream.byte()
    if not OLDEST <= version <= NEWEST:
        raise ReleaseError(
            f"the archive has layout {version[0]}.{version[1]}, which is not known here",
            remedy="make the backup with a PostgreSQL from 12 to 18",
        )
    stream.integers, stream.offsets = stream.byte(), stream.byte()
    custom = stream.byte() == _CUSTOM
    _skip_head(stream, version)
    database, server, client = (stream.text() for _dummy in range(3))
    entries = tuple(_entries(stream, version, custom))
    return Contents(version, database, server, client, entries)


class _Stream:
    """Numbers and texts as the archiver writes them; sizes in bytes are stated in the head."""

    integers = 4
    offsets = 8

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()

    def take(self, count: int) -> bytes:
        while len(self._held) < count:
            piece = next(self._pieces, None)
            if piece is None:
                raise ReleaseError(
                    "the archive ends within its table of contents: it was cut off", remedy="use another backup"
                )
            self._held += piece
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        negative = self.byte()
        value = int.from_bytes(self.take(self.integers), "little")
        return -value if negative else value

    def optional(self) -> str | None:
        length = self.number()
        return None if length < 0 else self.take(length).decode(errors="backslashreplace")

    def text(self) -> str:
        return self.optional() or ""

    def skip_offset(self) -> None:
        self.take(1 + self.offsets)


def _skip_head(stream: _Stream, version: tuple[int, int]) -> None:
    if version >= (1, 15):
        stream.byte()
    else:
        stream.number()
    for _dummy in range(_NUMBERS_OF_A_TIME):
        stream.number()


def _entries(stream: _Stream, version: tuple[int, int], custom: bool) -> Iterator[Entry]:
    for _dummy in range(stream.number()):
        stream.number(), stream.number(), stream.text(), stream.text()  # its number, whether it has data, two oids
        tag, kind = stream.text(), stream.text()
        stream.number()  # section
        text, _drop, _copy = stream.text(), stream.text(), stream.text()
        schema, _tablespace, access = stream.text(), stream.text(), stream.text()
        if version >= (1, 16):
            stream.number()  # kind of relation
        owner, _with_oids = stream.text(), stream.text()
        while stream.optional() is not None:
            pass  # the numbers of those it depends on
        if custom:
            stream.skip_offset()
        else:
            stream.text()
        yield Entry(kind, tag, schema, owner, f"{text}-- access method {access}\n" if access else text)
