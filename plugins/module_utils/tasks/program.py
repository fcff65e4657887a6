# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A program of a task, where releases are made from or in pods, for as long as the lock of its run is ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ApiError, NotReady, ReleaseError
from ..migration.runner import Here

if TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..release.journal import Book
    from .pods import Chosen

LINES = 50
SHOWN = 300


@dataclass(frozen=True)
class Program:
    """``argv``, without a shell; ``timeout`` in seconds, of each pod; ``meanings`` say what an exit code means."""

    argv: Sequence[str]
    timeout: float
    meanings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """All that it wrote, by the pod it ran in, and a sentence for each in which it did not end well."""

    by: Mapping[str, str]
    bad: Sequence[str]

    def report(self) -> dict[str, Any]:
        """The last lines of each."""
        return {pod: said.splitlines()[-LINES:] for pod, said in self.by.items()}


def run_here(program: Program, folder: str, book: Book) -> str:
    """What it wrote; ``ReleaseError`` unless it ended with 0. Too late, or without the lock, it is ended."""
    try:
        return Here(folder, {}, program.timeout).run(program.argv, book.check, changes=True)
    except ReleaseError as error:
        if meaning := program.meanings.get(str(error.details.get("rc"))):
            error.what, error.record = f"{meaning}. {error.what}", f"{meaning}. {error.record}"
        if "rc" in error.details:
            error.remedy = "read what it wrote"
        raise


def run_in(client: KubeClient, namespace: str, chosen: Chosen, program: Program, book: Book) -> Said:
    """It goes on with the next pod whatever becomes of one, but not without the lock."""
    said: dict[str, str] = {}
    bad: list[str] = []
    for pod, container in chosen.containers.items():
        book.look()
        try:
            code, said[pod] = client.exec(pod, namespace, container, program.argv, program.timeout)
        except (NotReady, ApiError) as error:
            bad.append(f"{pod}: {error.what}")
            said[pod] = str(error.details.get("output") or "")
            continue
        if code:
            bad.append(f"{pod}: {_ended(program, code, said[pod])}")
    return Said(said, bad)


def keep(said: Mapping[str, str], folder: str, name: str) -> list[str]:
    """Files, one a pod, that only their owner can read; ``name`` is the beginning of theirs."""
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    files = []
    for pod, text in said.items():
        file = Path(folder, re.sub("[^A-Za-z0-9]+", "-", f"{name} in {pod}"))
        file.touch(mode=0o600)
        file.write_text(text)
        files.append(str(file))
    return files


def _ended(program: Program, code: int, said: str) -> str:
    meaning = program.meanings.get(str(code)) or f"{program.argv[0]} ended with exit code {code}"
    last = " ".join(said.split())[-SHOWN:]
    return f"{meaning}: {last}" if last else meaning
