# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup on its way into a bucket, under a name that no other draft has."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import Refused, ReleaseError
from ..manifest import FileEntry, Malformed, Manifest
from .base import CHUNK, MANIFEST, require_id, valid_file
from .bucket import MOST_PARTS, Bucket, Missing, Object, Taken
from .claim import Holder, Renewal
from .part import Part

CLAIMS = ".drafts/"


class Claim:
    """This process writes the draft ``token`` of a backup ``id``."""

    def __init__(self, bucket: Bucket, id: str) -> None:
        self.id, self.token = id, uuid.uuid4().hex
        self._bucket = bucket
        self._put()
        self._renewal = Renewal(self._renew)

    def holds(self) -> bool:
        try:
            return self._bucket.get(CLAIMS + self.token) == Holder.me().to_bytes()
        except Missing:
            return False

    def end(self) -> None:
        self._renewal.stop()
        with contextlib.suppress(ReleaseError):
            self._bucket.delete(CLAIMS + self.token)

    def _renew(self) -> None:
        with contextlib.suppress(ReleaseError):
            if self.holds():
                self._put()

    def _put(self) -> None:
        self._bucket.put_bytes(CLAIMS + self.token, Holder.me().to_bytes(), locked=False)


class S3Draft:
    """Objects under a name of their own; ``folder`` is on this machine."""

    def __init__(self, bucket: Bucket, claim: Claim, folder: Path) -> None:
        self.folder = folder
        self.committed = False
        self._offered = False
        self._bucket, self._claim = bucket, claim
        self._sinks: list[S3Sink] = []

    def sink(self, name: str) -> S3Sink:
        sink = S3Sink(self._bucket, f"{self._claim.id}/{self._claim.token}/{valid_file(name)}", name, self.folder)
        self._sinks.append(sink)
        return sink

    def adopt(self, name: str) -> FileEntry:
        sink = self.sink(name)
        path = self.folder / name
        with path.open("rb", buffering=0) as source:
            while piece := source.read(CHUNK):
                sink.write(piece)
        entry = sink.close()
        path.unlink()
        return entry

    def commit(self, manifest: Manifest) -> Manifest:
        listed = {(file.name, file.bytes, file.sha256) for file in manifest.files}
        written = {(file.name, file.bytes, file.sha256) for file in (sink.entry for sink in self._sinks) if file}
        if manifest.id != self._claim.id or listed != written or len(written) != len(self._sinks):
            raise ReleaseError(f"the manifest of backup {self._claim.id} is not about what was written")
        stored = replace(manifest, folder=self._claim.token)
        try:
            require_complete(stored, stored.id, self._bucket.objects(f"{stored.id}/{stored.folder}/"))
        except Malformed as error:
            raise ReleaseError(f"the store does not have what was written: {error.what}") from error
        self._offered = True
        with contextlib.suppress(Taken):
            self._bucket.put_bytes(manifest_key(stored.id), stored.to_bytes(), new=True)
        self._settle(stored)
        self.committed = True
        return stored

    def discard(self) -> None:
        """Leave nothing, its manifest first; what cannot be removed now is removed by the next sweep."""
        with contextlib.suppress(ReleaseError):
            if self._offered:
                self._withdraw()
            for sink in self._sinks:
                sink.discard()

    def _withdraw(self) -> None:
        key = manifest_key(self._claim.id)
        with contextlib.suppress(Missing):
            if Manifest.parse(self._bucket.get(key)).folder == self._claim.token:
                self._bucket.delete(key)

    def _settle(self, stored: Manifest) -> None:
        """Whose manifest it is, is what the store says: an answer may have got lost, or the condition been ignored.

        A sweep that took this run for dead removed its claim before it looked for a manifest.
        """
        if self._bucket.get(manifest_key(stored.id)) != stored.to_bytes():
            raise _taken(stored.id, self._bucket.place.where)
        if not self._claim.holds():
            raise ReleaseError(
                f"backup {stored.id} was given up: this run was silent for so long that another one took it for dead",
                where=self._bucket.place.where,
                remedy="start it again",
            )


@dataclass
class _Upload:
    id: str
    parts: list[dict[str, Any]]
    running: Future[dict[str, Any]] | None = None


class S3Sink:
    """One object: in parts once it is longer than one of them, of which one is sent while the next one fills."""

    def __init__(self, bucket: Bucket, key: str, name: str, folder: Path) -> None:
        self.entry: FileEntry | None = None
        self._bucket, self._key, self._name, self._folder = bucket, key, name, folder
        self._digest, self._count = hashlib.sha256(), 0
        self._limit = bucket.place.part_size << 20
        self._filling = Part(folder)
        self._upload: _Upload | None = None
        self._sender = ThreadPoolExecutor(max_workers=1)

    def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._count += len(piece)
        rest = memoryview(piece)
        while rest:
            if self._filling.bytes == self._limit:
                self._send()
            room = self._limit - self._filling.bytes
            self._filling.write(rest[:room])
            rest = rest[room:]

    def close(self) -> FileEntry:
        if self._upload is None:
            self._bucket.put(self._key, self._filling.body(), self._filling.md5)
        else:
            self._send()
            self._collect(self._upload)
            self._bucket.complete(self._key, self._upload.id, self._upload.parts)
        self._filling.close()
        self._sender.shutdown()
        self.entry = FileEntry(self._name, self._count, self._digest.hexdigest())
        return self.entry

    def discard(self) -> None:
        self._sender.shutdown(cancel_futures=True)
        self._filling.close()
        if self._upload:
            self._bucket.abort(self._key, self._upload.id)
        self._bucket.delete(self._key)

    def _send(self) -> None:
        """Hand over what was filled; the part before it has arrived then."""
        upload = self._upload = self._upload or _Upload(self._bucket.begin(self._key), [])
        self._collect(upload)
        number = len(upload.parts) + 1
        if number > MOST_PARTS:
            raise ReleaseError(
                f"{self._name} is longer than {MOST_PARTS} parts of {self._limit >> 20} MiB, the most S3 takes",
                remedy="set store.s3.part_size higher",
            )
        part, self._filling = self._filling, Part(self._folder)
        upload.running = self._sender.submit(self._sent, upload.id, number, part)

    def _sent(self, upload: str, number: int, part: Part) -> dict[str, Any]:
        with contextlib.closing(part):
            return self._bucket.part(self._key, upload, number, part.body(), part.md5)

    def _collect(self, upload: _Upload) -> None:
        if upload.running:
            upload.parts.append(upload.running.result())
            upload.running = None


def manifest_key(id: str) -> str:
    return f"{id}/{MANIFEST}"


def file_key(manifest: Manifest, name: str) -> str:
    return f"{manifest.id}/{manifest.folder}/{valid_file(name)}"


def require_complete(manifest: Manifest, id: str, objects: Sequence[Object]) -> None:
    require_id(manifest, id, id)
    sizes = {each.key: each.bytes for each in objects}
    for file in manifest.files:
        size = sizes.get(file_key(manifest, file.name))
        if size != file.bytes:
            found = "is not there" if size is None else f"has {size} bytes"
            raise Malformed(f"{file.name} of backup {id} {found}, its manifest says {file.bytes} bytes")


def _taken(id: str, where: str) -> Refused:
    return Refused(
        f"there is a backup {id} already",
        where=where,
        remedy="give the backup another id; what is there was not touched, and this run left nothing",
    )
