# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a bucket: ``<id>/manifest.json`` and its files in ``<id>/<draft>/``.

No two drafts share a name, so neither can harm the other, and the manifest, written last and only if there is none,
decides which one is the backup. A draft is claimed (``.drafts/<draft>``) before its first byte and until it has ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import ReleaseError
from ..manifest import FileEntry, Malformed, Manifest
from . import aside
from .base import DELETED, MANIFEST, RETAINED, Absent, Store, damaged, is_id, valid_file, valid_id
from .bucket import Bucket, Missing, Object, Place
from .claim import Holder, gone
from .s3_draft import CLAIMS, Claim, S3Draft, file_key, manifest_key, require_complete


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
            content = self._bucket.get(manifest_key(valid_id(id)))
        except Missing:
            return None
        manifest = Manifest.parse(content)
        require_complete(manifest, id, self._bucket.objects(f"{id}/"))
        return manifest

    @contextlib.contextmanager
    def draft(self, id: str) -> Iterator[S3Draft]:
        claim = Claim(self._bucket, valid_id(id))
        draft = None
        try:
            with aside.folder() as folder:
                draft = S3Draft(self._bucket, claim, folder)
                yield draft
        finally:
            if draft and not draft.committed:
                draft.discard()
            claim.end()

    def read(self, id: str, name: str) -> Iterator[bytes]:
        manifest = self.the(id)
        try:
            yield from self._bucket.pieces(file_key(manifest, name))
        except Missing:
            raise Absent(f"backup {id} has no file {name}", where=self.where) from None

    @contextlib.contextmanager
    def fetched(self, id: str) -> Iterator[Path]:
        manifest = self.the(id)
        with aside.folder() as folder:
            for entry in manifest.files:
                self._fetch(manifest, entry, folder / valid_file(entry.name))
            yield folder

    def amend(self, id: str, manifest: Manifest) -> None:
        known = self.the(id)
        self._bucket.put_bytes(manifest_key(id), replace(manifest, folder=known.folder).to_bytes())

    def delete(self, id: str) -> str:
        manifest = self.the(id)
        keys = [manifest_key(id), *(file_key(manifest, entry.name) for entry in manifest.files)]
        if any(self._bucket.retained(key) for key in keys):
            return RETAINED
        for key in keys:
            self._bucket.delete(key)
        return DELETED

    def sweep(self) -> list[str]:
        """The order matters: a claim that is seen to be gone is gone before the manifest is looked for."""
        objects, uploads = self._bucket.objects(), self._bucket.uploads()
        claims = {each.key.removeprefix(CLAIMS): each for each in objects if each.key.startswith(CLAIMS)}
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
                require_complete(manifest, id, objects)
                results.append((manifest, ""))
            except Malformed as error:
                results.append((id, error.what))
            except Missing:
                continue
        return results

    def _fetch(self, manifest: Manifest, entry: FileEntry, path: Path) -> None:
        if aside.write(path, self._bucket.pieces(file_key(manifest, entry.name))) != entry.sha256:
            checks = [self._checked(manifest, entry)]
            raise damaged(manifest, checks, self.where) or ReleaseError(
                f"{entry.name} of backup {manifest.id} did not arrive as it is stored", where=self.where
            )

    def _ended(self, token: str, claim: Object | None) -> bool:
        """Whether nobody writes this draft; a claim of a dead writer is removed."""
        if claim is None:
            return not self._bucket.objects(CLAIMS + token)
        with contextlib.suppress(Missing):
            if not gone(Holder.parse(self._bucket.get(claim.key)), claim.silent):
                return False
            self._bucket.delete(claim.key)
        return True

    def _named(self, id: str, token: str) -> bool:
        try:
            return Manifest.parse(self._bucket.get(manifest_key(id))).folder == token
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


def _draft(key: str) -> tuple[str, str]:
    """Id and draft a key belongs to; no draft for a manifest or a claim."""
    id, _slash, rest = key.partition("/")
    token, slash, _file = rest.partition("/")
    return (id, token) if slash and not id.startswith(".") else (id, "")
