# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards of Grafana out of the criteria that gates hold, so that people see what is judged. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ReleaseError
from ..tor.expect import Comparison, Expectation, ExpectError, Range
from ..tor.grammar import parse
from ..tor.mistakes import unknown
from ..tor.units import UnitError
from .expression import measured, number_in
from .model import criterion_of

Given = Mapping[str, Any]
Board = dict[str, Any]

DATASOURCE = "prometheus"
_OF_BOARD = ("title", "uid", "clause", "panels")
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_OF_PANEL = ("title", "criterion", "query", "queries", "unit", "expect")
_UNITS = {
    "share": "percentunit",
    "s": "s",
    "ms": "ms",
    "B": "bytes",
    "B/s": "Bps",
    "/s": "reqps",
    "V": "volt",
    "W": "watt",
}
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2
_GREEN, _RED = "green", "red"


def dashboards_of(system: str, environment: str, given: Given, gates: Given) -> list[Board]:
    """All dashboards, or one error that lists every mistake; the same data make the same dashboards."""
    boards: list[Board] = []
    mistakes: list[str] = []
    for place, entry in enumerate(given.get("boards") or []):
        found = _mistakes(entry)
        panels: list[Board] = []
        for number, panel in enumerate([] if found else entry["panels"]):
            try:
                panels.append(_panel(number, panel, gates, str(given.get("datasource") or DATASOURCE)))
            except (ReleaseError, ExpectError, UnitError) as exc:
                found.append(f".panels[{number}]: {exc}")
        mistakes += [f"boards[{place}]{one}" for one in found]
        boards += [] if found else [_board(system, environment, entry, panels)]
    for key in ("title", "uid"):
        names = [one[key] for one in boards]
        mistakes += [
            f"boards: two are called {name}" for name in sorted({one for one in names if names.count(one) > 1})
        ]
    if mistakes:
        raise ReleaseError("; ".join(mistakes), where="release_dashboards", mistakes=mistakes)
    return boards


def _mistakes(entry: Any) -> list[str]:
    if not isinstance(entry, Mapping):
        return [": not a dictionary"]
    mistakes = unknown(entry, _OF_BOARD)
    mistakes += [f".{field}: missing" for field in ("title", "panels") if not entry.get(field)]
    if entry.get("uid") and not _UID.fullmatch(str(entry["uid"])):
        mistakes.append(f".uid: {entry['uid']!r} is not 1 to 40 letters, digits, - and _")
    for number, panel in enumerate(entry.get("panels") or []):
        if not isinstance(panel, Mapping):
            mistakes.append(f".panels[{number}]: not a dictionary")
            continue
        mistakes += [f".panels[{number}]{one}" for one in unknown(panel, _OF_PANEL)]
        about = [field for field in ("criterion", "query", "queries") if panel.get(field)]
        if not panel.get("title") or len(about) != 1:
            mistakes.append(f".panels[{number}]: give it a title and one of criterion, query, queries")
        if "criterion" in about:
            known = [field for field in ("unit", "expect") if panel.get(field)]
            mistakes += [f".panels[{number}].{field}: that of the criterion is known" for field in known]
        if panel.get("unit") and panel["unit"] not in _UNITS:
            mistakes.append(f".panels[{number}].unit: {panel['unit']!r} is none of {', '.join(_UNITS)}")
    return mistakes


def _board(system: str, environment: str, entry: Given, panels: Sequence[Board]) -> Board:
    title = str(entry["title"])
    uid = str(entry.get("uid") or "") or hashlib.sha256(f"{system} {environment} {title}".encode()).hexdigest()[:20]
    return {
        "uid": uid,
        "title": title,
        "description": str(entry.get("clause") or ""),
        "tags": ["runbook.release", system, environment],
        "schemaVersion": 39,
        "editable": False,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "panels": list(panels),
    }


def _panel(number: int, panel: Given, gates: Given, datasource: str) -> Board:
    source = {"type": "prometheus", "uid": datasource}
    unit, expect = str(panel.get("unit") or ""), parse(panel["expect"]) if panel.get("expect") else None
    queries = {str(panel["title"]): panel["query"]} if panel.get("query") else panel.get("queries")
    if panel.get("criterion"):
        criterion = criterion_of({"criterion": panel["criterion"]}, gates)
        expression, unit = measured(criterion)
        queries, expect = {criterion.name: expression}, criterion.expect
    steps = _thresholds(expect, unit)
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": str(panel["title"]),
        "datasource": source,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT},
        "targets": [
            {"refId": f"Q{place}", "datasource": source, "expr": str(query).strip(), "legendFormat": str(name)}
            for place, (name, query) in enumerate((queries or {}).items())
        ],
        "fieldConfig": {
            "defaults": {
                "unit": _UNITS.get(unit, "short"),
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "line" if len(steps) > 1 else "off"}},
            },
            "overrides": [],
        },
    }


def _thresholds(expect: Expectation | None, unit: str) -> list[Board]:
    """Green where it holds."""
    match expect:
        case Comparison(relation="<" | "<="):
            return [_step(_GREEN), _step(_RED, number_in(expect.threshold, unit))]
        case Comparison(relation=">" | ">="):
            return [_step(_RED), _step(_GREEN, number_in(expect.threshold, unit))]
        case Range():
            low, high = (number_in(end, unit) for end in (expect.low, expect.high))
            return [_step(_RED), _step(_GREEN, low), _step(_RED, high)]
    return [_step(_GREEN)]


def _step(colour: str, value: float | None = None) -> Board:
    """From this value on."""
    return {"color": colour, "value": value}
