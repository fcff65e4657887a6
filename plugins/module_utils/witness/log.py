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
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..errors import ReleaseError
from .lines import STREAM, Columns, read_parts

DESCRIPTION_FILE = "witness.json"
SUMMARY_FILE = "summary.json"
NO_VERSION = ""

_EXAMPLES = 5
_GRACE = 5.0


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
    parts = (part.window(since * 1000, until * 1000) for part in read_parts(path, since * 1000))
    return tally(parts, description["spec"]["versions"])


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


def silence(path: str | Path, now: float) -> float:
    """Seconds in which a witness that nobody stopped should have recorded something and has not; 0 if it has."""
    description = read_description(path)
    spec = description["spec"]
    if description.get("stopped") or set(spec["shapes"]) <= {STREAM}:
        return 0.0
    patience = float(spec["timeout_ms"] / 1000 + 1 / spec["rate"] + _GRACE)
    since = now - patience
    heard = any(end >= since * 1000 for part in read_parts(path, since * 1000) for end in part.ends)
    return 0.0 if heard or description["started"] >= since else patience


def answered_ok(outcome: str) -> bool:
    """A redirect is an answer: the witness never follows it."""
    return outcome.isdigit() and outcome[0] in "23"


def tally(parts: Iterable[Columns], versions: Iterable[str]) -> Tally:
    """Count; `versions` are those that may answer."""
    allowed = {NO_VERSION, *versions}
    counts: Counter[tuple[bytes, bytes, bytes, int]] = Counter()
    first_failures: list[Request] = []
    moments: list[int] = []
    for part in parts:
        durations = map(operator.sub, part.ends, part.starts)
        counts.update(zip(part.shapes, part.outcomes, part.versions, durations, strict=True))
        first_failures += _failures(part, allowed, _EXAMPLES - len(first_failures))
        moments += [*_extremes(part.starts), *_extremes(part.ends)]
    rows = [
        _Row(_text(shape), answered_ok(_text(outcome)), version_of(version), duration, count)
        for (shape, outcome, version, duration), count in counts.items()
    ]
    return Tally(
        total=_answers(rows),
        wrong=sum(row.count for row in rows if row.version not in allowed),
        by_version={
            version: _answers(row for row in rows if row.version == version)
            for version in sorted({row.version for row in rows})
        },
        by_shape={
            shape: _answers((row for row in rows if row.shape == shape), timed=(shape,))
            for shape in sorted({row.shape for row in rows})
        },
        first_failures=tuple(first_failures),
        first_start_ms=min(moments, default=0),
        last_end_ms=max(moments, default=0),
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


def _extremes(moments: Sequence[int]) -> tuple[int, ...]:
    return (min(moments), max(moments)) if moments else ()


def _failures(part: Columns, allowed: set[str], most: int) -> list[Request]:
    failing = {outcome for outcome in set(part.outcomes) if not answered_ok(_text(outcome))}
    wrong = {version for version in set(part.versions) if version_of(version) not in allowed}
    if not failing and not wrong:
        return []
    places = (
        place
        for place, (outcome, version) in enumerate(zip(part.outcomes, part.versions, strict=True))
        if outcome in failing or version in wrong
    )
    return [_request(part, place) for place in islice(places, most)]


def _request(part: Columns, place: int) -> Request:
    return Request(
        part.starts[place],
        part.ends[place],
        _text(part.shapes[place]),
        _text(part.outcomes[place]),
        version_of(part.versions[place]),
    )


def version_of(quoted: bytes) -> str:
    """The version a line of the log names."""
    return NO_VERSION if quoted == b"-" else unquote(_text(quoted))


def _text(word: bytes) -> str:
    return word.decode(errors="replace")
