# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups are kept. A backup is in a store only once its manifest is; everything before that is a draft."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ...errors import Refused, ReleaseError
from ..manifest import Check, FileEntry, Malformed, Manifest

MANIFEST = "manifest.json"
CHUNK = 1 << 20
"""Bytes in a piece that is read or written at once."""
DELETED = "deleted"
RETAINED = "retained"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class Absent(ReleaseError):
    """The store has no such backup."""


class Damaged(ReleaseError):
    """A stored file is not what its manifest says."""


class Sink(Protocol):
    """Takes the bytes of one file of a draft, hashes them on the way and keeps none of them."""

    def write(self, piece: bytes) -> None: ...

    def close(self) -> FileEntry:
        """The file is complete and will survive a power cut once the draft is committed."""


class Draft(Protocol):
    """A backup being written: nobody sees it before ``commit``."""

    @property
    def folder(self) -> Path:
        """A folder of its own for programs that write files; it goes with the draft."""

    def sink(self, name: str) -> Sink: ...

    def adopt(self, name: str) -> FileEntry:
        """Take a file that a program wrote into ``folder``, hashed."""

    def commit(self, manifest: Manifest) -> Manifest:
        """Make it a backup, manifest last; the manifest as stored. ``Refused`` if there is one with this id."""


class Store(ABC):
    """``where`` names the place for people, without secrets."""

    where: str

    @abstractmethod
    def backups(self) -> list[Manifest]:
        """Those whose manifest holds, oldest first."""

    @abstractmethod
    def broken(self) -> list[tuple[str, str]]:
        """Id, and why it is no backup."""

    @abstractmethod
    def find(self, id: str) -> Manifest | None:
        """``Malformed`` if there is something of this id that is no backup."""

    @abstractmethod
    def draft(self, id: str) -> AbstractContextManager[Draft]:
        """On the way out without ``commit``, for whatever reason, nothing of it is left."""

    @abstractmethod
    def read(self, id: str, name: str) -> Iterator[bytes]:
        """The file as stored, in pieces of at most 1 MiB; nothing is checked."""

    @abstractmethod
    def fetched(self, id: str) -> AbstractContextManager[Path]:
        """The files of the backup in a folder of this machine, their hashes checked; ``Damaged`` names the first."""

    @abstractmethod
    def amend(self, id: str, manifest: Manifest) -> None:
        """Replace the manifest in one step; for a higher proof, or a pin."""

    @abstractmethod
    def delete(self, id: str) -> str:
        """``deleted``, or ``retained`` if the store must keep it for some time. The manifest goes first."""

    @abstractmethod
    def sweep(self) -> list[str]:
        """Remove what dead runs left behind; what was removed. Never what a living run is still writing."""

    def the(self, id: str) -> Manifest:
        """``Absent`` if there is no backup of this id."""
        manifest = self.find(id)
        if manifest is None:
            raise Absent(
                f"there is no backup {id}",
                where=self.where,
                remedy="pg_backup_info lists the backups of this store",
            )
        return manifest

    def checked(self, manifest: Manifest) -> list[Check]:
        """The hash of every stored file against the manifest's."""
        return [self._checked(manifest, file) for file in manifest.files]

    def _checked(self, manifest: Manifest, file: FileEntry) -> Check:
        digest = hashlib.sha256()
        try:
            for piece in self.read(manifest.id, file.name):
                digest.update(piece)
            found = digest.hexdigest()
        except Absent:
            found = "missing"
        return Check(f"sha256 of {file.name}", file.sha256, found, found == file.sha256)


def valid_id(id: str) -> str:
    """The id if it may name a backup in every store."""
    if not is_id(id):
        raise Refused(
            f"{id!r} cannot name a backup",
            remedy="use up to 80 letters, digits, dots, hyphens and underscores, a letter or digit first",
        )
    return id


def is_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None


def require_id(manifest: Manifest, id: str, where: str) -> None:
    """``Malformed`` if the manifest is not that of this backup, or names files that could not be in it."""
    if manifest.id != id:
        raise Malformed(f"{where} has the manifest of backup {manifest.id}")
    for file in manifest.files:
        if file.name == MANIFEST or not _FILE.fullmatch(file.name):
            raise Malformed(f"the manifest of backup {id} names the file {file.name!r}, which cannot be in it")


def valid_file(name: str) -> str:
    """The name if it may name a file of a backup: relative, within its folder, not the manifest."""
    if name == MANIFEST or not _FILE.fullmatch(name):
        raise Refused(f"{name!r} cannot name a file of a backup")
    return name


def damaged(manifest: Manifest, checks: Iterable[Check], where: str) -> Damaged | None:
    """The error for the first file that is not what the manifest says."""
    for check in checks:
        if not check.ok:
            return Damaged(
                f"backup {manifest.id} is damaged: {check.name} is {check.found}, the manifest says {check.expected}",
                where=where,
                remedy="use another backup; this one cannot be trusted",
            )
    return None
