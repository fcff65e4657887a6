# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a ledger keeps from the begin of a release on, and is held to; the twin of the fragment ``recorded``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Refused

RECORDED_OPTIONS: dict[str, dict[str, Any]] = {
    "plan": {"type": "str", "default": ""},
    "components": {"type": "list", "elements": "str"},
    "steps": {"type": "list", "elements": "int"},
    "first": {"type": "bool", "default": False},
    "inputs": {"type": "dict", "default": {}},
    "previous": {"type": "dict", "default": {}},
    "migrations": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "class": {"type": "str", "choices": ["expand", "contract", "irreversible"], "required": True},
        },
    },
    "judged": {
        "type": "dict",
        "options": {
            "version": {"type": "str", "required": True},
            "migrations": {"type": "list", "elements": "dict", "required": True},
        },
    },
    "starter": {"type": "str", "default": ""},
    "approvals": {"type": "list", "elements": "dict", "default": []},
    "proof": {"type": "dict", "default": {}},
}
AS_GIVEN = (
    "kind",
    "system",
    "environment",
    "components",
    "steps",
    "first",
    "previous",
    "migrations",
    "starter",
    "proof",
)
KEPT = ("role", "approver", "key", "expires", "kind")


def recorded(params: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of the options of release_run, beside version, plan and inputs."""
    return {**{name: params[name] for name in AS_GIVEN}, "approvals": kept(params["approvals"])}


def kept(approvals: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What is kept of approvals; not where their files lie."""
    if any(not one.get(name) for one in approvals for name in KEPT):
        raise Refused(
            f"approvals are not a list of approvals, each with {', '.join(KEPT)}",
            remedy="give those that release_approval with state=verified returned",
        )
    return [{name: str(one[name]) for name in KEPT} for one in approvals]
