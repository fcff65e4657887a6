# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a database itself, and which a plain restore of its dump would lose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Properties:
    """``provider``: libc, icu or builtin. ``acl``: (grantee, privilege, grantable), grantee empty for PUBLIC."""

    owner: str
    encoding: str
    provider: str
    collate: str
    ctype: str
    locale: str
    tablespace: str
    connection_limit: int
    comment: str
    acl: tuple[tuple[str, str, bool], ...]

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Properties:
        raise NotImplementedError


@dataclass(frozen=True)
class Setting:
    """ALTER DATABASE … SET, or with ``role`` ALTER ROLE … IN DATABASE … SET.

    A parameter with a dot in its name is an application's and may be a secret: only its hash is kept.
    """

    role: str
    name: str
    value: str
    sha256: str

    def to_dict(self) -> dict[str, str]:
        raise NotImplementedError
