# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a bucket: ``<id>/manifest.json`` and its files in ``<id>/<draft>/``.

No two drafts share a name, so neither can harm the other, and the manifest, written last and only if there is none,
decides which one is the backup. A draft is claimed (``.drafts/<draft>``) before its first byte and until it has ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import Refused, ReleaseError
from ..manifest import FileEntry, Malformed, Manifest
from .base import CHUNK, DELETED, MANIFEST, RETAINED, Absent, Store, damaged, is_id, require_id, valid_file, valid_id
from .bucket import MOST_PARTS, Bucket, Missing, Object, Place, Taken
from .claim import Holder, Renewal, gone
from .part import Part

_CLAIMS = ".drafts/"


class S3Store(Store):
    def __init__(self, place: Place) -> None:
        self.where = place.where
        self._bucket = Bucket(place)

    def backups(self) -> list[Manifest]:
        found = [one for one, _why in self._scan() if isinstance(one, Manifest)]
        return sorted(found, key=lambda manifest: (manifest.made_at, manifest.id))

    def broken(self) -> list[tuple[str, str]]:
        return [(one, why) for one, why in self._scan() if isinstance(one, str)]

    def find(self, id: str) -> Manifest | None:
        try:
            content = self._bucket.get(_manifest(valid_id(id)))
        except Missing:
            return None
        manifest = Manifest.parse(content)
        _complete(manifest, id, self._bucket.objects(f"{id}/"))
        return manifest

    @contextlib.contextmanager
    def draft(self, id: str) -> Iterator[S3Draft]:
        claim = _Claim(self._bucket, valid_id(id))
        draft = None
        try:
            with tempfile.TemporaryDirectory(prefix="backup-") as folder:
                draft = S3Draft(self._bucket, claim, Path(folder))
                yield draft
        finally:
            if draft and not draft.committed:
                draft.discard()
            claim.end()

    def read(self, id: str, name: str) -> Iterator[bytes]:
        manifest = self.the(id)
        try:
            yield from self._bucket.pieces(_file(manifest, name))
        except Missing:
            raise Absent(f"backup {id} has no file {name}", where=self.where) from None

    @contextlib.contextmanager
    def fetched(self, id: str) -> Iterator[Path]:
        manifest = self.the(id)
        with tempfile.TemporaryDirectory(prefix="backup-") as folder:
            for entry in manifest.files:
                self._fetch(manifest, entry, Path(folder) / valid_file(entry.name))
            yield Path(folder)

    def amend(self, id: str, manifest: Manifest) -> None:
        known = self.the(id)
        self._bucket.put_bytes(_manifest(id), replace(manifest, folder=known.folder).to_bytes())

    def delete(self, id: str) -> str:
        manifest = self.the(id)
        keys = [_manifest(id), *(_file(manifest, entry.name) for entry in manifest.files)]
        if any(self._bucket.retained(key) for key in keys):
            return RETAINED
        for key in keys:
            self._bucket.delete(key)
        return DELETED

    def sweep(self) -> list[str]:
        """The order matters: a claim that is seen to be gone is gone before the manifest is looked for."""
        objects, uploads = self._bucket.objects(), self._bucket.uploads()
        claims = {each.key.removeprefix(_CLAIMS): each for each in objects if each.key.startswith(_CLAIMS)}
        drafts = {_draft(key) for key in (*(each.key for each in objects), *(key for key, _upload in uploads))}
        swept = []
        for id, token in sorted((id, token) for id, token in drafts if token):
            if self._ended(token, claims.get(token)) and not self._named(id, token):
                self._remove(f"{id}/{token}/", objects, uploads)
                swept.append(f"{id}/{token}")
        for token in claims.keys() - {token for _id, token in drafts}:
            self._ended(token, claims[token])
        return swept

    def _scan(self) -> list[tuple[Manifest | str, str]]:
        objects = self._bucket.objects()
        results: list[tuple[Manifest | str, str]] = []
        for each in objects:
            id, _slash, rest = each.key.partition("/")
            if rest != MANIFEST or not is_id(id):
                continue
            try:
                manifest = Manifest.parse(self._bucket.get(each.key))
                _complete(manifest, id, objects)
                results.append((manifest, ""))
            except Malformed as error:
                results.append((id, error.what))
            except Missing:
                continue
        return results

    def _fetch(self, manifest: Manifest, entry: FileEntry, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("xb", buffering=0) as target:
            for piece in self._bucket.pieces(_file(manifest, entry.name)):
                digest.update(piece)
                target.write(piece)
        if digest.hexdigest() != entry.sha256:
            checks = [self._checked(manifest, entry)]
            raise damaged(manifest, checks, self.where) or ReleaseError(
                f"{entry.name} of backup {manifest.id} did not arrive as it is stored", where=self.where
            )

    def _ended(self, token: str, claim: Object | None) -> bool:
        """Whether nobody writes this draft; a claim of a dead writer is removed."""
        if claim is None:
            return not self._bucket.objects(_CLAIMS + token)
        with contextlib.suppress(Missing):
            if not gone(Holder.parse(self._bucket.get(claim.key)), claim.silent):
                return False
            self._bucket.delete(claim.key)
        return True

    def _named(self, id: str, token: str) -> bool:
        try:
            return Manifest.parse(self._bucket.get(_manifest(id))).folder == token
        except Missing:
            return False
        except Malformed:
            return True

    def _remove(self, prefix: str, objects: Sequence[Object], uploads: Sequence[tuple[str, str]]) -> None:
        for key, upload in uploads:
            if key.startswith(prefix):
                self._bucket.abort(key, upload)
        for each in objects:
            if each.key.startswith(prefix):
                self._bucket.delete(each.key)


class _Claim:
    """This process writes the draft ``token`` of a backup ``id``."""

    def __init__(self, bucket: Bucket, id: str) -> None:
        self.id, self.token = id, uuid.uuid4().hex
        self._bucket = bucket
        self._put()
        self._renewal = Renewal(self._renew)

    def holds(self) -> bool:
        try:
            return self._bucket.get(_CLAIMS + self.token) == Holder.me().to_bytes()
        except Missing:
            return False

    def end(self) -> None:
        self._renewal.stop()
        with contextlib.suppress(ReleaseError):
            self._bucket.delete(_CLAIMS + self.token)

    def _renew(self) -> None:
        with contextlib.suppress(ReleaseError):
            if self.holds():
                self._put()

    def _put(self) -> None:
        self._bucket.put_bytes(_CLAIMS + self.token, Holder.me().to_bytes(), locked=False)


class S3Draft:
    """Objects under a name of their own; ``folder`` is on this machine."""

    def __init__(self, bucket: Bucket, claim: _Claim, folder: Path) -> None:
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
            _complete(stored, stored.id, self._bucket.objects(f"{stored.id}/{stored.folder}/"))
        except Malformed as error:
            raise ReleaseError(f"the store does not have what was written: {error.what}") from error
        self._offered = True
        with contextlib.suppress(Taken):
            self._bucket.put_bytes(_manifest(stored.id), stored.to_bytes(), new=True)
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
        key = _manifest(self._claim.id)
        with contextlib.suppress(Missing):
            if Manifest.parse(self._bucket.get(key)).folder == self._claim.token:
                self._bucket.delete(key)

    def _settle(self, stored: Manifest) -> None:
        """Whose manifest it is, is what the store says: an answer may have got lost, or the condition been ignored.

        A sweep that took this run for dead removed its claim before it looked for a manifest.
        """
        if self._bucket.get(_manifest(stored.id)) != stored.to_bytes():
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


def _manifest(id: str) -> str:
    return f"{id}/{MANIFEST}"


def _file(manifest: Manifest, name: str) -> str:
    return f"{manifest.id}/{manifest.folder}/{valid_file(name)}"


def _draft(key: str) -> tuple[str, str]:
    """Id and draft a key belongs to; no draft for a manifest or a claim."""
    id, _slash, rest = key.partition("/")
    token, slash, _file = rest.partition("/")
    return (id, token) if slash and not id.startswith(".") else (id, "")


def _complete(manifest: Manifest, id: str, objects: Sequence[Object]) -> None:
    require_id(manifest, id, id)
    sizes = {each.key: each.bytes for each in objects}
    for file in manifest.files:
        size = sizes.get(_file(manifest, file.name))
        if size != file.bytes:
            found = "is not there" if size is None else f"has {size} bytes"
            raise Malformed(f"{file.name} of backup {id} {found}, its manifest says {file.bytes} bytes")


def _taken(id: str, where: str) -> Refused:
    return Refused(
        f"there is a backup {id} already",
        where=where,
        remedy="give the backup another id; what is there was not touched, and this run left nothing",
    )
