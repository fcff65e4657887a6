# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a command said in each pod it ran in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LINES = 50
SHOWN = 300


def ran(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``results`` are those of a loop over pods; of each pod the last lines, and a sentence where it did not end well.

    One that was skipped did not run. Without an exit code nobody knows how it ended, which is not well.
    """
    done = [one for one in results if not one.get("skipped")]
    pods = {_pod(one): [str(line) for line in one.get("stdout_lines") or []][-LINES:] for one in done}
    return {"pods": pods, "bad": [f"{_pod(one)} {_why(one)}" for one in done if one.get("rc") != 0]}


def _pod(one: Mapping[str, Any]) -> str:
    return str(one[one["ansible_loop_var"]])


def _why(one: Mapping[str, Any]) -> str:
    said = " ".join(str(one.get("stderr") or one.get("msg") or "").split())[-SHOWN:]
    ended = f"ended with {one['rc']}" if one.get("rc") is not None else "did not end"
    return f"{ended}: {said}" if said else ended
