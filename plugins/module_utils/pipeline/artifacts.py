# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pipelines have left: which of it is old, and not needed."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .forge import Forge

Artifact = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """Kept are those younger than `age`, the `newest` of each name, and those whose name or branch is in `keep`."""

    age: timedelta
    newest: int
    keep: Sequence[str]


def old(artifacts: Iterable[Artifact], rule: Rule, now: datetime) -> list[Artifact]:
    """Those that may go, oldest first; what has expired is gone already."""
    by_name: dict[str, list[Artifact]] = defaultdict(list)
    for one in artifacts:
        if not one.get("expired"):
            by_name[str(one["name"])].append(one)
    beyond = [one for each in by_name.values() for one in sorted(each, key=_made, reverse=True)[rule.newest :]]
    return sorted((one for one in beyond if now - _made(one) > rule.age and not _kept(one, rule.keep)), key=_made)


def tidy(forge: Forge, rule: Rule, now: datetime, dry: bool) -> tuple[list[Artifact], int]:
    """Those that went, or would in a `dry` run, and how many stay."""
    found = [one for one in forge.pages("actions/artifacts", "artifacts") if not one.get("expired")]
    gone = old(found, rule, now)
    for one in gone:
        if not dry:
            forge.delete(f"actions/artifacts/{one['id']}")
    return gone, len(found) - len(gone)


def _made(one: Artifact) -> datetime:
    return datetime.fromisoformat(str(one["created_at"]).replace("Z", "+00:00"))


def _kept(one: Artifact, patterns: Sequence[str]) -> bool:
    names = (str(one["name"]), str((one.get("workflow_run") or {}).get("head_branch") or ""))
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)
