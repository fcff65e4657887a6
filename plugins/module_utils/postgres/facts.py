# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database is besides its contents, and why a backup of it would be refused or incomplete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .dbprops import Properties, Setting

if TYPE_CHECKING:
    from .server import Server


@dataclass(frozen=True)
class Facts:
    """One database as the catalogs describe it.

    ``extensions``: name to version. ``timescaledb``: its version, or empty. ``roles``: all that its objects name.
    ``bytes``: size on disk. ``refusals``: why this user cannot back up all of it, each with the GRANT that helps.
    """

    database: str
    oid: int
    bytes: int
    extensions: Mapping[str, str]
    timescaledb: str
    roles: tuple[str, ...]
    properties: Properties
    settings: tuple[Setting, ...]
    schema_revision: str
    refusals: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields of a manifest of the same names."""
        return {
            "extensions": dict(self.extensions),
            "timescaledb": self.timescaledb,
            "schema_revision": self.schema_revision,
            "roles": self.roles,
            "properties": self.properties.to_dict(),
            "settings": tuple(setting.to_dict() for setting in self.settings),
        }


def observe(server: Server, database: str) -> Facts:
    """``Refused`` if there is no such database; what else stands in the way is in ``refusals``."""
    raise NotImplementedError
