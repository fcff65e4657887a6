# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of `requests.log` as columns, in parts: fast to read, and no log is too long for the memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import ReleaseError

LOG_FILE = "requests.log"
STREAM = "stream"

_COLUMNS = 6
_DISORDER_MS = 1000
_PART = 8 * 1024 * 1024


@dataclass(frozen=True)
class Columns:
    """Some lines of the log, column by column."""

    starts: Sequence[int] = ()
    ends: Sequence[int] = ()
    shapes: Sequence[bytes] = ()
    sequences: Sequence[int] = ()
    outcomes: Sequence[bytes] = ()
    versions: Sequence[bytes] = ()

    def window(self, since_ms: float, until_ms: float) -> Columns:
        """The requests that began in the window; streams that also ended in it, as the stop cuts the last one."""
        if not self.starts or (min(self.starts) >= since_ms and max(self.ends) < until_ms):
            return self
        stream = STREAM.encode()
        chosen = [
            index
            for index, (start, end, shape) in enumerate(zip(self.starts, self.ends, self.shapes, strict=True))
            if since_ms <= start < until_ms and (shape != stream or end < until_ms)
        ]
        return Columns(
            [self.starts[i] for i in chosen],
            [self.ends[i] for i in chosen],
            [self.shapes[i] for i in chosen],
            [self.sequences[i] for i in chosen],
            [self.outcomes[i] for i in chosen],
            [self.versions[i] for i in chosen],
        )


def read_parts(path: str | Path, since_ms: float = 0.0) -> Iterator[Columns]:
    """All complete lines; with `since_ms` the end of the log that has all requests begun since, and some more."""
    file = Path(path) / LOG_FILE
    try:
        with file.open("rb") as log:
            if since_ms > 0:
                log.seek(_offset_of(log, since_ms - _DISORDER_MS))
            begun = b""
            while part := log.read(_PART):
                complete, newline, begun = (begun + part).rpartition(b"\n")
                yield _parse(complete + newline)
    except FileNotFoundError:
        return
    except ValueError as exc:
        raise ReleaseError(
            f"The log is damaged: {exc}", where=str(file), remedy="stop this witness and start a new one"
        ) from exc


def complete_before(parts: Sequence[Columns], moment_ms: float, shape: str) -> bool:
    """Whether every request of `shape` sent before the moment has ended: one sent later shows which those are."""
    later = _sequences(parts, shape, moment_ms)
    if not later:
        return False
    earlier = [number for number in _sequences(parts, shape) if number < min(later)]
    return not earlier or min(later) - min(earlier) == len(earlier)


def _sequences(parts: Sequence[Columns], shape: str, since_ms: float = -math.inf) -> list[int]:
    wanted = shape.encode()
    return [
        number
        for part in parts
        for number, own, start in zip(part.sequences, part.shapes, part.starts, strict=True)
        if own == wanted and start >= since_ms
    ]


def _parse(data: bytes) -> Columns:
    words = data.split()
    if len(words) != _COLUMNS * data.count(b"\n"):
        raise ValueError(f"a line does not have {_COLUMNS} columns")
    starts, ends, shapes, sequences, outcomes, versions = (words[place::_COLUMNS] for place in range(_COLUMNS))
    return Columns(list(map(int, starts)), list(map(int, ends)), shapes, list(map(int, sequences)), outcomes, versions)


def _offset_of(log: BinaryIO, end_ms: float) -> int:
    """Where the first line begins that ended at `end_ms` or later: lines are written as requests end."""
    low, high = 0, log.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        log.seek(max(middle - 1, 0))
        if middle:
            log.readline()
        line_at = log.tell()
        line = log.readline()
        words = line.split(maxsplit=2)
        if line_at >= high or len(words) < _COLUMNS // 2 or int(words[1]) >= end_ms:
            high = middle
        else:
            low = line_at + len(line)
    log.seek(max(low - 1, 0))
    if low:
        log.readline()
    return log.tell()
