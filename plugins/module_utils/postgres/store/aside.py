# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a backup on this machine and outside of a store, for as long as the run lives that needs them.

They may be a whole dump in plain text. So the folder says who holds it, and each run removes those of dead ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...errors import ReleaseError
from .claim import Holder, Renewal, gone

PREFIX = "runbook-backup-"
_HOLDER, _FILES = "holder", "files"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty one that nobody else can read, gone afterwards."""
    own, note = _made()
    renewal = Renewal(lambda: _touch(note))
    try:
        yield own / _FILES
    finally:
        renewal.stop()
        shutil.rmtree(own, ignore_errors=True)


def write(path: Path, pieces: Iterable[bytes]) -> str:
    """The SHA-256 of what was written, which is all of it."""
    digest = hashlib.sha256()
    with _telling(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, _NEW, 0o600)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                with _telling(path):
                    count = os.write(descriptor, rest)
                digest.update(rest[:count])
                rest = rest[count:]
    finally:
        with _telling(path):
            os.close(descriptor)
    return digest.hexdigest()


def _made() -> tuple[Path, Path]:
    with _telling(Path(os.environ.get("TMPDIR") or "a temporary folder")):
        place = Path(tempfile.gettempdir())
    with _telling(place):
        _sweep(place)
        own = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        note = own / _HOLDER
        note.write_bytes(Holder.me().to_bytes())
        (own / _FILES).mkdir(mode=0o700)
    return own, note


def _sweep(place: Path) -> None:
    """Only what is our own, and whose holder is dead."""
    for left in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if left.lstat().st_uid == os.getuid() and _is_left(left):
                shutil.rmtree(left, ignore_errors=True)


def _is_left(left: Path) -> bool:
    note = left / _HOLDER
    try:
        holder, seen = Holder.parse(note.read_bytes()), note.stat().st_mtime
    except FileNotFoundError:
        holder, seen = None, left.lstat().st_mtime
    return gone(holder, time.time() - seen)


def _touch(note: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(note)


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReleaseError(
            f"cannot write {path}: {error.strerror or error}",
            remedy="make room there, or set TMPDIR to where there is some; nothing of it is left",
        ) from error
