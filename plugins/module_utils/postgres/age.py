# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old backups and their proofs are, and whether that is good enough. Pure; times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..window.spans import words
from .manifest import NONE, Manifest, reaches, text_of


@dataclass(frozen=True)
class Standing:
    """Whether one demand holds, by which backup, and all of it in one sentence."""

    holds: bool
    backup: str
    age: float | None
    sentence: str

    def report(self) -> dict[str, Any]:
        age = None if self.age is None else round(self.age, 1)
        return {"holds": self.holds, "backup": self.backup, "age": age, "sentence": self.sentence}


def age(manifest: Manifest, now: datetime) -> float:
    """Seconds since the moment whose contents it holds."""
    return (now - manifest.made_at).total_seconds()


def sound(manifest: Manifest) -> bool:
    """Not known to be bad: its last proof, if there is one, did not fail."""
    return manifest.proof is None or manifest.proof.holds


def proven(manifest: Manifest, level: str) -> bool:
    """Whether a proof of this level or more holds; of ``none`` whether no proof failed."""
    return sound(manifest) and reaches(manifest.level, level)


def newest(manifests: Sequence[Manifest], level: str = NONE) -> Manifest | None:
    """The one with the youngest contents among those proven to ``level``."""
    fitting = [manifest for manifest in manifests if proven(manifest, level)]
    return max(fitting, key=lambda manifest: (manifest.made_at, manifest.id), default=None)


def recovery_point(manifests: Sequence[Manifest], now: datetime, within: float) -> Standing:
    """Whether no more than ``within`` would be lost: the age of the newest backup that is not known to be bad."""
    found = newest(manifests)
    if found is None:
        return Standing(False, "", None, f"there is no backup, a loss of at most {words(within)} is allowed")
    return _judged(found, "", age(found, now), within)


def proof(manifests: Sequence[Manifest], now: datetime, level: str, within: float | None) -> Standing:
    """Whether there is a backup proven to ``level``, of which the proof is younger than ``within``."""
    ages = [((now - one.proof.at).total_seconds(), one) for one in manifests if one.proof and proven(one, level)]
    if not ages:
        return Standing(False, "", None, f"no backup is proven to level {level}")
    old, found = min(ages, key=lambda each: each[0])
    return _judged(found, f"was proven to level {found.level} and its proof ", old, within)


def report(manifest: Manifest, now: datetime) -> dict[str, Any]:
    """A backup for people and conditions; what it says of each table stays in its manifest."""
    proof = manifest.proof
    failed = [{"name": one.name, "expected": one.expected, "found": one.found} for one in _failed(manifest)]
    return {
        "id": manifest.id,
        "database": manifest.database,
        "release": manifest.release,
        "made_at": text_of(manifest.made_at),
        "age": round(age(manifest, now), 1),
        "seconds": round((manifest.finished_at - manifest.made_at).total_seconds(), 1),
        "bytes": manifest.size,
        "files": len(manifest.files),
        "format": manifest.format,
        "compression": manifest.compression,
        "encryption": manifest.encryption,
        "level": manifest.level if sound(manifest) else NONE,
        "proof": None
        if proof is None
        else {
            "level": proof.level,
            "at": text_of(proof.at),
            "age": round((now - proof.at).total_seconds(), 1),
            "seconds": round(proof.seconds, 1),
            "holds": proof.holds,
            "checks": len(proof.checks),
            "failed": failed,
        },
        "server": dict(manifest.server),
        "client_version": manifest.client_version,
        "extensions": dict(manifest.extensions),
        "timescaledb": manifest.timescaledb,
        "schema_revision": manifest.schema_revision,
        "lsn": manifest.lsn,
        "tables": len(manifest.tables),
        "rows": sum(table["rows"] for table in manifest.tables),
        "large_objects": (manifest.large_objects or {}).get("count", 0),
        "pinned": manifest.pinned,
        "phases": dict(manifest.phases or {}),
    }


def _judged(found: Manifest, what: str, old: float, within: float | None) -> Standing:
    holds = within is None or old <= within
    allowed = "" if within is None else f", at most {words(within)} is allowed"
    return Standing(holds, found.id, old, f"backup {found.id} {what}is {words(old)} old{allowed}")


def _failed(manifest: Manifest) -> list[Any]:
    return [check for check in manifest.proof.checks if not check.ok][:20] if manifest.proof else []
