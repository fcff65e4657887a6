# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Migrations as SQL files in a folder: ``0001_orders.sql``, and ``0001_orders.down.sql`` to take it back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Refused
from ..postgres.sql import text

TRANSACTION, ALONE, BATCHES = "transaction", "alone", "batches"
_DIRECTIVE = re.compile(r"^-- release: *(\S.*?) *$", re.MULTILINE)
_MODES = {"alone": ALONE, "batches": BATCHES}
_ENDS = re.compile(
    r"^\s*(commit\b|rollback\b|start\s+transaction|begin\s*;|begin\s+(?:transaction|work))",
    re.IGNORECASE | re.MULTILINE,
)
_CONCURRENTLY = re.compile(r"\bconcurrently\b", re.IGNORECASE)
_COMMITS = re.compile(r"\s*(call|do|vacuum|reindex|cluster)\b", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_AFTER, _BATCH = re.compile(r"(?<![:\w]):after\b"), re.compile(r"(?<![:\w]):batch\b")


@dataclass(frozen=True)
class File:
    """One migration; ``mode`` says whether it is one transaction, one statement without any, or done in batches."""

    id: str
    sql: str
    mode: str
    sha256: str
    down: str | None = None

    @property
    def concurrent(self) -> bool:
        """Whether it waits for other transactions by design, without anybody queueing behind it."""
        return _CONCURRENTLY.search(_COMMENT.sub(" ", self.sql)) is not None

    @property
    def whole(self) -> bool:
        """Whether a statement that fails has done nothing, because it commits nothing on its way."""
        return not self.concurrent and _COMMITS.match(_COMMENT.sub(" ", self.sql)) is None

    def batch(self, after: str | None, size: int) -> str:
        """The statement of one batch, which begins after the key of the last one."""
        key = "null" if after is None else text(after)
        return _BATCH.sub(str(size), _AFTER.sub(lambda _match: key, self.sql))


@dataclass(frozen=True)
class Record:
    """What the database knows of a file that was run, or begun; ``after`` is the key of its last batch."""

    id: str
    sha256: str
    mode: str
    state: str
    after: str | None
    rows: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Record:
        return cls(row["name"], row["sha256"], row["mode"], row["state"], row["after"], int(row["rows"]))


def read(folder: Path) -> list[File]:
    """The files of a folder in the order of their names; ``Refused`` if one does not say how it is to be run."""
    if not folder.is_dir():
        raise Refused("There is no folder with migrations", where=str(folder), remedy="give its path as path")
    named = {path.name.removesuffix(".sql"): path for path in sorted(folder.glob("*.sql"))}
    return [_file(path, named.get(f"{one}.down")) for one, path in named.items() if not one.endswith(".down")]


def _file(path: Path, down: Path | None) -> File:
    raw = path.read_bytes()
    sql = _text(path, raw)
    said = _DIRECTIVE.search(sql)
    mode = _MODES.get(said[1], "") if said else TRANSACTION
    if not mode:
        raise _mistake(path, f"says 'release: {said[1]}'" if said else "", "write alone or batches, or nothing")
    if mode == BATCHES and not (_AFTER.search(sql) and _BATCH.search(sql)):
        raise _mistake(path, "is to run in batches, and does not use :after and :batch", "say which rows are a batch")
    undo = _text(down, down.read_bytes()) if down else None
    return File(path.name.removesuffix(".sql"), sql, mode, hashlib.sha256(raw).hexdigest(), undo)


def _text(path: Path, raw: bytes) -> str:
    try:
        sql = raw.decode().strip().rstrip(";")
    except UnicodeDecodeError:
        raise _mistake(path, "is not UTF-8", "save it as UTF-8") from None
    if not sql:
        raise _mistake(path, "is empty", "write its statements, or remove it")
    ends = _ENDS.search(sql)
    if ends:
        raise _mistake(path, f"says {ends[1].upper()}, and is in a transaction already", "take that out of it")
    return sql


def _mistake(path: Path, what: str, remedy: str) -> Refused:
    return Refused(f"{path.name} {what}", where=str(path), remedy=remedy)


def check(files: Sequence[File], records: Sequence[Record], where: str) -> None:
    """Refuse a folder that is not the continuation of what the database has run."""
    known = {file.id: file for file in files}
    for record in records:
        file = known.get(record.id)
        if file is not None and file.sha256 != record.sha256:
            raise Refused(
                f"{record.id} was changed after it had been run. Nothing was changed",
                where=where,
                remedy="put it back as it was, and write what is to change into a new file",
            )
    ran = {record.id for record in records}
    newest = max(ran & known.keys(), default="")
    late = [file.id for file in files if file.id not in ran and file.id < newest]
    if late:
        raise Refused(
            f"{late[0]} comes before {newest}, which has been run. Nothing was changed",
            where=where,
            remedy="give it a name that comes after",
        )
