# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts as a group of rules for Prometheus: each with a twin, so that no data is never silence. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..lock.holder import lease_name
from ..tor.criterion import Criterion
from ..tor.sources.measure import split
from .expression import fires, orphaned, silent, unseen
from .model import NO_DATA, Alert

ROLLS_BACK = "rolls_back"
Rule = dict[str, Any]


@dataclass(frozen=True)
class System:
    """Whose alerts they are; `host` is its inventory host, `ttl` the seconds for which its lock need not be renewed."""

    name: str
    environment: str
    namespace: str
    host: str
    ttl: int = 60

    @property
    def group(self) -> str:
        return f"{self.name}-{self.environment}"


def group_of(system: System, alerts: Sequence[Alert]) -> Rule:
    """The group, as a rule file and a PrometheusRule have it."""
    return {"name": system.group, "rules": [rule for alert in alerts for rule in _rules(system, alert)]}


def _rules(system: System, alert: Alert) -> list[Rule]:
    more = {ROLLS_BACK: "true"} if alert.rolls_back else {}
    about = alert.criterion
    lease = lease_name(system.name, system.environment)
    expression = fires(about) if about else orphaned(system.namespace, lease, system.ttl)
    annotations = {"summary": alert.summary, "description": _description(system, alert), **_told(system, alert)}
    blind = {
        "summary": f"Nobody can tell whether {alert.name} should fire",
        "description": "What it is computed from is missing, too old or not a number.",
        **_told(system, alert, blind=True),
    }
    return [
        _rule(alert.name, expression, alert.hold, _labels(system, alert) | more, annotations),
        _rule(
            alert.name + NO_DATA,
            silent(about) if about else unseen(),
            alert.no_data,
            _labels(system, alert),
            blind,
        ),
    ]


def _rule(name: str, expression: str, hold: float, labels: Rule, annotations: Rule) -> Rule:
    held = {"for": f"{hold:.0f}s"} if hold else {}
    return {"alert": name, "expr": expression, **held, "labels": labels, "annotations": annotations}


def _labels(system: System, alert: Alert) -> Rule:
    found = {
        "system": system.name,
        "environment": system.environment,
        "component": alert.component,
        "severity": alert.severity,
        "incident": alert.incident,
    }
    return {name: value for name, value in found.items() if value}


def _description(system: System, alert: Alert) -> str:
    if alert.criterion is None:
        return f"Whoever released {system.name} holds its lock and has not renewed it for more than {system.ttl} s."
    return f"{alert.criterion.name} is {_value(alert.criterion)}, expected {alert.criterion.expect.text}"


def _value(criterion: Criterion) -> str:
    """The value as Prometheus fills it in, in the unit of the query."""
    unit = split(criterion.select)[1] or ""
    if unit == "share":
        return "{{ $value | humanizePercentage }}"
    return "{{ $value }}" + (unit if unit.startswith("/") else f" {unit}" if unit else "")


def _told(system: System, alert: Alert, *, blind: bool = False) -> Rule:
    clause = {"clause": alert.clause} if alert.clause else {}
    return {**clause, "runbook": _command(system, alert, blind)}


def _command(system: System, alert: Alert, blind: bool) -> str:
    """What an operator runs who is called by it."""
    limit = ["--limit", system.host]
    if alert.rolls_back and not blind:
        words = ["runbook.release.rollback", *limit]
    elif alert.incident:
        plain = alert.incident == shlex.quote(alert.incident)
        said = f"incident_type={alert.incident}" if plain else json.dumps({"incident_type": alert.incident})
        words = ["runbook.release.incident", *limit, "-e", said]
    else:
        words = ["runbook.release.verify", *limit]
    return shlex.join(["ansible-playbook", *words])
