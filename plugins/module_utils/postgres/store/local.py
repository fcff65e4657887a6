# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a folder: ``<store>/<id>/manifest.json`` and the files beside it.

What is being written, replaced or deleted is in ``<store>/.drafts``, each with a lock file that its writer holds locked
while it lives. One rename makes a draft a backup, one rename unmakes a backup.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from ...errors import Refused, ReleaseError
from ..manifest import FileEntry, Malformed, Manifest
from .base import CHUNK, DELETED, MANIFEST, Absent, Store, damaged, is_id, require_id, valid_file, valid_id

_LOCK = ".lock"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalStore(Store):
    """``path`` is made if only it itself is missing, so that a file system that is not mounted is noticed."""

    def __init__(self, path: str) -> None:
        self.where = path
        self._path = Path(path)
        self._drafts = self._path / ".drafts"

    def backups(self) -> list[Manifest]:
        found = [manifest for manifest in map(self._whole, self._ids()) if manifest]
        return sorted(found, key=lambda manifest: (manifest.made_at, manifest.id))

    def broken(self) -> list[tuple[str, str]]:
        reasons = []
        for id in self._ids():
            try:
                self.find(id)
            except Malformed as error:
                reasons.append((id, error.what))
        return reasons

    def find(self, id: str) -> Manifest | None:
        folder = self._path / valid_id(id)
        if not os.path.lexists(folder):
            return None
        with _telling("read", folder):
            try:
                manifest = Manifest.parse(b"".join(_pieces(folder / MANIFEST)))
            except (FileNotFoundError, NotADirectoryError):
                raise Malformed(f"{folder} has no manifest", where=self.where) from None
            _complete(manifest, id, folder)
        return manifest

    @contextlib.contextmanager
    def draft(self, id: str) -> Iterator[LocalDraft]:
        with self._workplace(valid_id(id)) as folder:
            yield LocalDraft(id, folder, self._path)

    def read(self, id: str, name: str) -> Iterator[bytes]:
        path = self._path / valid_id(id) / valid_file(name)
        try:
            with _telling("read", path):
                yield from _pieces(path)
        except FileNotFoundError:
            raise Absent(f"backup {id} has no file {name}", where=self.where) from None

    @contextlib.contextmanager
    def fetched(self, id: str) -> Iterator[Path]:
        manifest = self.the(id)
        problem = damaged(manifest, self.checked(manifest), self.where)
        if problem:
            raise problem
        yield self._path / id

    def amend(self, id: str, manifest: Manifest) -> None:
        self.the(id)
        with self._workplace(id) as folder, _telling("write", self._path / id):
            _write_whole(folder / MANIFEST, manifest.to_bytes())
            os.rename(folder / MANIFEST, self._path / id / MANIFEST)
            _sync(self._path / id)

    def delete(self, id: str) -> str:
        self.the(id)
        with self._workplace(id) as folder, _telling("delete", self._path / id):
            os.rename(self._path / id, folder / "deleted")
            _sync(self._path)
        return DELETED

    def sweep(self) -> list[str]:
        if not self._drafts.is_dir():
            return []
        with _telling("sweep", self._drafts), self._lock():
            names = {entry.name.removesuffix(_LOCK) for entry in self._drafts.iterdir()}
            return [name for name in sorted(names) if self._swept(name)]

    def _ids(self) -> list[str]:
        with _telling("read", self._path):
            try:
                return sorted(entry.name for entry in os.scandir(self._path) if is_id(entry.name))
            except FileNotFoundError:
                return []

    def _whole(self, id: str) -> Manifest | None:
        try:
            return self.find(id)
        except Malformed:
            return None

    @contextlib.contextmanager
    def _workplace(self, id: str) -> Iterator[Path]:
        """A folder of its own in ``.drafts``, locked for as long as this process lives, gone afterwards."""
        name = f"{id}~{uuid.uuid4().hex}"
        folder, lock = self._drafts / name, self._drafts / f"{name}{_LOCK}"
        with _telling("write", self._path):
            self._make()
            with self._lock():
                held = os.open(lock, _NEW, 0o600)
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.mkdir(folder, 0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lock)
            os.close(held)

    def _make(self) -> None:
        for folder in (self._path, self._drafts):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
                _sync(folder.parent)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Nobody makes or removes a workplace meanwhile. The file is never removed."""
        held = os.open(self._path / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)

    def _swept(self, name: str) -> bool:
        lock = self._drafts / f"{name}{_LOCK}"
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(FileNotFoundError):
                held = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
                stack.callback(os.close, held)
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
            shutil.rmtree(self._drafts / name, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lock)
        return True


class LocalDraft:
    """A folder that is renamed when it is whole."""

    def __init__(self, id: str, folder: Path, store: Path) -> None:
        self.folder = folder
        self._id = id
        self._store = store
        self._files: dict[str, FileEntry] = {}

    def sink(self, name: str) -> LocalSink:
        path = self.folder / valid_file(name)
        with _telling("write", path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return LocalSink(name, os.open(path, _NEW, 0o600), path, self._files)

    def adopt(self, name: str) -> FileEntry:
        path = self.folder / valid_file(name)
        digest, count = hashlib.sha256(), 0
        with _telling("read", path):
            for piece in _pieces(path):
                digest.update(piece)
                count += len(piece)
            os.chmod(path, 0o600)
            _sync(path)
        self._files[name] = FileEntry(name, count, digest.hexdigest())
        return self._files[name]

    def commit(self, manifest: Manifest) -> Manifest:
        self._agrees(manifest)
        final = self._store / self._id
        with _telling("write", final):
            for folder, _folders, _files in os.walk(self.folder, topdown=False):
                os.chmod(folder, 0o700)
                _sync(Path(folder))
            _write_whole(self.folder / MANIFEST, manifest.to_bytes())
            _sync(self.folder)
            try:
                os.rename(self.folder, final)
            except (FileExistsError, NotADirectoryError):
                raise _taken(self._id, final) from None
            except OSError as error:
                raise (_taken(self._id, final) if error.errno == errno.ENOTEMPTY else error) from None
            _sync(self._store)
        return manifest

    def _agrees(self, manifest: Manifest) -> None:
        """The manifest is about exactly the files that are there."""
        inside = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if not path.is_dir()}
        listed = {file.name: (file.bytes, file.sha256) for file in manifest.files}
        written = {name: (file.bytes, file.sha256) for name, file in self._files.items()}
        if manifest.id != self._id or listed != written or set(listed) != inside:
            odd = sorted(inside ^ set(listed)) or sorted(name for name in listed if listed[name] != written.get(name))
            raise ReleaseError(f"the manifest of backup {self._id} is not about what was written: {', '.join(odd)}")


class LocalSink:
    """Writes and hashes; the entry is known once it is closed."""

    def __init__(self, name: str, descriptor: int, path: Path, files: dict[str, FileEntry]) -> None:
        self._name, self._descriptor, self._path, self._files = name, descriptor, path, files
        self._digest, self._count = hashlib.sha256(), 0

    def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        with _telling("write", self._path):
            _write_all(self._descriptor, piece)
        self._count += len(piece)

    def close(self) -> FileEntry:
        with _telling("write", self._path):
            os.fsync(self._descriptor)
            os.close(self._descriptor)
        self._files[self._name] = FileEntry(self._name, self._count, self._digest.hexdigest())
        return self._files[self._name]


def _complete(manifest: Manifest, id: str, folder: Path) -> None:
    require_id(manifest, id, str(folder))
    for file in manifest.files:
        try:
            size = os.stat(folder / file.name, follow_symlinks=False).st_size
        except FileNotFoundError:
            raise Malformed(f"{folder} has no {file.name}, which its manifest names") from None
        if size != file.bytes:
            raise Malformed(f"{folder / file.name} has {size} bytes, the manifest says {file.bytes}")


def _taken(id: str, final: Path) -> Refused:
    return Refused(
        f"there is something named {id} already",
        where=str(final),
        remedy="give the backup another id; what is there was not touched, and this run left nothing",
    )


def _pieces(path: Path) -> Iterator[bytes]:
    with open(os.open(path, _OLD), "rb", buffering=0) as stream:
        while piece := stream.read(CHUNK):
            yield piece


def _write_whole(path: Path, content: bytes) -> None:
    descriptor = os.open(path, _NEW, 0o600)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(path: Path) -> None:
    descriptor = os.open(path, _OLD)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _telling(verb: str, path: Path) -> Iterator[None]:
    """Turn what the system says into a sentence; that something is missing is for the caller to judge."""
    try:
        yield
    except FileNotFoundError:
        if verb == "write":
            raise ReleaseError(
                f"cannot write {path}: the folder it is in is not there",
                remedy="mount or make it first",
            ) from None
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise ReleaseError(
            f"cannot {verb} {path}: {error.strerror or error}",
            remedy="make room there, or keep backups elsewhere; earlier backups are untouched and nothing of this one "
            "is left"
            if full
            else "",
        ) from error
