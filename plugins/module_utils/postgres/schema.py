# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a schema, object by object, so that a difference has a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Server

Objects = Mapping[str, str]
"""``"INDEX public orders_at_idx"`` to its normalised statements."""


def read(server: Server, database: str, snapshot: str = "") -> Objects:
    """Every object of the database as pg_dump --schema-only writes it, in the snapshot of that name if given."""
    raise NotImplementedError


def parse(text: str) -> Objects:
    """The objects in what pg_dump or pg_restore wrote."""
    raise NotImplementedError


def sha256(objects: Objects) -> str:
    """``Manifest.schema_sha256``."""
    return hashlib.sha256(json.dumps(dict(objects), sort_keys=True).encode()).hexdigest()
