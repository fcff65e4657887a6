# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What the witness of a release must have heard, as criteria. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Criterion = dict[str, Any]


def folder(record: str, component: str) -> str:
    """Where the witness of a component writes."""
    return f"{record}/witness/{component}"


def heard(context: Mapping[str, Any], components: Iterable[str]) -> list[Criterion]:
    """For each component that no request is lost, and that the new version answers without errors."""
    if context["witness"]["rate"] <= 0:
        return []
    return [criterion for one in components for criterion in (_lost(context, one), _errors(context, one))]


def lost_name(component: str) -> str:
    return f"no request of {component} is lost"


def _lost(context: Mapping[str, Any], component: str) -> Criterion:
    return {
        "name": lost_name(component),
        "source": {"kind": "witness", "path": folder(context["record"], component)},
        "select": "lost",
        "expect": "== 0",
        "remedy": "look at the failures in requests.log of the witness; something between the clients and the pods "
        "let go too early",
    }


def _errors(context: Mapping[str, Any], component: str) -> Criterion:
    """Answers count from the moment on in which the step began."""
    version, witness = context["version"], context["witness"]
    path = folder(context["record"], component)
    return {
        "name": f"{component} {version} answers without errors",
        "source": {"kind": "witness", "path": path, "version": version, "since": context.get("step", 0)},
        "select": "error_share",
        "expect": f"< {witness['error_share']}",
        "samples": witness["samples"],
        "timeout": 30,
        "remedy": "look at the evidence of the release; the version itself answers errors",
    }
