# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and answers as ``redis-cli --csv`` has them: a line each, whatever bytes are in a key. Pure."""

from __future__ import annotations

import re

from ..errors import ReleaseError
from .base import Answer, Command, Failure, Word

_PART = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^",\n]*)', re.DOTALL)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_PLAIN = frozenset(range(32, 127)) - set(b'"\\')


def line_of(command: Command) -> bytes:
    """One line of input."""
    return b" ".join(map(_quoted, command)) + b"\n"


def answer_of(line: bytes) -> Answer:
    """One line of output, without its end; nested lists come as one."""
    parts: list[bytes | int | None] = []
    place = 0
    while place < len(line):
        found = _PART.match(line, place)
        if found is None or not found[0]:
            raise _foreign(line)
        parts.append(_part(found, line))
        place = found.end()
        if line[place : place + 1] not in (b",", b""):
            raise _foreign(line)
        place += 1
    if parts and parts[0] == b"ERROR" and not line.startswith(b'"'):
        return Failure(b" ".join(part for part in parts[1:] if isinstance(part, bytes)).decode("utf-8", "replace"))
    return parts[0] if len(parts) == 1 else list(parts)


def _part(found: re.Match[bytes], line: bytes) -> bytes | int | None:
    if found[1] is not None:
        return _ESCAPE.sub(_letter, found[1])
    word = found[2]
    if word == b"NULL":
        return None
    if word.lstrip(b"-").isdigit():
        return int(word)
    if word == b"ERROR":
        return word
    raise _foreign(line)


def _letter(found: re.Match[bytes]) -> bytes:
    letter = found[1]
    if len(letter) > 1:
        return bytes([int(letter[1:], 16)])
    return _LETTERS.get(letter, letter)


def _quoted(word: Word) -> bytes:
    raw = word.encode() if isinstance(word, str) else word
    return b'"' + b"".join(b"%c" % byte if byte in _PLAIN else b"\\x%02x" % byte for byte in raw) + b'"'


def _foreign(line: bytes) -> ReleaseError:
    said = line[:200].decode("utf-8", "replace")
    return ReleaseError(f"redis-cli says: {said}", remedy="see its words; it has to be of version 4 or newer")
