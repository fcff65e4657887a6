# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is room for a second copy of a database; known where the server's own folder can be seen."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Refused
from . import sql

if TYPE_CHECKING:
    from .manifest import Manifest
    from .server import Server

_SPARE = 1.2
_FOLDERS = """
select s.setting as data, coalesce(nullif(pg_tablespace_location(t.oid), ''), s.setting) as copy
from pg_settings s, pg_tablespace t where s.name = 'data_directory' and t.spcname = {tablespace}"""
_DEFAULT = "pg_default"
_SYSTEM_IDENTIFIER = 8


def require(server: Server, live: str, backup: Manifest) -> None:
    """``Refused`` if a copy certainly does not fit; where the disk cannot be seen, nothing is said."""
    free = free_bytes(server, str((backup.properties or {}).get("tablespace") or _DEFAULT))
    needed = int(_SPARE * max(backup.size, _size(server, live) if live else 0))
    if free is not None and free < needed:
        raise Refused(
            f"there is no room for another copy: {needed >> 20} MiB are needed, {free >> 20} MiB are free",
            where=server.where,
            remedy="make room, for example drop databases that earlier restores replaced; nothing was restored",
            code="nospace",
        )


def free_bytes(server: Server, tablespace: str = _DEFAULT) -> int | None:
    """Of the disk under that tablespace, if the server's data folder is on this machine."""
    rows = server.rows(_FOLDERS.format(tablespace=sql.text(tablespace)))
    if not rows:
        return None
    folder = Path(str(rows[0]["data"]))
    try:
        with (folder / "global" / "pg_control").open("rb") as control:
            system = int.from_bytes(control.read(_SYSTEM_IDENTIFIER), "little")
        return shutil.disk_usage(rows[0]["copy"]).free if str(system) == server.identity().system else None
    except OSError:
        return None


def _size(server: Server, database: str) -> int:
    return int(server.rows(f"select pg_database_size({sql.text(database)}) as bytes")[0]["bytes"])
