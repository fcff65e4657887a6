# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases a system declares, each with what holds for all of them: the one place that says how each is saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import Refused

STORE, CRONJOB, NOWHERE = "store", "cronjob", ""
"""Where the backups of a database go: into a store of ours, wherever a CronJob puts them, or nowhere."""
PROOF = "restore"
_SHARED = ("proof", "proof_within", "age", "encryption", "keep", "scratch")

Given = Mapping[str, Any]


def databases(declared: Iterable[Given] | None, backups: Given | None = None) -> dict[str, dict[str, Any]]:
    """By name; ``backup`` is one of the words above, ``sentence`` says it in the plan. What nobody set is not there."""
    found: dict[str, dict[str, Any]] = {}
    for one in declared or ():
        if one["name"] in found:
            raise Refused(
                f"Database {one['name']} is declared twice", where="release_databases", remedy="remove one of them"
            )
        found[one["name"]] = _database(one, backups or {})
    return found


def _database(given: Given, backups: Given) -> dict[str, Any]:
    said = {"proof": PROOF, **_set({name: backups.get(name) for name in _SHARED}), **_set(given)}
    cronjob = given["server"].get("cronjob") or ""
    store = None if cronjob else given.get("store") or backups.get("store")
    said.pop("store", None)
    said |= _set({"store": store})
    return {
        **said,
        "backup": CRONJOB if cronjob else STORE if store else NOWHERE,
        "sentence": _sentence(said, cronjob),
    }


def _sentence(said: Given, cronjob: str) -> str:
    """Empty for a database that is not backed up."""
    if cronjob:
        return f"{said['name']}, by CronJob {cronjob}, which nobody proves"
    return f"{said['name']}, proven to the level {said['proof']}" if "store" in said else ""


def _set(given: Given) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value not in (None, "", {})}
