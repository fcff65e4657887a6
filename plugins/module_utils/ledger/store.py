# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger in the cluster: ConfigMaps that are only added to, closed when full, and sealed at the end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ApiError, Conflict, Refused
from ..kube.backoff import Pacing, delay
from ..kube.kinds import CONFIGMAP
from ..kube.patches import pointer
from .chain import SEAL, Draft, Entry, Head, now, root

if TYPE_CHECKING:
    from ..kube.client import KubeClient

LABEL = "runbook.release/ledger"
ENTRY_LIMIT = 32 * 1024
CHUNK_LIMIT = 256 * 1024
PATIENCE = 30.0
SLOWEST_ATTEMPT = 3
RELEASE_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
Obj = dict[str, Any]


@dataclass(frozen=True)
class Tail:
    """The newest chunk and its newest entry; ``chunk`` is None before the first entry."""

    chunk: Obj | None
    number: int
    last: Entry | None

    @property
    def is_closed(self) -> bool:
        return self.chunk is None or bool(self.chunk.get("immutable"))


class Store:
    """The ledger of one release in one namespace."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        release: str,
        pacing: Pacing | None = None,
        patience: float = PATIENCE,
    ) -> None:
        if not RELEASE_ID.fullmatch(release):
            raise Refused(
                f"{release!r} cannot be the id of a release: its ledger's ConfigMaps are named after it",
                remedy="use at most 63 lower-case letters, digits, dots and hyphens, no dot or hyphen at an end",
            )
        self.client = client
        self.namespace = namespace
        self.release = release
        self._pacing = pacing or Pacing()
        self._patience = patience
        self._known: Tail | None = None

    def texts(self) -> list[str]:
        """All entries as they are stored, in the order they are stored in."""
        chunks = self.client.list(CONFIGMAP, self.namespace, labels=f"{LABEL}={self.release}")
        ordered = sorted(chunks, key=self._chunk_number)
        return [text for chunk in ordered for _key, text in sorted((chunk.get("data") or {}).items())]

    def append(self, draft: Draft) -> Entry:
        """Add one entry after the newest one, whoever else is adding."""
        if draft.what == SEAL:
            raise Refused(f"an entry cannot say {SEAL!r}: that ends the ledger", remedy="use state=sealed")
        return self._append(draft)

    def seal(self, who: str, fence: int) -> tuple[Entry, bool]:
        """End the ledger with an entry that says so; the entry, and whether it is new."""
        last = self._tail().last
        if last is None:
            raise Refused("there is no ledger to seal", where=self.where, remedy="see whether the release id is right")
        if last.what == SEAL:
            return last, False
        return self._append(Draft(SEAL, None, None, who, fence)), True

    @property
    def where(self) -> str:
        return f"ledger of release {self.release} in namespace {self.namespace}"

    def _append(self, draft: Draft) -> Entry:
        deadline, attempt = self._pacing.clock() + self._patience, 0
        tried: set[str] = set()
        while True:
            try:
                return self._append_once(draft, tried)
            except ApiError as error:
                if not _may_pass(error) or self._pacing.clock() > deadline:
                    raise
            self._pacing.sleep(delay(min(attempt, SLOWEST_ATTEMPT), self._pacing.chance()))
            attempt += 1

    def _append_once(self, draft: Draft, tried: set[str]) -> Entry:
        """``Conflict`` if someone else was faster: every write names the state of the chunk it was made for.

        So the chunk as the write before left it needs no look. One of those ``tried`` before may have got there
        although its answer was lost; then it is the one.
        """
        tail, self._known = self._known or self._tail(), None
        if tail.chunk is not None and (arrived := tried.intersection((tail.chunk.get("data") or {}).values())):
            return Entry.parse(arrived.pop())
        self._check(tail, draft)
        entry = draft.following(tail.last.head if tail.last else root(self.release), now())
        text = entry.text
        if len(text.encode()) > ENTRY_LIMIT:
            raise Refused(
                f"an entry of {len(text.encode())} bytes is too large for the ledger, which takes {ENTRY_LIMIT}",
                where=f"{draft.what!r}, {self.where}",
                remedy="keep what is large in a file, and record its SHA-256; an export takes files too",
            )
        tried.add(text)
        if tail.chunk is None or tail.is_closed:
            number = tail.number + 1
            chunk = self._begin_chunk(f"ledger-{self.release}-{number}", entry, text)
        else:
            number, chunk = tail.number, self._extend(tail.chunk, entry, text)
        self._known = None if self.client.dry_run else Tail(chunk, number, entry)
        return entry

    def _begin_chunk(self, name: str, entry: Entry, text: str) -> Obj:
        data = {_key(entry.head): text}
        body: Obj = {"metadata": {"name": name, "labels": {LABEL: self.release}}, "data": data}
        if entry.what == SEAL:
            body["immutable"] = True
        try:
            return self.client.create(CONFIGMAP, body, self.namespace)
        except ApiError:
            found = self.client.get(CONFIGMAP, name, self.namespace) or {}
            if (found.get("data") or {}) != data:
                raise
            return found

    def _extend(self, chunk: Obj, entry: Entry, text: str) -> Obj:
        metadata, key = chunk["metadata"], _key(entry.head)
        ops: list[Obj] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": pointer("data", key), "value": text},
        ]
        if entry.what == SEAL or _size(chunk["data"]) + len(key) + len(text.encode()) + ENTRY_LIMIT > CHUNK_LIMIT:
            ops.append({"op": "add", "path": "/immutable", "value": True})
        return self.client.json_patch(CONFIGMAP, metadata["name"], ops, self.namespace)

    def _check(self, tail: Tail, draft: Draft) -> None:
        if tail.last is None:
            return
        if tail.last.what == SEAL:
            raise Refused(
                f"the ledger is sealed since {tail.last.when} by {tail.last.who}",
                where=self.where,
                remedy="what happens from now on belongs to the ledger of another release",
            )
        if draft.fence < tail.last.fence:
            raise Refused(
                f"fencing token {draft.fence} is stale: {tail.last.who} went on with {tail.last.fence}"
                f" at {tail.last.when}",
                where=self.where,
                remedy="stop this run; the release belongs to someone else now",
            )

    def _tail(self) -> Tail:
        chunks = self.client.list_metadata(CONFIGMAP, self.namespace, labels=f"{LABEL}={self.release}")
        if not chunks:
            return Tail(None, 0, None)
        newest = max(chunks, key=self._chunk_number)
        name = newest["metadata"]["name"]
        chunk = self.client.get(CONFIGMAP, name, self.namespace)
        if chunk is None:
            raise Conflict(f"ConfigMap {name} is being deleted", where=self.where, remedy="see who deletes ledgers")
        return Tail(chunk, self._chunk_number(chunk), self._newest_entry(name, chunk.get("data") or {}))

    def _newest_entry(self, chunk: str, data: dict[str, str]) -> Entry:
        try:
            return Entry.parse(data[max(data)])
        except ValueError as error:
            raise Refused(
                f"the newest entry of the ledger cannot be read, so none can follow it: {error}",
                where=f"ConfigMap {self.namespace}/{chunk}",
                remedy="see with state=verified what was altered",
            ) from error

    def _chunk_number(self, chunk: Obj) -> int:
        name = str(chunk["metadata"]["name"])
        number = name.removeprefix(f"ledger-{self.release}-")
        if not number.isdecimal():
            raise Refused(
                f"ConfigMap {name} has the label {LABEL}={self.release} but is no part of that ledger",
                where=f"namespace {self.namespace}",
                remedy="remove the label, and find out who set it",
            )
        return int(number)


def _may_pass(error: ApiError) -> bool:
    """Whether it was somebody faster, a server that is busy, or an answer that was lost."""
    return isinstance(error, Conflict) or error.status >= 500 or error.uncertain


def _key(head: Head) -> str:
    return f"{head.number:08d}"


def _size(data: dict[str, str]) -> int:
    return sum(len(key) + len(text.encode()) for key, text in data.items())
