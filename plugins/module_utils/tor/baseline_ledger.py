# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The baseline of a release in its ledger: captured once, before its traffic moves, and read from any machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..ledger.chain import Entry
from ..ledger.store import Store
from ..release.index import read
from ..release.machine import CAPTURED
from ..release.story import Story
from .capture import baseline_of
from .evaluate import Gate

if TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..release.journal import Book

Captured = dict[str, Any]


@dataclass(frozen=True)
class Before:
    """What was before a release: what was captured of it, as `Baseline.parse` reads it, or that it was the `first`."""

    baseline: Captured
    first: bool = False


def before(client: KubeClient, namespace: str, release: str) -> Before:
    """As the ledger of the release tells it; nothing if there is none."""
    entries = read(Store(client, namespace, release))
    return Before(_in(entries) or {}, bool(Story.of(entries).begun.get("first")))


def captured_once(
    client: KubeClient, namespace: str, release: str, book: Book, measure: Callable[[], Gate]
) -> tuple[Gate, Captured]:
    """What the ledger has, else what is measured now; nothing is once the new version had traffic.

    A baseline that is not complete is not recorded, so that a release that goes on tries again.
    """
    entries = read(Store(client, namespace, release))
    known = _in(entries)
    if known is not None or Story.of(entries).highest:
        return Gate(()), known or {}
    gate = measure()
    found = baseline_of(gate)
    if gate.passed and found:
        book.note(CAPTURED, after=found)
    return gate, found


def _in(entries: Sequence[Entry]) -> Captured | None:
    return next((dict(entry.after) for entry in entries if entry.what == CAPTURED), None)
