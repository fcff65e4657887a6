# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and small backups for tests that are not about how they are made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import Check, Manifest, Proof
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.base import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SERVER = {"system": "7301", "version": 150020, "major": 15, "cluster_name": "main"}


def manifest(id: str = "shop-1", age: timedelta = timedelta(hours=1), **more: Any) -> Manifest:
    given = {
        "id": id,
        "database": "shop",
        "release": "",
        "format": "custom",
        "compression": "zstd:3",
        "made_at": NOW - age,
        "finished_at": NOW - age + timedelta(seconds=9),
        "server": SERVER,
        "client_version": "15.20",
        "files": (),
        "extensions": {"plpgsql": "1.0"},
    }
    return Manifest(**{**given, **more})


def proof(level: str = "restore", age: timedelta = timedelta(hours=1), ok: bool = True) -> Proof:
    return Proof(level, NOW - age, 3.25, (Check("rows of public.orders", 3, 3 if ok else 2, ok),))


def kept(store: Store, id: str = "shop-1", content: bytes = b"archive", **more: Any) -> Manifest:
    """A backup with one file in the store."""
    with store.draft(id) as draft:
        sink = draft.sink("data.dump")
        sink.write(content)
        entry = sink.close()
        return draft.commit(replace(manifest(id, **more), files=(entry,)))
