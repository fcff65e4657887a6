# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of a pipeline: started, found, and followed until it ends."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..errors import ReleaseError
from .forge import Forge

Run = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """`workflow` is the name of its file, or empty for all of them; `ref` a branch or a tag; `every` is in seconds."""

    workflow: str
    ref: str
    inputs: Mapping[str, Any]
    every: float

    @property
    def runs(self) -> str:
        return f"actions/workflows/{quote(self.workflow, safe='')}/runs" if self.workflow else "actions/runs"


def dispatch(forge: Forge, asked: Asked) -> list[Run]:
    """Start the workflow, and follow the one run that began by that."""
    before = {run["id"] for run in _dispatched(forge, asked)}
    path = f"actions/workflows/{quote(asked.workflow, safe='')}/dispatches"
    forge.post(path, {"ref": asked.ref, "inputs": {name: _text(value) for name, value in asked.inputs.items()}})

    def begun() -> list[Run]:
        return [run for run in _dispatched(forge, asked) if run["id"] not in before]

    found = forge.poll(begun, asked.every, f"no run of {asked.workflow} began")
    if len(found) > 1:
        raise ReleaseError(
            f"{len(found)} runs of {asked.workflow} began at once, so which one is ours cannot be told",
            where=", ".join(str(run.get("html_url")) for run in found),
            remedy="look at them; nobody else should start it meanwhile",
        )
    return _judged([_ended(forge, asked, run) for run in found])


def follow(forge: Forge, asked: Asked) -> list[Run]:
    """Follow every run that the push of `ref` started, for the commit it names now.

    Not all of them are listed at once: when those that are have ended, it looks again, until there is no other.
    """
    commit = forge.get(f"commits/{quote(asked.ref, safe='')}")["sha"]

    def started() -> list[Run]:
        found = forge.get(asked.runs, event="push", branch=asked.ref, head_sha=commit, per_page=100)
        return [run for run in found.get("workflow_runs") or [] if run["head_sha"] == commit]

    ended: dict[int, Run] = {}
    listed = forge.poll(started, asked.every, f"the push of {asked.ref} started no run")
    while others := [run for run in listed if run["id"] not in ended]:
        ended |= {run["id"]: _ended(forge, asked, run) for run in others}
        time.sleep(max(0.0, min(asked.every, forge.deadline - time.monotonic())))
        listed = forge.poll(started, asked.every, f"what else the push of {asked.ref} started was not told")
    return _judged(list(ended.values()))


def _judged(ended: Sequence[Run]) -> list[Run]:
    """The runs as they ended; one that did not succeed is an error with its address."""
    failed = [run for run in ended if run["conclusion"] != "success"]
    if failed:
        raise ReleaseError(
            "; ".join(f"{run['name']} ended with {run['conclusion']}" for run in failed),
            where=", ".join(run["url"] for run in failed),
            remedy="read its log there; nothing was released by this task",
            runs=list(ended),
        )
    return list(ended)


def _ended(forge: Forge, asked: Asked, run: Run) -> Run:
    def over() -> Run | None:
        found = forge.get(f"actions/runs/{run['id']}")
        return found if found.get("status") == "completed" else None

    found = forge.poll(over, asked.every, f"{run.get('html_url')} did not end")
    return {
        "id": found["id"],
        "name": str(found.get("name") or asked.workflow),
        "url": str(found.get("html_url") or ""),
        "conclusion": str(found.get("conclusion")),
        "commit": str(found.get("head_sha") or ""),
    }


def _dispatched(forge: Forge, asked: Asked) -> list[Run]:
    found = forge.get(asked.runs, event="workflow_dispatch", branch=asked.ref, per_page=100)
    return list(found.get("workflow_runs") or [])


def _text(value: Any) -> str:
    """Inputs of a workflow are texts."""
    return str(value).lower() if isinstance(value, bool) else str(value)
