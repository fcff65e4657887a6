# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What each target gets of a text: one line for a subject, and nothing in it that a target would take for markup. Pure.

A text may quote what a cluster said, and whoever can write there must not choose who is told, or what else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from . import targets

SUBJECT, TEXT = 200, 8000
SLACK, PAGERDUTY = 3000, 1024
SEVERITIES = {
    targets.FAILED: "critical",
    targets.RESTORE_FAILED: "critical",
    targets.ROLLED_BACK: "error",
    targets.STOPPED: "error",
}
SCALE = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}
RESOLVING = (targets.RELEASED, targets.RESTORED, targets.INCIDENT_RESOLVED)
COLOURS = {**dict.fromkeys(RESOLVING, "good"), **dict.fromkeys((*SEVERITIES, targets.INCIDENT), "danger")}
SLACK_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

_CONTROL = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_BLANK = re.compile(r"\n{3,}")


def messages(entries: Sequence[targets.Given], event: str, text: str, facts: Mapping[str, Any], at: float) -> list[Any]:
    """What is sent to whom: the first line of ``text`` is the subject, the rest the body."""
    subject, body = parts(text)
    told = {name: plain(value) for name, value in facts.items() if value not in (None, "", [], {})}
    due = targets.of_event(entries, event, at)
    return [{**one, **_worded(one, event, subject, body, told)} for one in due]


def parts(text: str) -> tuple[str, str]:
    """Subject and body, without control characters."""
    subject, _newline, body = _CONTROL.sub(" ", text).strip().partition("\n")
    return cut(" ".join(subject.split()), SUBJECT), cut(_BLANK.sub("\n\n", body).strip(), TEXT)


def plain(value: Any) -> Any:
    """What is quoted, on one line and no longer than a text may be."""
    if isinstance(value, Mapping):
        return {str(key): plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [plain(below) for below in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    return cut(" ".join(_CONTROL.sub(" ", str(value)).split()), TEXT)


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 2] + " …"


def slack(text: str) -> str:
    """A text in which Slack finds no mention and no link; without ``mrkdwn_in`` it looks for no formatting either."""
    return text.translate(SLACK_MARKUP)


def local(at: Any, zone: str) -> str:
    """A moment (epoch seconds or ISO 8601) as people in ``zone`` read it."""
    text = str(at)
    moment = datetime.fromisoformat(text) if "T" in text else datetime.fromtimestamp(float(text), UTC)
    here = moment.astimezone(ZoneInfo(zone))
    offset = here.strftime("%z")
    return f"{here:%Y-%m-%d %H:%M} {zone}" + ("" if zone == "UTC" else f" ({offset[:3]}:{offset[3:]})")


def _worded(to: targets.Given, event: str, subject: str, body: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    kind = to["kind"]
    if kind == "mail":
        return {"subject": subject, "body": body}
    if kind == "slack":
        return {"subject": slack(subject), "body": cut(slack(body), SLACK), "colour": COLOURS.get(event, "#808080")}
    if kind == "pagerduty":
        about = [str(facts[key]) for key in ("system", "environment", "incident") if facts.get(key)]
        return {
            "subject": cut(subject, PAGERDUTY),
            "state": "resolved" if event in RESOLVING else "triggered",
            "severity": SEVERITIES.get(event) or SCALE.get(facts.get("scale", ""), "info"),
            "incident": "/".join([*about, *(["restore"] if event in targets.RESTORES else [])]),
            "facts": dict(facts),
        }
    status = {"status": to["status"][event]} if event in (to.get("status") or {}) else {}
    return {"body": {"event": event, "subject": subject, "text": body, **facts, **status}}
