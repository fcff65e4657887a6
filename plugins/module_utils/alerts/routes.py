# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of an Alertmanager: what rolls back goes to the rulebook at once, the rest to people. Pure.

Secrets are names of files on the machine of the Alertmanager, never values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import ReleaseError
from ..tor.mistakes import unknown
from .model import SEVERITIES
from .rules import ROLLS_BACK

NOBODY = "nobody"
REPEATED = {"critical": "1h", "warning": "12h", "info": "24h"}
"""How often people are told again of what still fires."""
AT_ONCE = {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "5m"}
"""A rollback that could not begin is tried again."""

_FIELDS = ("system", "environment", "alerts", "alerting")
_HOOK = {"url": True, "token_file": True, "ca_file": False}
_RECEIVERS: dict[str, dict[str, bool]] = {
    "pagerduty": {"routing_key_file": True},
    "slack": {"api_url_file": True, "channel": True},
    "mail": {"to": True, "from": True, "smarthost": True, "username": False, "password_file": False},
    "webhook": _HOOK,
}
"""The options of each kind, and whether they are required."""

Config = dict[str, Any]
Given = Mapping[str, Any]


def routes_of(systems: Sequence[Given]) -> Config:
    """One configuration for all systems whose alerts an Alertmanager gets, or every mistake in what they say."""
    mistakes = [f"{_name(one)}{mistake}" for one in systems for mistake in _mistakes(one)]
    names = [_name(one) for one in systems]
    mistakes += [f"two systems are called {name}" for name in sorted({one for one in names if names.count(one) > 1})]
    if mistakes:
        raise ReleaseError("; ".join(mistakes), where="release_alerting", mistakes=mistakes)
    return {
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", "system", "environment", "component"],
            "routes": [_route(one) for one in systems],
        },
        "receivers": [{"name": NOBODY}, *(receiver for one in systems for receiver in _receivers(one))],
    }


def _name(one: Given) -> str:
    return f"{one['system']}-{one['environment']}"


def _route(one: Given) -> Config:
    """What has a severity that nobody foresaw goes to those who are told of the least."""
    below = [_route_of(one, severity) for severity in SEVERITIES if one["alerting"]["receivers"].get(severity)]
    if one["alerting"].get("rollback"):
        matchers = [f'{ROLLS_BACK}="true"']
        below.insert(0, {"matchers": matchers, "receiver": f"{_name(one)}-rollback", **AT_ONCE, "continue": True})
    matchers = [f"system={_quoted(one['system'])}", f"environment={_quoted(one['environment'])}"]
    return {"matchers": matchers, "receiver": below[-1]["receiver"], "routes": below}


def _route_of(one: Given, severity: str) -> Config:
    matchers = [f"severity={_quoted(severity)}"]
    times = {"group_wait": "10s", "group_interval": "5m", "repeat_interval": REPEATED[severity]}
    return {"matchers": matchers, "receiver": f"{_name(one)}-{severity}", **times}


def _receivers(one: Given) -> Iterable[Config]:
    if hook := one["alerting"].get("rollback"):
        yield {"name": f"{_name(one)}-rollback", "webhook_configs": [_webhook(hook, resolved=False)]}
    for severity in SEVERITIES:
        configs: Config = {}
        for target in one["alerting"]["receivers"].get(severity) or []:
            key, config = _CONFIGS[target["kind"]](target)
            configs.setdefault(key, []).append(config)
        if configs:
            yield {"name": f"{_name(one)}-{severity}", **configs}


def _webhook(given: Given, *, resolved: bool = True) -> Config:
    http: Config = {"authorization": {"type": "Bearer", "credentials_file": given["token_file"]}}
    if given.get("ca_file"):
        http["tls_config"] = {"ca_file": given["ca_file"]}
    return {"url": given["url"], "send_resolved": resolved, "http_config": http}


def _mail(given: Given) -> Config:
    login = {"auth_username": given.get("username"), "auth_password_file": given.get("password_file")}
    config = {"to": given["to"], "from": given["from"], "smarthost": given["smarthost"], "send_resolved": True}
    return config | {name: value for name, value in login.items() if value}


def _slack(given: Given) -> Config:
    each = "{{ .Annotations.summary }}: {{ .Annotations.description }}\n{{ .Annotations.runbook }}\n"
    text = f"{{{{ range .Alerts }}}}{each}{{{{ end }}}}"
    return {"api_url_file": given["api_url_file"], "channel": given["channel"], "send_resolved": True, "text": text}


def _pagerduty(given: Given) -> Config:
    details = {name: f"{{{{ .CommonAnnotations.{name} }}}}" for name in ("summary", "description", "clause", "runbook")}
    severity = "{{ .CommonLabels.severity }}"
    return {"routing_key_file": given["routing_key_file"], "severity": severity, "details": details}


_CONFIGS: dict[str, Callable[[Given], tuple[str, Config]]] = {
    "pagerduty": lambda given: ("pagerduty_configs", _pagerduty(given)),
    "slack": lambda given: ("slack_configs", _slack(given)),
    "mail": lambda given: ("email_configs", _mail(given)),
    "webhook": lambda given: ("webhook_configs", _webhook(given)),
}


def _quoted(text: str) -> str:
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mistakes(one: Given) -> list[str]:
    alerting, receivers = one["alerting"], one["alerting"].get("receivers") or {}
    mistakes = [f".receivers{mistake}" for mistake in unknown(receivers, SEVERITIES)]
    mistakes += [] if any(receivers.values()) else [".receivers: nobody is told of anything"]
    for severity, told in receivers.items():
        for place, target in enumerate(told or []):
            mistakes += [f".receivers.{severity}[{place}]{mistake}" for mistake in _of_target(target)]
    if alerting.get("rollback"):
        mistakes += [f".rollback{mistake}" for mistake in _of_options(alerting["rollback"], _HOOK)]
    elif any(alert.get(ROLLS_BACK) for alert in one["alerts"]):
        mistakes.append(".rollback: missing, and an alert rolls back")
    used = {str(alert.get("severity")) for alert in one["alerts"]}
    lacking = [severity for severity in SEVERITIES if severity in used and not receivers.get(severity)]
    mistakes += [f".receivers.{severity}: nobody is told of alerts of this severity" for severity in lacking]
    return mistakes


def _of_target(target: Given) -> list[str]:
    kind = target.get("kind")
    if kind not in _RECEIVERS:
        return [f".kind: {kind!r} is none of {', '.join(_RECEIVERS)}"]
    return _of_options({name: value for name, value in target.items() if name != "kind"}, _RECEIVERS[kind])


def _of_options(given: Given, known: Mapping[str, bool]) -> list[str]:
    missing = [f".{name}: missing" for name, required in known.items() if required and not given.get(name)]
    return unknown(given, list(known)) + missing
