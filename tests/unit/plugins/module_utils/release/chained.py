# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries as a ledger would hold them, without one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry, root
from ansible_collections.runbook.release.plugins.module_utils.release.machine import (
    INDEX_BEGUN,
    INDEX_ENDED,
    INDEX_LIFTED,
    RELEASE_BEGINS,
    RELEASE_ENDS,
)
from ansible_collections.runbook.release.plugins.module_utils.release.story import Story

BEGINS = {"version": "1.4.0", "inputs": {"chart of api": "aa", "live api": "bb"}, "first": False}
ENDS = {"verdict": "released", "reason": "", "seconds": 12.5}


def chain(said: Iterable[tuple[str, Any]], who: str = "bob@laptop", fence: int = 7) -> list[Entry]:
    head, entries = root("shop"), []
    for what, after in said:
        entries.append(Draft(what, None, after, who, fence).following(head, f"2026-11-24T19:00:{len(entries):02d}Z"))
        head = entries[-1].head
    return entries


def story(*whats: str) -> Story:
    known = {RELEASE_BEGINS: BEGINS, RELEASE_ENDS: ENDS}
    return Story.of(chain((what, known.get(what)) for what in whats))


def begun(release: str, version: str = "1.4.0") -> tuple[str, Any]:
    return INDEX_BEGUN, {"release": release, "version": version, "plan": "5f1d", "who": "bob@laptop"}


def restoring(id: str = "s1") -> tuple[str, Any]:
    """The begin of a restore, as the index keeps it."""
    return INDEX_BEGUN, {"release": id, "version": "", "plan": "", "who": "bob@laptop", "kind": "restore"}


def ended(release: str, verdict: str = "released", version: str = "1.4.0", seconds: float = 10.0) -> tuple[str, Any]:
    after = {"release": release, "version": version, "verdict": verdict, "seconds": seconds, "head": {}}
    return INDEX_ENDED, after


def lifted(version: str = "1.4.0") -> tuple[str, Any]:
    return INDEX_LIFTED, {"version": version, "reason": "mended", "who": "bob@laptop"}
