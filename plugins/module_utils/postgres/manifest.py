# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup says about itself. A backup exists only if its manifest holds; secrets are never in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from ..errors import ReleaseError

SCHEMA = 1
NONE = "none"
LEVELS = ("checksum", "decode", "restore", "full")
"""How far a backup is proven, from the least to the most."""


class Malformed(ReleaseError):
    """What should be a manifest is none, or not the one that was written."""


def reaches(level: str, wanted: str) -> bool:
    """Whether ``level`` is ``wanted`` or more; ``none`` reaches nothing but itself."""
    order = (NONE, *LEVELS)
    return order.index(level) >= order.index(wanted)


@dataclass(frozen=True)
class FileEntry:
    """A file of a backup as it is stored; the plain ones are of what was encrypted, if it was."""

    name: str
    bytes: int
    sha256: str
    plain_bytes: int = 0
    plain_sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        stored = {"name": self.name, "bytes": self.bytes, "sha256": self.sha256}
        if not self.plain_sha256:
            return stored
        return {**stored, "plain_bytes": self.plain_bytes, "plain_sha256": self.plain_sha256}


@dataclass(frozen=True)
class Check:
    """One comparison of a proof; ``expected`` and ``found`` as JSON has them."""

    name: str
    expected: Any
    found: Any
    ok: bool


@dataclass(frozen=True)
class Proof:
    """How far a backup was proven, when (``at``, UTC), in how many seconds, and by which checks."""

    level: str
    at: datetime
    seconds: float
    checks: tuple[Check, ...] = ()

    @property
    def holds(self) -> bool:
        return all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        checks = [_values(check) for check in self.checks]
        return {"level": self.level, "at": text_of(self.at), "seconds": round(self.seconds, 3), "checks": checks}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Proof:
        if given["level"] not in LEVELS:
            raise ValueError(f"{given['level']!r} is no level of a proof")
        checks = tuple(Check(**check) for check in given["checks"])
        return cls(given["level"], time_of(given["at"]), float(given["seconds"]), checks)


@dataclass(frozen=True)
class Manifest:
    """One backup. ``made_at`` is the time of the snapshot (UTC), which its contents are the contents of.

    ``server``: system, version, major, cluster_name. ``tables``, ``sequences`` and ``large_objects`` as ``Contents``,
    ``extensions`` … ``properties`` as ``Facts`` has them, both of the snapshot.
    ``folder``: where in the store its files are, if not beside the manifest.
    ``pinned``: why it must be kept, or empty. ``phases``: seconds.
    """

    id: str
    database: str
    release: str
    format: str
    compression: str
    made_at: datetime
    finished_at: datetime
    server: Mapping[str, Any]
    client_version: str
    files: tuple[FileEntry, ...]
    extensions: Mapping[str, str]
    timescaledb: str = ""
    schema_revision: str = ""
    lsn: str = ""
    encryption: str = ""
    tables: tuple[Mapping[str, Any], ...] = ()
    sequences: tuple[Mapping[str, Any], ...] = ()
    large_objects: Mapping[str, Any] | None = None
    settings: tuple[Any, ...] = ()
    roles: tuple[str, ...] = ()
    properties: Mapping[str, Any] | None = None
    schema_sha256: str = ""
    pinned: str = ""
    proof: Proof | None = None
    phases: Mapping[str, float] | None = None
    folder: str = ""

    @property
    def size(self) -> int:
        """What is stored, in bytes; ``bytes`` in JSON."""
        return sum(file.bytes for file in self.files)

    @property
    def level(self) -> str:
        """The level it is proven to, ``none`` without a proof."""
        return self.proof.level if self.proof else NONE

    @property
    def system(self) -> str:
        """The identifier of the system it was made from."""
        return str(self.server["system"])

    def file(self, name: str) -> FileEntry:
        for entry in self.files:
            if entry.name == name:
                return entry
        raise Malformed(f"backup {self.id} has no file {name}")

    def to_dict(self) -> dict[str, Any]:
        """JSON values only; ``sha256`` is the hash of everything else."""
        plain = {
            **_values(self),
            "schema": SCHEMA,
            "made_at": text_of(self.made_at),
            "finished_at": text_of(self.finished_at),
            "files": [file.to_dict() for file in self.files],
            "bytes": self.size,
            "proof": self.proof.to_dict() if self.proof else None,
        }
        plain = json.loads(_compact(plain))
        return {**plain, "sha256": _digest(plain)}

    def to_bytes(self) -> bytes:
        """What is written into the store."""
        return _compact(self.to_dict()) + b"\n"

    @classmethod
    def of(cls, given: Any) -> Manifest:
        """``Malformed`` if it is of another schema, incomplete, or changed since it was written."""
        if not isinstance(given, dict) or given.get("schema") != SCHEMA:
            found = given.get("schema") if isinstance(given, dict) else type(given).__name__
            raise Malformed(
                f"this is no manifest of schema {SCHEMA}: schema {found}",
                remedy="read it with the version of the collection that wrote it",
            )
        if given.get("sha256") != _digest({key: value for key, value in given.items() if key != "sha256"}):
            raise Malformed("the manifest does not have the hash it states: it was changed, or is not whole")
        try:
            return cls(**_typed(given))
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"the manifest is incomplete or has wrong values: {error}") from error

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """What ``to_bytes`` wrote."""
        try:
            given = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"the manifest is no JSON, or not whole: {error}") from error
        return cls.of(given)


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_of(text: str) -> datetime:
    """``ValueError`` if it is no time with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    values = {field.name: given[field.name] for field in fields(Manifest)}
    for name in ("tables", "sequences", "settings", "roles"):
        values[name] = tuple(values[name])
    values["files"] = tuple(FileEntry(**file) for file in values["files"])
    values["proof"] = Proof.of(values["proof"]) if values["proof"] else None
    for name in ("made_at", "finished_at"):
        values[name] = time_of(values[name])
    return values


def _values(of: Any) -> dict[str, Any]:
    return {field.name: getattr(of, field.name) for field in fields(of)}


def _compact(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict).encode()


def _digest(plain: Any) -> str:
    return hashlib.sha256(_compact(plain)).hexdigest()
