# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one backup: dump and contents of one snapshot, into a draft that becomes a backup when all of it is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import digest, schema
from .crypt import SUFFIX, Encryptor
from .facts import Facts
from .manifest import FileEntry, Manifest
from .server import DumpOptions, Server, Snapshot
from .store.base import Draft, Store

ARCHIVE = "data.dump"
FOLDER = "data"


@dataclass(frozen=True)
class Wish:
    """What to make; ``options.compression`` is one that the server's pg_dump has."""

    id: str
    release: str
    format: str
    options: DumpOptions
    pinned: str = ""


@dataclass
class _Clock:
    """Seconds of each phase."""

    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.phases[name] = round(time.monotonic() - began, 3)


def take(server: Server, store: Store, wish: Wish, seen: Facts, encryptor: Encryptor | None = None) -> Manifest:
    """The backup, in the store. Whatever goes wrong, there is nothing of it, and the database was only read."""
    clock, database = _Clock(), wish.options.database
    with store.draft(wish.id) as draft, server.holding_snapshot(database) as snapshot:
        before = digest.sequences(snapshot.rows)
        digest.keep(snapshot.rows, wish.options.lock_timeout)
        with clock.phase("schema"):
            schema_sha256 = schema.sha256(schema.read(server, database, snapshot.name))
        with clock.phase("dump"):
            files = _dump(server, snapshot, draft, wish, encryptor)
        with clock.phase("contents"):
            found = digest.of(snapshot.rows, before)
        identity = server.identity()
        recorded: dict[str, Any] = {**seen.to_dict(), **found.to_dict()}
        return draft.commit(
            Manifest(
                id=wish.id,
                database=database,
                release=wish.release,
                format=wish.format,
                compression=wish.options.compression,
                made_at=snapshot.at,
                finished_at=datetime.now(UTC),
                server={
                    "system": identity.system,
                    "version": identity.version,
                    "major": identity.major,
                    "cluster_name": identity.cluster_name,
                },
                client_version=server.program("pg_dump").version,
                files=files,
                lsn=snapshot.lsn,
                encryption="age" if encryptor else "",
                schema_sha256=schema_sha256,
                pinned=wish.pinned,
                phases=clock.phases,
                **recorded,
            )
        )


def _dump(
    server: Server, snapshot: Snapshot, draft: Draft, wish: Wish, encryptor: Encryptor | None
) -> tuple[FileEntry, ...]:
    if wish.format == "directory":
        server.dump_folder(wish.options, snapshot.name, draft.folder / FOLDER)
        names = sorted(path.name for path in (draft.folder / FOLDER).iterdir())
        return tuple(draft.adopt(f"{FOLDER}/{name}") for name in names)
    if encryptor is None:
        plain = draft.sink(ARCHIVE)
        server.dump(wish.options, snapshot.name, plain.write)
        return (plain.close(),)
    with encryptor.over(draft.sink(ARCHIVE + SUFFIX)) as sink:
        server.dump(wish.options, snapshot.name, sink.write)
        return (sink.close(),)
