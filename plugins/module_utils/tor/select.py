# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pick values out of an answer: a dotted key, JMESPath, or a regular expression between slashes."""

from __future__ import annotations

import json
import re
from typing import Any

from .expect import ExpectError, NothingMeasured

_DOTTED = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d+\])*")
_STEP = re.compile(r"[A-Za-z_][\w-]*|\[\d+\]")
_REGEX = re.compile(r"/(?P<pattern>.+)/", re.DOTALL)


def check(select: str) -> None:
    """Refuse what can never select anything."""
    regex = _REGEX.fullmatch(select)
    if regex:
        try:
            re.compile(regex["pattern"])
        except re.error as exc:
            raise ExpectError(f"{select} is not a regular expression: {exc}") from exc


def pick(select: str, text: str) -> list[Any]:
    """The values `select` finds in the text of an answer; none is an empty list."""
    regex = _REGEX.fullmatch(select)
    if regex:
        found = re.search(regex["pattern"], text)
        return [] if found is None else [found[1] if found.re.groups else found[0]]
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise ExpectError(f"the answer is not JSON: {text[:80]!r}") from exc
    return pick_from(select, document)


def pick_from(select: str, document: Any) -> list[Any]:
    """The same in a document that is parsed already; a list counts as many values, and what is not there as none."""
    value = _follow(select, document) if _DOTTED.fullmatch(select) else _jmespath(select, document)
    if value is None:
        raise NothingMeasured(f"there is no {select}")
    return value if isinstance(value, list) else [value]


def _follow(select: str, document: Any) -> Any:
    value = document
    for step in _STEP.findall(select):
        if step.startswith("["):
            index = int(step[1:-1])
            value = value[index] if isinstance(value, list) and index < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _jmespath(select: str, document: Any) -> Any:
    import jmespath  # type: ignore[import-untyped]

    try:
        return jmespath.search(select, document)
    except jmespath.exceptions.JMESPathError as exc:
        raise ExpectError(f"{select} is not a JMESPath expression for this answer: {exc}") from exc
