# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The records of releases as mirrors and archives keep them; whoever reads them here does not believe them yet."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Refused, ReleaseError
from ..ledger.mirror import ENTRIES, HEADS, Mirror
from ..ledger.sign import SignedHead

INDEX = "index"
ARCHIVE = ".tar.gz"
LARGEST = 64 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True)
class Record:
    """The ledger of one release as it lies at ``where``, and the heads of it that were signed."""

    where: str
    texts: Sequence[str] = ()
    heads: Sequence[SignedHead] = ()


class Records:
    """The folder of one system, with the index, and for each release a mirror or, if there is none, an archive."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def index(self) -> Record:
        mirror = Mirror(os.path.join(self.folder, INDEX))
        return Record(mirror.folder, mirror.texts())

    def of(self, release: str) -> Record:
        """Without entries if there is neither a mirror nor an archive."""
        if not _NAME.fullmatch(release) or ".." in release:
            raise Refused(
                f"The index names the release {release!r}, which no release can be called",
                where=os.path.join(self.folder, INDEX),
                remedy="find out who changed it",
            )
        folder = os.path.join(self.folder, release)
        mirror = Mirror(folder)
        if texts := mirror.texts():
            return Record(folder, texts, mirror.heads())
        return _unpacked(folder + ARCHIVE) if os.path.exists(folder + ARCHIVE) else Record(folder)


def _unpacked(path: str) -> Record:
    try:
        with tarfile.open(path) as archive:
            texts, heads = (_lines(archive, name) for name in (ENTRIES, HEADS))
        return Record(path, texts, [SignedHead.of(json.loads(line)) for line in heads])
    except (OSError, EOFError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(
            f"The archive of a release cannot be read: {error}", where=path, remedy="export the release again"
        ) from error


def _lines(archive: tarfile.TarFile, name: str) -> list[str]:
    try:
        member = archive.getmember(name)
    except KeyError:
        return []
    if member.size > LARGEST:
        raise ValueError(f"{name} has {member.size} bytes")
    stream = archive.extractfile(member)
    return stream.read().decode("utf-8", "replace").splitlines() if stream else []
