# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What became of each message, told without its secrets; the end of what a module said names the cause. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .message import plain

LONGEST, SHORTEST = 200, 4
OPEN = ("kind", "name", "host", "port", "sender", "recipients", "tls", "channel", "domain", "ca_cert")
MASK = "(hidden)"
LATE = "the time for telling was up"

Outcome = dict[str, Any]


def outcomes(results: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """The results of a loop over messages as ``name``, ``delivered`` and ``why`` not."""
    return [outcome(one) for one in results]


def outcome(result: Mapping[str, Any]) -> Outcome:
    message = result["item"]
    why = _why(result)
    for secret in sorted(secrets_of(message), key=len, reverse=True):
        why = why.replace(secret, MASK)
    said = str(plain(why))
    shown = said if len(said) <= LONGEST else "… " + said[-LONGEST:]
    return {"name": message["name"], "delivered": not why, "why": shown}


def secrets_of(message: Mapping[str, Any]) -> set[str]:
    """Every text of a target that is not known to be harmless; of an address also what stands behind the host."""
    shown = {*OPEN, "subject", "body", "colour", "state", "severity", "incident", "facts"}
    found = {leaf for key, value in message.items() if key not in shown for leaf in _leaves(value)}
    found |= {"/" + leaf.partition("://")[2].partition("/")[2] for leaf in found if "://" in leaf}
    return {leaf for leaf in found if len(leaf) >= SHORTEST}


def _why(result: Mapping[str, Any]) -> str:
    if result.get("skipped"):
        return LATE
    if result.get("timedout"):
        return "no answer in time"
    said = str(result.get("msg") or "")
    if result.get("failed") or result.get("unreachable"):
        status = result.get("status")
        answered = f"answered {status}: " if isinstance(status, int) and status > 0 else ""
        return f"{answered}{said or 'it failed and did not say why'}"
    refused = result.get("result") if result["item"]["kind"] == "mail" else None
    return f"refused for {', '.join(sorted(map(str, refused)))}" if refused else ""


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for below in value.values():
            yield from _leaves(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _leaves(below)
    elif value is not None:
        yield str(value)
