# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup needs of a PostgreSQL server, whichever way it is reached."""

from __future__ import annotations

import typing as t
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

if t.TYPE_CHECKING:
    from .session import Session

Row = dict[str, t.Any]
Sink = Callable[[bytes], object]

STALL = 300.0
LOCK_TIMEOUT = 30.0


@dataclass(frozen=True)
class Identity:
    """Who answers there; ``version`` as ``server_version_num`` (150020), ``system`` the system identifier."""

    system: str
    version: int
    major: int
    cluster_name: str = ""


@dataclass(frozen=True)
class Program:
    """A client program; ``version`` as it says itself (``15.20``)."""

    name: str
    path: str
    version: str
    major: int


@dataclass(frozen=True)
class DumpOptions:
    """What to dump, and how; times in seconds.

    ``compression`` is ``none``, or a codec and a level as in ``zstd:3``: what ``Server.compression`` returned. ``jobs``
    is for folders only. ``arguments`` are further arguments of pg_dump.
    """

    database: str
    compression: str = "none"
    jobs: int = 1
    stall: float = STALL
    lock_timeout: float = LOCK_TIMEOUT
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class RestoreOptions:
    """How to restore; ``stall`` in seconds.

    ``bytes`` is the size of an archive that comes in chunks, ``jobs`` is for an archive that is a file or folder.
    ``settings`` are set in the sessions of pg_restore, ``arguments`` are further arguments of it.
    """

    bytes: int = 0
    jobs: int = 1
    stall: float = STALL
    settings: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


class Snapshot(ABC):
    """One moment of one database, for as long as it is held: what pg_dump and queries see alike.

    ``name`` is for ``--snapshot``; ``at`` is in UTC; ``lsn`` is empty on a server that cannot say.
    """

    name: str
    at: datetime
    lsn: str

    @abstractmethod
    def rows(self, sql: str) -> list[Row]:
        """The rows of one SELECT at that moment."""


class Server(ABC):
    """A PostgreSQL server; every method raises a ReleaseError with the server's words.

    A context manager: leaving it ends its sessions and whatever was made to reach the server. ``where`` names the
    server in messages (``db.example:5432``, ``pod shop/pg-0 (postgres)``).
    """

    where: str

    @abstractmethod
    def rows(self, sql: str, database: str = "postgres") -> list[Row]:
        """The rows of one SELECT; values are as JSON has them: numbers, texts, booleans, lists, None."""

    @abstractmethod
    def run(self, sql: str, database: str = "postgres", *, transaction: bool = False) -> None:
        """One statement, or several separated by semicolons that take effect together or not at all.

        ``CREATE DATABASE`` and the like can only be alone. With ``transaction`` they stand between
        BEGIN and COMMIT.
        """

    @abstractmethod
    def run_alone(self, sql: str, database: str, settings: Mapping[str, str]) -> None:
        """One statement outside of any transaction, in a session of its own, which ends with this call."""

    @abstractmethod
    def session(self, database: str, settings: Mapping[str, str]) -> AbstractContextManager[Session]:
        """A session of its own with these settings, for statements one after the other outside of any transaction."""

    @abstractmethod
    def identity(self) -> Identity: ...

    @abstractmethod
    def program(self, name: str) -> Program:
        """The client program of the server's own major version, or Refused with what to install and where."""

    @abstractmethod
    def compression(self, wanted: str) -> str:
        """``wanted``, or for ``auto`` the best that this pg_dump was built with; Refused when it was not."""

    @abstractmethod
    def dump(self, options: DumpOptions, snapshot: str, sink: Sink) -> None:
        """Pass on an archive in custom format, in chunks of at most 1 MiB; return only when it is complete."""

    @abstractmethod
    def dump_folder(self, options: DumpOptions, snapshot: str, folder: Path) -> None:
        """Write an archive in directory format into a folder that does not exist yet; Refused where that cannot be."""

    @abstractmethod
    def restore(self, database: str, archive: Iterable[bytes] | Path, options: RestoreOptions) -> None:
        """Restore into a database that exists and is empty; what a failure leaves there is not to be used."""

    @abstractmethod
    def require_restore(self, jobs: int, *, folder: bool) -> None:
        """``Refused`` where ``restore`` would be: without its program, or if such an archive cannot get there."""

    @abstractmethod
    def holding_snapshot(self, database: str) -> AbstractContextManager[Snapshot]:
        """A snapshot that stays valid inside; the source's vacuum waits for it."""

    @abstractmethod
    def locked(self, database: str, *, shared: bool = False) -> AbstractContextManager[None]:
        """Hold the lock of backups and restores of this database; Refused names who holds it.

        The lock ends with the session that holds it, so a killed run holds nothing.
        """

    def close(self) -> None:  # noqa: B027
        """End what is open; the server can be used again afterwards."""

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
