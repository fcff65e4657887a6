# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a backup: its files, that they can be decoded, and that what comes back is what was there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..errors import Refused, ReleaseError
from . import bring, compare, dbprops, decode, digest, facts, room, schema, scratch, sql, timescale
from .dbprops import Properties, Setting
from .manifest import LEVELS, Check, Manifest, Proof

if TYPE_CHECKING:
    from .server import Server
    from .store.base import Store

_HEAP = """
select format('%I.%I', n.nspname, c.relname) as name, v.msg
from pg_class c join pg_namespace n on n.oid = c.relnamespace
cross join lateral {schema}.verify_heapam(c.oid) v
where c.relkind in ('r', 'm', 't') and c.relpersistence = 'p'
order by 1 limit {most}"""
_INDEXES = """
select format('%I.%I', n.nspname, c.relname) as name, i.indexrelid::bigint as oid
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
join pg_am a on a.oid = c.relam
where a.amname = 'btree' and c.relkind = 'i' and c.relpersistence = 'p' and i.indisvalid
order by 1"""
_AMCHECK = """
select n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
where e.extname = 'amcheck'"""
_AMCHECK_SCHEMA = "runbook_amcheck"


def prove(
    server: Server,
    store: Store,
    manifest: Manifest,
    level: str,
    *,
    identity: str = "",
    jobs: int = 1,
) -> Proof:
    """Every check up to ``level``, none after the first step that fails: see ``Proof.holds``.

    ``identity``: file with the age identity, for an encrypted backup. The scratch database is on ``server``, which need
    not be the one the backup is of, and is always dropped.
    """
    if level not in LEVELS:
        raise Refused(f"{level} is no level of a proof", remedy=f"take one of {', '.join(LEVELS)}")
    began = time.monotonic()
    at = datetime.now(UTC)
    checks = list(store.checked(manifest))
    if all(check.ok for check in checks) and level != LEVELS[0]:
        source = bring.readable(store, manifest, identity)
        if level == "decode":
            checks += decode.checks(server, source, manifest)
        else:
            checks += _restored(server, source, manifest, jobs, full=level == "full")
    return Proof(level, at, time.monotonic() - began, tuple(checks))


def same(server: Server, database: str, store: Store, manifest: Manifest) -> Iterator[Check]:
    """Everything the manifest recorded against the database ``database``."""
    recorded, now = Properties.of(manifest.properties or {}), facts.described(server, database)
    archived = schema.objects(bring.listed(store, manifest).entries)
    with server.holding_snapshot(database) as held:
        found = digest.of(held.rows)
        objects = schema.read(server, database, held.name)
    yield from compare.contents(_contents(manifest), found)
    yield from compare.schema(manifest, archived, schema.sha256(archived), objects)
    yield from compare.database(recorded, now.properties)
    settings = tuple(Setting(**setting) for setting in manifest.settings)
    yield from compare.settings(settings, now.settings, (timescale.RESTORING, dbprops.RESTORED_FROM))
    yield from compare.extensions(manifest.extensions, now.extensions)


def _restored(server: Server, store: Store, manifest: Manifest, jobs: int, *, full: bool) -> list[Check]:
    bring.require(server, manifest)
    live = scratch.oid_of(server, manifest.database)
    room.require(server, manifest.database if live else "", manifest)
    recorded = Properties.of(manifest.properties or {})
    with scratch.made(server, recorded, manifest.database, live, f"proof of backup {manifest.id}") as made:
        bring.fill(server, made.name, store, manifest, jobs)
        checks = list(same(server, made.name, store, manifest))
        return [*checks, *sound(server, made.name)] if full else checks


def sound(server: Server, database: str) -> list[Check]:
    """What pg_amcheck asks: every row of every table can be read, and every index has all rows in their order."""
    with _amcheck(server, database) as functions:
        broken = server.rows(_HEAP.format(schema=functions, most=compare.MOST_NAMED), database)
        tables = [Check(f"amcheck of table {row['name']}", "sound", row["msg"], False) for row in broken]
        tables.append(Check("amcheck of tables", "sound", "damaged" if broken else "sound", not broken))
        indexes = server.rows(_INDEXES, database)
        said = {
            row["name"]: _index(server, database, f"{functions}.bt_index_check({row['oid']}, true)") for row in indexes
        }
        return [*tables, *compare.each("amcheck of indexes", dict.fromkeys(said, "sound"), said)]


def _index(server: Server, database: str, call: str) -> str:
    """What is wrong with it, in the server's words."""
    try:
        server.rows(f"select {call} as done", database)
    except ReleaseError as error:
        return error.what
    return "sound"


@contextmanager
def _amcheck(server: Server, database: str) -> Iterator[str]:
    """The schema of the extension's functions; installed only for as long as it takes."""
    found = server.rows(_AMCHECK, database)
    if found:
        yield sql.name(found[0]["schema"])
        return
    server.run(f"create schema {_AMCHECK_SCHEMA}; create extension amcheck schema {_AMCHECK_SCHEMA}", database)
    yield _AMCHECK_SCHEMA
    server.run(f"drop extension amcheck; drop schema {_AMCHECK_SCHEMA}", database)


def _contents(manifest: Manifest) -> digest.Contents:
    if manifest.large_objects is None or manifest.properties is None:
        raise Refused(
            f"backup {manifest.id} does not say what the database held, so nothing can be compared with it",
            remedy="prove it to level decode, or make a backup that records contents",
        )
    return digest.Contents.of(manifest.tables, manifest.sequences, manifest.large_objects)
