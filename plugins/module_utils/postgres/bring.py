# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a backup back into an empty database, with all that belongs to the database itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Refused
from . import archive, dbprops, sql, timescale
from .dbprops import Properties
from .manifest import Manifest
from .server import RestoreOptions

if TYPE_CHECKING:
    from .server import Server
    from .store.base import Store

TOC = "toc.dat"
_SETTINGS = {"synchronous_commit": "off"}
_ARGUMENTS = ("--no-subscriptions",)
_MISSING_ROLES = """
select name from unnest(array[{names}]::text[]) name
where not exists (select from pg_roles where rolname = name) order by name"""
_MISSING_EXTENSIONS = """
select name from unnest(array[{names}]::text[]) name
where not exists (select from pg_available_extensions a where a.name = name.name) order by name"""


def require(server: Server, manifest: Manifest) -> None:
    """``Refused`` with everything at once that the server lacks: version, roles, extensions."""
    major = int(manifest.server["major"])
    found = server.identity().major
    if found != major:
        raise Refused(
            f"backup {manifest.id} is of PostgreSQL {major}, the server is PostgreSQL {found}",
            where=server.where,
            remedy=f"restore into a server of version {major}, and upgrade that one",
            code="version",
        )
    lacking = [*_lacking_roles(server, manifest), *_lacking_extensions(server, manifest)]
    if lacking:
        raise Refused(
            f"the server lacks what backup {manifest.id} needs: {'; '.join(lacking)}",
            where=server.where,
            remedy="create or install what is missing, and start again; nothing was restored",
            code="lacking",
        )
    if manifest.timescaledb:
        timescale.require(server, manifest.timescaledb)


def readable(store: Store, manifest: Manifest, identity: str = "") -> Store:
    """The store as somebody with the private key sees it; ``Refused`` if the backup needs one and there is none."""
    if not manifest.encryption:
        return store
    from .crypt import OpenedStore

    if identity:
        return OpenedStore(store, identity)
    if isinstance(store, OpenedStore):
        return store
    raise Refused(
        f"backup {manifest.id} is encrypted",
        where=store.where,
        remedy="give encryption.identity_file, the file with a private key that it was encrypted for",
        code="key",
    )


def require_way(server: Server, store: Store, manifest: Manifest, jobs: int) -> None:
    """``Refused`` if its archive could not be read with the key there is, or not be brought to the server."""
    from .crypt import OpenedStore

    if manifest.encryption and isinstance(store, OpenedStore):
        store.require_key(manifest)
    server.require_restore(jobs, folder=_is_folder(manifest))


def fill(server: Server, name: str, store: Store, manifest: Manifest, jobs: int = 1) -> list[int]:
    """Into the empty database ``name``; numbers of TimescaleDB's jobs that are scheduled, all of them off for now."""
    if manifest.timescaledb:
        timescale.prepare(server, name, manifest.timescaledb)
    with opened(store, manifest, jobs) as source:
        entry = manifest.file(archive_name(manifest))
        options = RestoreOptions(
            bytes=entry.plain_bytes or entry.bytes, jobs=jobs, settings=_SETTINGS, arguments=_ARGUMENTS
        )
        server.restore(name, source, options)
    scheduled = timescale.finish(server, name) if manifest.timescaledb else []
    recorded = Properties.of(manifest.properties or {})
    for statement in (*dbprops.grants(name, recorded), *dbprops.recorded_settings(listed(store, manifest), name)):
        server.run(statement)
    return scheduled


def listed(store: Store, manifest: Manifest) -> archive.Contents:
    """The table of contents of the backup's archive."""
    name = archive_name(manifest)
    return archive.contents(store.read(manifest.id, name))


def archive_name(manifest: Manifest) -> str:
    """The file with the table of contents: the whole archive, or the ``toc.dat`` of a folder."""
    names = [file.name for file in manifest.files]
    return next((name for name in names if Path(name).name == TOC), names[0])


@contextmanager
def opened(store: Store, manifest: Manifest, jobs: int = 1) -> Iterator[Path | Iterable[bytes]]:
    """A path, or pieces so that no decrypted copy comes onto a disk, unless several jobs need one."""
    name = archive_name(manifest)
    folder = _is_folder(manifest)
    if manifest.encryption and jobs == 1 and not folder:
        yield store.read(manifest.id, name)
        return
    with store.fetched(manifest.id) as files:
        yield (files / name).parent if folder else files / name


def _is_folder(manifest: Manifest) -> bool:
    return Path(archive_name(manifest)).name == TOC


def _lacking_roles(server: Server, manifest: Manifest) -> Iterator[str]:
    names = ", ".join(map(sql.text, manifest.roles))
    for row in server.rows(_MISSING_ROLES.format(names=names)):
        yield f"role {row['name']} (CREATE ROLE {sql.name(row['name'])})"


def _lacking_extensions(server: Server, manifest: Manifest) -> Iterator[str]:
    names = ", ".join(map(sql.text, manifest.extensions))
    for row in server.rows(_MISSING_EXTENSIONS.format(names=names)):
        yield f"extension {row['name']} {manifest.extensions[row['name']]}"
