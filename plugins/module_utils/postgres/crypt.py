# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption by the program ``age``: on the way into a store, so no plain text reaches a disk, and on the way back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Self, cast

from ..errors import Refused, ReleaseError
from .manifest import Check, FileEntry, Manifest
from .store import aside
from .store.base import CHUNK, Damaged, Draft, Sink, Store, damaged

AGE = "age"
SUFFIX = ".age"


class Encryptor:
    """Encrypts for ``recipients``, which are public keys: ``age1…`` or of SSH."""

    def __init__(self, recipients: Sequence[str]) -> None:
        if not recipients:
            raise Refused("encryption has no recipients", remedy="give the public keys that may decrypt the backup")
        self._command = [_program(), "--encrypt"]
        for recipient in recipients:
            if not recipient.startswith(("age1", "ssh-")):
                raise Refused(
                    f"{recipient[:12]}… is no recipient",
                    remedy="give public keys that begin with age1 or ssh-; a private key does not belong here",
                )
            self._command += ["--recipient", recipient]

    def prove(self) -> None:
        """``ReleaseError`` if the recipients cannot be encrypted for; to be known before a dump begins."""
        list(_through(self._command, iter(())))

    def over(self, sink: Sink) -> EncryptingSink:
        """A sink for plain text that writes what ``sink`` stores."""
        return EncryptingSink(self._command, sink)


class EncryptingSink:
    """What is written goes through ``age`` into the sink below; leaving it as a context ends ``age``."""

    def __init__(self, command: Sequence[str], below: Sink) -> None:
        self._below = below
        self._digest, self._count = hashlib.sha256(), 0
        self._pipe = _Pipe(command)
        self._trouble: list[BaseException] = []
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._count += len(piece)
        try:
            self._pipe.stdin.write(piece)
        except OSError:
            self._end()
            raise

    def close(self) -> FileEntry:
        self._end()
        return replace(self._below.close(), plain_bytes=self._count, plain_sha256=self._digest.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._pipe.kill()
        self._thread.join()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._pipe.stdin.close()
        self._thread.join()
        if self._trouble:
            self._pipe.kill()
            raise self._trouble[0]
        self._pipe.finish()

    def _carry(self) -> None:
        try:
            for piece in self._pipe.pieces():
                self._below.write(piece)
        except BaseException as error:
            self._trouble.append(error)
            self._pipe.kill()


class OpenedStore(Store):
    """A store as somebody with the private key sees it: what was encrypted is read in plain text.

    The hash of what is stored is checked before anything is decrypted, that of the plain text afterwards.
    """

    def __init__(self, store: Store, identity_file: str) -> None:
        self.where = store.where
        self._store = store
        self._identity = identity_file

    def require_key(self, manifest: Manifest) -> None:
        """``ReleaseError`` unless the private key is there and opens the backup; its first bytes are decrypted."""
        if not os.access(self._identity, os.R_OK):
            raise Refused(
                f"there is no identity file {self._identity} that can be read",
                remedy="give encryption.identity_file, the file with the private key",
            )
        entry = next(entry for entry in manifest.files if entry.plain_sha256)
        with contextlib.closing(decrypt(self._store.read(manifest.id, entry.name), self._identity)) as pieces:
            next(pieces, b"")

    def read(self, id: str, name: str) -> Iterator[bytes]:
        manifest = self.the(id)
        entry = manifest.file(name)
        if not entry.plain_sha256:
            yield from self._store.read(id, name)
            return
        problem = damaged(manifest, [self._store._checked(manifest, entry)], self.where)
        if problem:
            raise problem
        yield from _verified(manifest, entry, decrypt(self._store.read(id, name), self._identity), self.where)

    @contextlib.contextmanager
    def fetched(self, id: str) -> Iterator[Path]:
        manifest = self.the(id)
        with self._store.fetched(id) as folder:
            if not any(entry.plain_sha256 for entry in manifest.files):
                yield folder
                return
            with aside.folder() as plain:
                for entry in manifest.files:
                    self._decrypt(manifest, entry, folder, plain)
                yield plain

    def _decrypt(self, manifest: Manifest, entry: FileEntry, folder: Path, plain: Path) -> None:
        with open(folder / entry.name, "rb") as source:
            stored = iter(lambda: source.read(CHUNK), b"")
            pieces = decrypt(stored, self._identity) if entry.plain_sha256 else stored
            if aside.write(plain / entry.name, pieces) != (entry.plain_sha256 or entry.sha256):
                raise _another(manifest, entry, self.where)

    def backups(self) -> list[Manifest]:
        return self._store.backups()

    def broken(self) -> list[tuple[str, str]]:
        return self._store.broken()

    def find(self, id: str) -> Manifest | None:
        return self._store.find(id)

    def draft(self, id: str) -> contextlib.AbstractContextManager[Draft]:
        return self._store.draft(id)

    def amend(self, id: str, manifest: Manifest) -> None:
        self._store.amend(id, manifest)

    def delete(self, id: str) -> str:
        return self._store.delete(id)

    def sweep(self) -> list[str]:
        return self._store.sweep()

    def checked(self, manifest: Manifest) -> list[Check]:
        return self._store.checked(manifest)


def decrypt(pieces: Iterable[bytes], identity_file: str) -> Generator[bytes, None, None]:
    """The plain text; ``ReleaseError`` before or after its last piece if it is not whole or the key is not the one."""
    return _through([_program(), "--decrypt", "--identity", identity_file], pieces)


def _verified(manifest: Manifest, entry: FileEntry, pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != entry.plain_sha256:
        raise _another(manifest, entry, where)


def _another(manifest: Manifest, entry: FileEntry, where: str) -> Damaged:
    return Damaged(f"{entry.name} of backup {manifest.id} decrypts to something else than was encrypted", where=where)


def _through(command: Sequence[str], pieces: Iterable[bytes]) -> Generator[bytes, None, None]:
    pipe = _Pipe(command)
    trouble: list[BaseException] = []

    def feed() -> None:
        try:
            for piece in pieces:
                pipe.stdin.write(piece)
        except BrokenPipeError:
            pass  # it has ended, and says why
        except BaseException as error:
            trouble.append(error)
            pipe.kill()
        finally:
            with contextlib.suppress(OSError):
                pipe.stdin.close()

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield from pipe.pieces()
        feeder.join()
        if trouble:
            raise trouble[0]
        pipe.finish()
    finally:
        pipe.kill()


class _Pipe:
    """A running program that says little but what its error is about."""

    def __init__(self, command: Sequence[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        self.stdin = cast("IO[bytes]", _Whole(cast("IO[bytes]", self._process.stdin)))

    def pieces(self) -> Iterator[bytes]:
        stdout = cast("IO[bytes]", self._process.stdout)
        while piece := stdout.read(CHUNK):
            yield piece

    def finish(self) -> None:
        said = cast("IO[bytes]", self._process.stderr).read().decode(errors="replace").strip().splitlines()
        if self._process.wait() == 0:
            return
        raise ReleaseError(
            f"age ended with {self._process.returncode}: {said[0] if said else 'without a word'}",
            remedy="check the keys: the recipients of the backup, and the identity file that belongs to one of them",
        )

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class _Whole:
    """An unbuffered pipe whose ``write`` writes everything."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe

    def write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[self._pipe.write(rest) :]

    def close(self) -> None:
        self._pipe.close()


def _program() -> str:
    path = shutil.which(AGE)
    if path is None:
        raise Refused(
            "the program age is not installed here", remedy="install the package age, or do without encryption"
        )
    return path
