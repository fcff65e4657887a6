# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tally proves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .log import NO_VERSION, Answers, Request, Tally

PASS, FAIL, INSUFFICIENT = "pass", "fail", "insufficient"

_MEANING = {
    "timeout": "no answer within the timeout",
    "reset": "connection reset",
    "refused": "connection refused",
    "cut": "connection closed before the answer was complete",
    "dns": "host name not found",
    "tls": "TLS handshake failed or certificate not trusted",
    "identity": "the answer does not name its version where identity says",
    "protocol": "not answered over HTTP/2",
    "http2": "HTTP/2 stream or connection error",
}


@dataclass(frozen=True)
class Finding:
    verdict: str
    reason: str


def judge(tally: Tally, dropped: int | None, ended: str = "") -> Finding:
    """A failure is a failure however little else is known; nothing less than a complete record is a pass.

    `dropped` is None while the witness runs. `ended` says why its record stops early, if it does.
    """
    if tally.failed or tally.wrong:
        first = tally.first_failures[0]
        counts = _counts(tally)
        return Finding(FAIL, f"{counts} of {tally.sent} requests; first: {describe(first)}")
    if ended:
        return Finding(INSUFFICIENT, ended)
    if not tally.sent:
        return Finding(INSUFFICIENT, "no request was recorded")
    if dropped:
        return Finding(INSUFFICIENT, f"{dropped} requests were not sent in time: this machine is too slow for the rate")
    return Finding(PASS, f"{tally.sent} requests, none failed, none answered by another version")


def describe(request: Request) -> str:
    meaning = _MEANING.get(
        request.outcome, f"status {request.outcome}" if request.outcome.isdigit() else request.outcome
    )
    by = f" by version {request.version}" if request.version != NO_VERSION else ""
    return f"{request.shape}: {meaning}{by} after {request.end_ms - request.start_ms} ms"


def _counts(tally: Tally) -> str:
    parts = []
    if tally.failed:
        parts.append(f"{tally.failed} failed")
    if tally.wrong:
        parts.append(f"{tally.wrong} answered by a version that may not answer")
    return " and ".join(parts)


def report(tally: Tally, dropped: int | None, ended: str = "") -> dict[str, Any]:
    """The finding and its figures, as the module returns them."""
    finding = judge(tally, dropped, ended)
    return {
        "verdict": finding.verdict,
        "reason": finding.reason,
        "requests": tally.sent,
        "failed_requests": tally.failed,
        "lost": tally.lost,
        "wrong_version": tally.wrong,
        "dropped": dropped,
        "by_version": {version: _figures(answers) for version, answers in tally.by_version.items()},
        "by_shape": {shape: _figures(answers) for shape, answers in tally.by_shape.items()},
        "p50_ms": tally.total.p50_ms,
        "p95_ms": tally.total.p95_ms,
        "p99_ms": tally.total.p99_ms,
        "first_failures": [_example(request) for request in tally.first_failures],
        "seconds": round((tally.last_end_ms - tally.first_start_ms) / 1000, 3),
    }


def _figures(answers: Answers) -> dict[str, int | None]:
    return {
        "ok": answers.ok,
        "failed": answers.failed,
        "p50_ms": answers.p50_ms,
        "p95_ms": answers.p95_ms,
        "p99_ms": answers.p99_ms,
        "max_ms": answers.max_ms,
    }


def _example(request: Request) -> dict[str, Any]:
    at = datetime.fromtimestamp(request.start_ms / 1000, tz=UTC)
    return {
        "at": at.isoformat(timespec="milliseconds"),
        "shape": request.shape,
        "outcome": request.outcome,
        "version": request.version,
        "ms": request.end_ms - request.start_ms,
        "sentence": describe(request),
    }
