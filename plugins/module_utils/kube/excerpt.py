# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Of the logs in evidence only what was asked for. Pure."""

from __future__ import annotations

import re
import typing as t

from .follow import compiled

LOGS = ("log", "previous_log")


def excerpt(evidence: t.Mapping[str, t.Any], lines: int = 0, matching: str = "") -> dict[str, t.Any]:
    """The evidence with the last ``lines`` of each log (0: all) of those in which ``matching`` is found (empty: all).

    ``Refused`` for what is no regular expression.
    """
    wanted = compiled("matching", matching)
    return {**evidence, "pods": [_pod(pod, lines, wanted) for pod in evidence["pods"]]}


def found(evidence: t.Mapping[str, t.Any]) -> int:
    """How many lines the logs have."""
    return sum(len(one[log].splitlines()) for pod in evidence["pods"] for one in pod["containers"] for log in LOGS)


def _pod(pod: t.Mapping[str, t.Any], lines: int, wanted: re.Pattern[str]) -> dict[str, t.Any]:
    return {**pod, "containers": [_container(one, lines, wanted) for one in pod["containers"]]}


def _container(container: t.Mapping[str, t.Any], lines: int, wanted: re.Pattern[str]) -> dict[str, t.Any]:
    return {**container, **{log: _cut(container[log], lines, wanted) for log in LOGS}}


def _cut(text: str, lines: int, wanted: re.Pattern[str]) -> str:
    kept = [line for line in text.splitlines(keepends=True) if wanted.search(line)]
    return "".join(kept[-lines:] if lines else kept)
