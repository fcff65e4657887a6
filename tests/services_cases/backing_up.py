# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_backup as a playbook calls it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore

Run = Callable[..., dict[str, Any]]


def nothing_left(store: LocalStore) -> bool:
    path = Path(store.where)
    return [*(path / ".drafts").iterdir()] == [] and {entry.name for entry in path.iterdir()} <= {".drafts", ".lock"}
