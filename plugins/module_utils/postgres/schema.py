# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A schema, object by object, so that a difference has a name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from . import archive

if TYPE_CHECKING:
    from .server import Server

Objects = Mapping[str, str]
"""``INDEX public orders_at_idx`` to its owner and the statements that make it."""

_NOT_SCHEMA = (
    "BLOB",
    "BLOBS",
    "BLOB METADATA",
    "MATERIALIZED VIEW DATA",
    "SEQUENCE SET",
    "STATISTICS DATA",
    "SUBSCRIPTION",
    "TABLE DATA",
)
_OF_THE_DATABASE = ("DATABASE", "DATABASE PROPERTIES")
_ABOUT = ("ACL", "COMMENT", "SECURITY LABEL")

_CAST_ELEMENT = re.compile(r"\(((?:'(?:[^']|'')*')::(?:character varying|bpchar)(?:\(\d+\))?)\)::text")
_CAST_ARRAY = re.compile(
    r"\(ARRAY\[((?:'(?:[^']|'')*'::(?:character varying|bpchar)(?:\(\d+\))?(?:, )?)+)\]\)::text\[\]"
)


def read(server: Server, database: str, snapshot: str = "") -> Objects:
    """Every object of the database as pg_dump writes it, in the snapshot of that name, or as it is now."""
    from .server import DumpOptions

    if not snapshot:
        with server.holding_snapshot(database) as held:
            return read(server, database, held.name)
    pieces: list[bytes] = []
    server.dump(DumpOptions(database, arguments=("--schema-only",)), snapshot, pieces.append)
    return archived(pieces)


def archived(pieces: Iterable[bytes]) -> Objects:
    """The same of an archive, from its first pieces; subscriptions are left out, as they are never restored."""
    return objects(archive.contents(pieces).entries)


def objects(entries: Iterable[archive.Entry]) -> Objects:
    found: dict[str, list[str]] = {}
    for entry in entries:
        if not _is_schema(entry):
            continue
        name = " ".join(filter(None, (entry.kind, entry.schema, entry.tag)))
        found.setdefault(name, []).append(f"-- owner {entry.owner}\n{_normal(entry.text)}")
    return {name: "".join(sorted(texts)) for name, texts in found.items()}


def sha256(objects: Objects) -> str:
    """``Manifest.schema_sha256``."""
    text = json.dumps(dict(objects), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_schema(entry: archive.Entry) -> bool:
    if entry.kind in (*_NOT_SCHEMA, *_OF_THE_DATABASE):
        return False
    return not (entry.kind in _ABOUT and entry.tag.startswith(("DATABASE ", "LARGE OBJECT", "SUBSCRIPTION ")))


def _normal(text: str) -> str:
    """PostgreSQL writes ``x IN ('a', 'b')`` of a varchar one way, and another way once that was read back in."""
    text = _CAST_ELEMENT.sub(r"\1", text)
    return _CAST_ARRAY.sub(r"ARRAY[\1]", text)
