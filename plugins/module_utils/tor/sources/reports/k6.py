# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of a load test by k6, in each of the three forms it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, ClassVar

from ....errors import ReleaseError
from ...expect import ExpectError, NothingMeasured
from ...subject import Subject
from ...units import exactly
from .base import Finding, Report, document, made_at

_LATENCIES = ("avg", "min", "med", "max", "p90", "p95", "p99")
_OF_A_METRIC = re.compile(r"(?P<metric>\w+(?:\{.*\})?)\.(?P<statistic>\w+)")
_TIMES = re.compile(r"(?:http_req_(?!failed)|iteration_duration|group_duration|ws_(?:connecting|session_duration))")
_UNKNOWN, _CROSSED = -1, 99
_ENDINGS = {107: "its script threw an exception", 108: "its script aborted the test", 105: "somebody interrupted it"}


@dataclass(frozen=True, kw_only=True)
class K6(Report):
    """Options, besides those of every report: `exit_code`, how k6 ended; `failed_at_most` (0.01): a test in which a
    larger share of the requests failed says nothing about the service.

    Selects: `thresholds`, whether all of the script's were met; `error_share`, `requests`, `checks` (the share that
    held); `avg`, `min`, `med`, `max`, `p90`, `p95`, `p99` of `http_req_duration`; or METRIC.STATISTIC, such as
    `http_req_duration{name:login}.p95` or `iterations.count`. The samples are requests.
    """

    exit_code: int = _UNKNOWN
    failed_at_most: float = 0.01

    selects: ClassVar[Mapping[str, str | None]] = {
        "thresholds": None,
        "error_share": "share",
        "requests": "",
        "checks": "share",
        **dict.fromkeys(_LATENCIES, "ms"),
    }

    @classmethod
    def check_select(cls, select: str) -> None:
        if not _OF_A_METRIC.fullmatch(select):
            super().check_select(select)

    def look(self, content: str, select: str, subject: Subject) -> Finding:
        if self.exit_code not in (_UNKNOWN, 0, _CROSSED):
            why = _ENDINGS.get(self.exit_code, "see what it printed")
            raise ReleaseError(f"k6 ended with {self.exit_code}: {why}")
        summary = _summary(document(content))
        values = [self._value(summary, select)] if select else []
        return Finding(values, summary.requests, summary.made, evidence=summary.evidence())

    def _value(self, summary: _Summary, select: str) -> Any:
        if select == "requests":
            return summary.requests
        if select == "error_share":
            return summary.error_share
        if select == "checks":
            return summary.checks
        if select == "thresholds" and (self.exit_code == _CROSSED or not all(summary.thresholds.values())):
            return False
        if summary.error_share > exactly(self.failed_at_most):
            failed = f"{float(summary.error_share):.2%} of {summary.requests} requests failed"
            raise NothingMeasured(f"{failed}; what remains says nothing about the service")
        if select == "thresholds":
            return self._met(summary)
        if select in _LATENCIES:
            return summary.metric("http_req_duration", select)
        named = _OF_A_METRIC.fullmatch(select)
        if named is None:
            raise ExpectError(f"{select} is not a metric and a statistic of it")
        return summary.with_unit(named["metric"], named["statistic"])

    def _met(self, summary: _Summary) -> bool:
        """None was crossed, but that says something only if there were any."""
        if summary.thresholds:
            return True
        if summary.tells_thresholds:
            raise NothingMeasured("the test has no thresholds")
        if self.exit_code == _UNKNOWN:
            raise NothingMeasured("this form of the summary does not tell about thresholds; set exit_code")
        return True


@dataclass(frozen=True)
class _Summary:
    """The three forms as one: statistics by metric, and whether each threshold was met."""

    metrics: Mapping[str, Mapping[str, Any]]
    thresholds: Mapping[str, bool] = field(default_factory=dict)
    times: frozenset[str] = frozenset()
    made: datetime | None = None
    tells_thresholds: bool = True

    def metric(self, name: str, statistic: str) -> Any:
        found = self.metrics.get(name)
        if found is None:
            raise NothingMeasured(f"the summary has no metric {name}")
        if found.get(statistic) is None:
            raise NothingMeasured(f"the summary has no {statistic} of {name}; set summaryTrendStats in the script")
        return found[statistic]

    def with_unit(self, name: str, statistic: str) -> Any:
        value = self.metric(name, statistic)
        return f"{value} ms" if name in self.times and statistic != "count" else value

    @property
    def requests(self) -> int:
        count = int(self.metric("http_reqs", "count"))
        if not count:
            raise NothingMeasured("k6 sent no request")
        return count

    @property
    def error_share(self) -> Fraction:
        return exactly(self._share("http_req_failed"))

    @property
    def checks(self) -> Fraction:
        return exactly(self._share("checks_succeeded" if "checks_succeeded" in self.metrics else "checks"))

    def _share(self, name: str) -> Any:
        return self.metric(name, "rate" if "rate" in self.metrics.get(name, {}) else "value")

    def evidence(self) -> dict[str, Any]:
        kept = ("http_reqs", "http_req_failed", "http_req_duration", "checks")
        return {
            **{name: dict(self.metrics[name]) for name in kept if name in self.metrics},
            "thresholds": dict(list(self.thresholds.items())[:20]),
        }


def _summary(found: dict[str, Any]) -> _Summary:
    if "results" in found and "version" in found:
        return _machine_readable(found)
    return _of_handle_summary(found["metrics"]) if "state" in found else _of_export(found["metrics"])


def _of_handle_summary(given: dict[str, Any]) -> _Summary:
    """`handleSummary(data)`: a threshold is `{"ok": true}` when it was met."""
    return _Summary(
        {name: _statistics(metric["values"]) for name, metric in given.items()},
        {f"{name}: {text}": met["ok"] is True for name, m in given.items() for text, met in _thresholds(m)},
        frozenset(name for name, metric in given.items() if metric.get("contains") == "time"),
    )


def _of_export(given: dict[str, Any]) -> _Summary:
    """`--summary-export`: a threshold is false when it was met."""
    return _Summary(
        {name: _statistics(metric) for name, metric in given.items()},
        {f"{name}: {text}": crossed is False for name, m in given.items() for text, crossed in _thresholds(m)},
        frozenset(name for name in given if _TIMES.match(name)),
    )


def _machine_readable(found: dict[str, Any]) -> _Summary:
    """`--new-machine-readable-summary`: says nothing about thresholds."""
    results = found["results"]
    given = [*results["metrics"], *(results.get("checks") or {}).get("metrics", [])]
    return _Summary(
        {metric["name"]: _statistics(metric["values"]) for metric in given},
        times=frozenset(metric["name"] for metric in given if metric.get("contains") == "time"),
        made=made_at(found["metadata"]["generated_at"]),
        tells_thresholds=False,
    )


def _statistics(given: Mapping[str, Any]) -> dict[str, Any]:
    """`p(95)` is p95 in the newest form, so it is everywhere."""
    return {name.replace("(", "").replace(")", ""): value for name, value in given.items() if name != "thresholds"}


def _thresholds(metric: Mapping[str, Any]) -> Any:
    return (metric.get("thresholds") or {}).items()
