# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert: a criterion that is asked all the time, and who is called when it does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ReleaseError
from ..tor.criterion import Criterion, parse_criteria
from ..tor.expect import ExpectError
from ..tor.mistakes import unknown
from ..tor.units import UnitError
from ..window.inputs import duration
from .expression import fires, silent

SEVERITIES = ("critical", "warning", "info")
NO_DATA, OBSERVE = "NoData", "observe"
QUIET = 300.0
"""Seconds without data before that is an alert itself, at least."""

_FIELDS = (
    *("name", "clause", "criterion", "query", "fresh", "select", "expect", "orphaned"),
    *("for", "severity", "component", "summary", "incident", "rolls_back", "no_data"),
)
_OWN = ("query", "fresh", "select")
_ABOUT = ("criterion", "query", "orphaned")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ADDRESS = "http://prometheus"

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Alert:
    """`criterion` is what has to hold; without one it is about a release that nobody goes on with.

    `hold` is for how many seconds it must not hold before anybody is told, `no_data` for how many there may be nothing
    to tell it by. One that `rolls_back` takes back a release that is inside its rollback window.
    """

    name: str
    severity: str
    summary: str
    criterion: Criterion | None = None
    hold: float = 0.0
    no_data: float = QUIET
    clause: str = ""
    component: str = ""
    incident: str = ""
    rolls_back: bool = False

    @property
    def orphaned(self) -> bool:
        return self.criterion is None


def parse_alerts(given: Sequence[Any], gates: Given, incidents: Iterable[str] | None = None) -> list[Alert]:
    """All alerts, or one error that lists every mistake; `incidents` are the types there are, any if it is None."""
    alerts: list[Alert] = []
    mistakes: list[str] = []
    for place, entry in enumerate(given):
        found = _mistakes(entry, incidents) if isinstance(entry, Mapping) else [": not a dictionary"]
        if not found:
            try:
                alerts.append(_alert(entry, gates))
            except (ReleaseError, ExpectError, UnitError) as exc:
                found = _of_meaning(exc)
        mistakes += [f"alerts[{place}]{one}" for one in found]
    mistakes += _twice(alerts)
    if mistakes:
        raise ReleaseError("; ".join(mistakes), where="release_alerts", mistakes=mistakes)
    return alerts


def _of_meaning(exc: Exception) -> list[str]:
    """Those of the criterion each by itself, as the fields of the alert they are."""
    of_criterion = exc.details.get("mistakes", ()) if isinstance(exc, ReleaseError) else ()
    fields = [one.removeprefix("[0]").removeprefix(".source") for one in of_criterion]
    return fields or [f": {exc}"]


def _alert(entry: Given, gates: Given) -> Alert:
    criterion = None if entry.get("orphaned") else criterion_of(entry, gates)
    if criterion:
        fires(criterion), silent(criterion)
    hold = _seconds(entry, "for")
    return Alert(
        name=entry["name"],
        severity=entry["severity"],
        summary=str(entry["summary"]),
        criterion=criterion,
        hold=hold,
        no_data=_seconds(entry, "no_data") or max(hold, QUIET),
        clause=str(entry.get("clause") or (criterion.clause if criterion else "")),
        component=str(entry.get("component") or ""),
        incident=str(entry.get("incident") or ""),
        rolls_back=bool(entry.get("rolls_back")),
    )


def criterion_of(entry: Given, gates: Given) -> Criterion:
    """The criterion of a gate that is named, or the one that a query makes."""
    if entry.get("criterion"):
        named = _of_gates(str(entry["criterion"]), gates)
        given = {**named, "expect": named["expect"] if entry.get("expect") is None else entry["expect"]}
    else:
        own = {field: entry[field] for field in ("query", "fresh") if entry.get(field)}
        source = {"kind": "prometheus", "url": _ADDRESS, **own}
        select = entry.get("select") or "value"
        given = {"name": entry["name"], "source": source, "select": select, "expect": entry["expect"]}
    return parse_criteria([given], "")[0]


def _of_gates(name: str, gates: Given) -> Given:
    """The criterion of this name that is observed; otherwise, in whichever gates it stands, it has to be the same."""
    observed = next((one for one in gates.get(OBSERVE) or [] if one.get("name") == name), None)
    if observed:
        return dict(observed)
    found = [(gate, one) for gate, criteria in gates.items() for one in criteria or [] if one.get("name") == name]
    if not found:
        raise ReleaseError(f"no gate has a criterion {name!r}", remedy="correct the name, or give a query")
    gate, first = found[0]
    other = next((at for at, one in found if one != first), "")
    if other:
        raise ReleaseError(
            f"{name!r} is one criterion in the gate {gate} and another in {other}",
            remedy="give each a name of its own, or give the alert a query",
        )
    return dict(first)


def _mistakes(entry: Given, incidents: Iterable[str] | None) -> list[str]:
    mistakes = unknown(entry, _FIELDS)
    required = ("name", "severity", "summary", *(("expect",) if entry.get("query") else ()))
    mistakes += [f".{field}: missing" for field in required if entry.get(field) in (None, "")]
    about = [field for field in _ABOUT if entry.get(field)]
    if len(about) != 1:
        mistakes.append(f": give one of {', '.join(_ABOUT)}{', not ' + ' and '.join(about) if about else ''}")
    if "query" not in about:
        mistakes += [f".{field}: only a query has it" for field in _OWN if entry.get(field)]
    if entry.get("orphaned") and entry.get("expect") is not None:
        mistakes.append(".expect: what is expected of a lock is known")
    if entry.get("name") and not _NAME.fullmatch(str(entry["name"])):
        mistakes.append(f".name: {entry['name']!r} is not a word of letters, digits and underscores")
    if entry.get("severity") not in (None, "", *SEVERITIES):
        mistakes.append(f".severity: {entry['severity']!r} is none of {', '.join(SEVERITIES)}")
    if incidents is not None and entry.get("incident") and entry["incident"] not in incidents:
        mistakes.append(f".incident: release_incidents has no type {entry['incident']!r}")
    return mistakes


def _twice(alerts: Sequence[Alert]) -> list[str]:
    """Each alert has a twin, whose name must be free, too."""
    names = [name for alert in alerts for name in (alert.name, alert.name + NO_DATA)]
    return [f"alerts: two are called {name}" for name in sorted({one for one in names if names.count(one) > 1})]


def _seconds(entry: Given, field: str) -> float:
    try:
        return duration(field, entry.get(field) or 0).total_seconds()
    except ReleaseError as exc:
        raise ReleaseError(exc.what, remedy=exc.remedy) from exc
