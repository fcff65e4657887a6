# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a witness recorded: the only reader of a witness folder.

One line of `requests.log` is one finished request, in six columns::

    start_ms end_ms shape sequence outcome version

`outcome` is the HTTP status or one word for what went wrong (`timeout`, `reset`, `identity` …). `version` is
URL-quoted, `-` when the answer named none. `sequence` counts the requests of a shape from 0 in the order they were
sent, so a hole in it is a request that has not ended yet.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from ..errors import ReleaseError

DESCRIPTION_FILE = "witness.json"
LOG_FILE = "requests.log"
SUMMARY_FILE = "summary.json"
STREAM = "stream"
NO_VERSION = ""

_COLUMNS = 6
_EXAMPLES = 5
_DISORDER_MS = 1000


@dataclass(frozen=True)
class Answers:
    """Requests that have something in common: their version, their shape."""

    ok: int = 0
    failed: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None
    p99_ms: int | None = None
    max_ms: int | None = None

    @property
    def sent(self) -> int:
        return self.ok + self.failed

    @property
    def error_share(self) -> float | None:
        return self.failed / self.sent if self.sent else None


@dataclass(frozen=True)
class Request:
    """One recorded request."""

    start_ms: int
    end_ms: int
    shape: str
    outcome: str
    version: str


@dataclass(frozen=True)
class Tally:
    """All requests of a window that have ended.

    `total` and `by_version` leave the duration of streams out of their percentiles: a long answer is not a slow one.
    `by_version[""]` holds what named no version: lost requests and streams.
    """

    total: Answers = field(default_factory=Answers)
    wrong: int = 0
    in_flight: int = 0
    by_version: Mapping[str, Answers] = field(default_factory=dict)
    by_shape: Mapping[str, Answers] = field(default_factory=dict)
    first_failures: tuple[Request, ...] = ()
    first_start_ms: int = 0
    last_end_ms: int = 0

    @property
    def sent(self) -> int:
        return self.total.sent

    @property
    def failed(self) -> int:
        return self.total.failed

    @property
    def lost(self) -> int:
        """Failed without a version that answered: nobody did, or not completely."""
        return self.by_version.get(NO_VERSION, Answers()).failed

    @property
    def first_failure(self) -> Request | None:
        return self.first_failures[0] if self.first_failures else None


def read(path: str | Path, since: float = 0.0, until: float = math.inf) -> Tally:
    """Tally the requests the witness in `path` sent in the window, epoch seconds, that have ended."""
    description = read_description(path)
    until = min(until, description.get("stopped") or math.inf)
    columns = read_columns(path, since * 1000).window(since * 1000, until * 1000)
    return tally(columns, description["spec"]["versions"])


def read_description(path: str | Path) -> dict[str, Any]:
    """What the witness was told, which process it is, when it started and stopped."""
    file = Path(path) / DESCRIPTION_FILE
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(description["spec"]["versions"], list):
            raise ValueError("versions is not a list")
    except FileNotFoundError as exc:
        raise ReleaseError(
            "There is no witness", where=str(path), remedy="start one with state=started, or correct the path"
        ) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise ReleaseError(f"The description of the witness is damaged: {exc!r}", where=str(file)) from exc
    return dict(description)


def answered_ok(outcome: str) -> bool:
    """A redirect is an answer: the witness never follows it."""
    return outcome.isdigit() and outcome[0] in "23"


@dataclass(frozen=True)
class Columns:
    """The log as columns: 300,000 lines have to be read within a second."""

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

    def request(self, index: int) -> Request:
        return Request(
            self.starts[index],
            self.ends[index],
            self.shapes[index].decode(),
            self.outcomes[index].decode(),
            _version(self.versions[index]),
        )

    def sequences_of(self, shape: bytes) -> list[int]:
        return [number for number, own in zip(self.sequences, self.shapes, strict=True) if own == shape]

    def complete_before(self, moment_ms: float, shape: str) -> bool:
        """Whether every request of `shape` sent before `moment_ms` has ended: one sent later shows which those are."""
        later = self.window(moment_ms, math.inf).sequences_of(shape.encode())
        if not later:
            return False
        earlier = [number for number in self.sequences_of(shape.encode()) if number < min(later)]
        return not earlier or min(later) - min(earlier) == len(earlier)


def read_columns(path: str | Path, since_ms: float = 0.0) -> Columns:
    """Every complete line; with `since_ms` the end of the log that has all requests begun since, and some more."""
    file = Path(path) / LOG_FILE
    try:
        with file.open("rb") as log:
            if since_ms > 0:
                log.seek(_offset_of(log, since_ms - _DISORDER_MS))
            data = log.read()
    except FileNotFoundError:
        return Columns()
    try:
        return _parse(data[: data.rfind(b"\n") + 1])
    except ValueError as exc:
        raise ReleaseError(
            f"The log is damaged: {exc}", where=str(file), remedy="stop this witness and start a new one"
        ) from exc


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


def tally(columns: Columns, versions: Iterable[str]) -> Tally:
    """Count; `versions` are those that may answer."""
    allowed = {NO_VERSION, *versions}
    durations = [end - start for start, end in zip(columns.starts, columns.ends, strict=True)]
    counts = Counter(zip(columns.shapes, columns.outcomes, columns.versions, durations, strict=True))
    rows = [
        _Row(shape.decode(), answered_ok(outcome.decode()), _version(version), duration, count)
        for (shape, outcome, version, duration), count in counts.items()
    ]
    return Tally(
        total=_answers(rows),
        wrong=sum(row.count for row in rows if row.version not in allowed),
        in_flight=sum(_holes(columns.sequences_of(shape)) for shape in set(columns.shapes)),
        by_version={
            version: _answers(row for row in rows if row.version == version)
            for version in sorted({row.version for row in rows})
        },
        by_shape={
            shape: _answers((row for row in rows if row.shape == shape), timed=(shape,))
            for shape in sorted({row.shape for row in rows})
        },
        first_failures=_first_failures(columns, allowed),
        first_start_ms=min(columns.starts, default=0),
        last_end_ms=max(columns.ends, default=0),
    )


@dataclass(frozen=True)
class _Row:
    shape: str
    ok: bool
    version: str
    duration_ms: int
    count: int


def _answers(rows: Iterable[_Row], timed: Sequence[str] = ()) -> Answers:
    ok = failed = 0
    durations: Counter[int] = Counter()
    for row in rows:
        ok += row.count * row.ok
        failed += row.count * (not row.ok)
        if row.shape != STREAM or row.shape in timed:
            durations[row.duration_ms] += row.count
    return Answers(ok, failed, *_percentiles(durations, (50, 95, 99, 100)))


def _percentiles(durations: Counter[int], ranks: Sequence[int]) -> list[int | None]:
    """Nearest rank: always a duration that was seen."""
    found: list[int | None] = [None] * len(ranks)
    total = durations.total()
    seen = 0
    for duration in sorted(durations):
        seen += durations[duration]
        for place, rank in enumerate(ranks):
            if found[place] is None and seen * 100 >= rank * total:
                found[place] = duration
    return found


def _holes(sequences: Sequence[int]) -> int:
    return max(sequences) - min(sequences) + 1 - len(sequences) if sequences else 0


def _first_failures(columns: Columns, allowed: set[str]) -> tuple[Request, ...]:
    failing = {outcome for outcome in set(columns.outcomes) if not answered_ok(outcome.decode())}
    wrong = {version for version in set(columns.versions) if _version(version) not in allowed}
    if not failing and not wrong:
        return ()
    found = []
    for index, (outcome, version) in enumerate(zip(columns.outcomes, columns.versions, strict=True)):
        if outcome in failing or version in wrong:
            found.append(columns.request(index))
            if len(found) == _EXAMPLES:
                break
    return tuple(found)


def _version(quoted: bytes) -> str:
    return NO_VERSION if quoted == b"-" else unquote(quoted.decode())
