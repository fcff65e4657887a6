# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the ledger outside the cluster: a folder with the entries and the signed heads, one JSON text a line."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import ReleaseError
from .chain import Entry, Head
from .sign import SignedHead

ENTRIES = "ledger.jsonl"
HEADS = "heads.jsonl"


class Mirror:
    """One release's folder, for its owner only. Lines are added and synchronised to disk, never changed."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def texts(self) -> list[str]:
        """The entries; none if there is no mirror yet."""
        return self._read(ENTRIES)

    def heads(self) -> list[SignedHead]:
        """Every head that was signed here."""
        try:
            return [SignedHead.of(json.loads(line)) for line in self._read(HEADS)]
        except (ValueError, KeyError, TypeError) as error:
            raise ReleaseError(
                f"a signed head in the mirror cannot be read: {error}",
                where=os.path.join(self.folder, HEADS),
                remedy="find out who changed this file; move it away to go on without its heads",
            ) from error

    def follow(self, entry: Entry, everything: Callable[[], Sequence[str]]) -> bool:
        """Bring the mirror up to ``entry``, with all that others added before; whether there was anything to write."""
        with self._writing(ENTRIES, entry) as file:
            known = _lines(os.pread(file, os.fstat(file).st_size, 0))
            last = self._number(known[-1]) if known else 0
            if last < entry.number - 1:
                new = [text for text in everything() if last < self._number(text) <= entry.number]
            else:
                new = [entry.text] if last < entry.number else []
            if not new and entry.text not in known:
                raise ReleaseError(
                    f"the mirror has another entry {entry.number} than the cluster, and goes on to entry {last}",
                    where=os.path.join(self.folder, ENTRIES),
                    remedy="see with state=verified and this mirror what was cut or altered in the cluster",
                    entry=entry.report(),
                )
            _add(file, new)
        return bool(new)

    def keep(self, signed: SignedHead) -> bool:
        """Add a signed head, unless that head is kept already; whether it was added."""
        new = all(kept.head != signed.head for kept in self.heads())
        if new:
            with self._writing(HEADS, None) as file:
                _add(file, [signed.text])
        return new

    def _read(self, name: str) -> list[str]:
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                return _lines(file.read())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ReleaseError(f"the mirror cannot be read: {error.strerror}", where=str(error.filename)) from error

    def _number(self, text: str) -> int:
        try:
            return Entry.parse(text).number
        except ValueError as error:
            raise ReleaseError(
                f"an entry cannot be mirrored, because it cannot be read: {error}",
                where=os.path.join(self.folder, ENTRIES),
                remedy="see with state=verified and this mirror which one was altered, and where",
            ) from error

    @contextlib.contextmanager
    def _writing(self, name: str, entry: Entry | None) -> Iterator[int]:
        path = os.path.join(self.folder, name)
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            os.chmod(self.folder, 0o700)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(file, 0o600)
                fcntl.flock(file, fcntl.LOCK_EX)
                fresh = not os.fstat(file).st_size
                yield file
            finally:
                os.close(file)
            if fresh:
                _sync_folder(self.folder)
        except OSError as error:
            intact = f"; the cluster's ledger has entry {entry.number} and is intact" if entry else ""
            details: dict[str, Any] = {"entry": entry.report(), "head": entry.head.report()} if entry else {}
            raise ReleaseError(
                f"the mirror cannot be written: {error.strerror}{intact}",
                where=path,
                remedy="make the folder writable and free some space; the next entry brings the mirror up to date",
                **details,
            ) from error


def pins(mirror: Mirror) -> list[Head]:
    """What the mirror remembers of the ledger: its newest entry and the heads signed here."""
    newest = []
    for text in mirror.texts()[-1:]:
        with contextlib.suppress(ValueError):
            newest.append(Entry.parse(text).head)
    return [*newest, *(signed.head for signed in mirror.heads())]


def _lines(content: bytes) -> list[str]:
    """The complete lines; what follows the last line break is what a crash left of a line."""
    return content.decode("utf-8", "replace").split("\n")[:-1]


def _add(file: int, lines: Sequence[str]) -> None:
    """Add all lines or none, instead of what a crash left of a line before."""
    size = os.fstat(file).st_size
    end = os.pread(file, size, 0).rfind(b"\n") + 1
    if end < size:
        os.ftruncate(file, end)
    content = "".join(f"{line}\n" for line in lines).encode()
    try:
        while content:
            content = content[os.write(file, content) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, end)
        raise


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
