# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases made for a proof or a restore, which never outlive the next run and are never anybody's own.

Whoever makes one holds the lock of its name. Whose lock is free has no maker any more, and may be dropped.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Refused, ReleaseError
from . import dbprops, sql
from .dbprops import Properties

if TYPE_CHECKING:
    from .server import Server

PREFIX = "runbook_scratch_"
MAKER = "runbook.release"
_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{24}}")
_ALL = f"""
select datname as name, oid::bigint as oid, coalesce(shobj_description(oid, 'pg_database'), '') as comment
from pg_database where starts_with(datname, '{PREFIX}') order by datname"""
_USED = """
select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%') as used"""


@dataclass
class Scratch:
    """An empty database of ours; ``kept`` once it was put in place of another and is not ours to drop any more."""

    name: str
    oid: int
    kept: bool = False


@contextmanager
def made(server: Server, like: Properties, live: str, live_oid: int, purpose: str) -> Iterator[Scratch]:
    """A new database with the properties of the one that was dumped; dropped on the way out unless ``kept``.

    ``live_oid`` is 0 when the live database is on another server, or nowhere. What went wrong inside is told even if
    the database cannot be dropped.
    """
    sweep(server)
    name = new_name()
    with server.locked(name):
        server.run(dbprops.create(name, like, server.identity().major))
        scratch = Scratch(name, oid_of(server, name))
        try:
            refuse_live(scratch, live, live_oid)
            server.run(comment(name, {"made": MAKER, "scratch": purpose, "of": live}))
            yield scratch
        except BaseException as error:
            if not scratch.kept:
                _dropped_after(server, name, error)
            raise
        if not scratch.kept:
            drop(server, name)


def new_name() -> str:
    return f"{PREFIX}{secrets.token_hex(12)}"


def refuse_live(scratch: Scratch, live: str, live_oid: int) -> None:
    """``Refused`` if what is about to be filled, and dropped later, is the live database."""
    if scratch.name == live or scratch.oid == live_oid or not _NAME.fullmatch(scratch.name):
        raise Refused(f"{scratch.name} is no scratch database of ours, nothing is restored into it", code="identity")


def sweep(server: Server) -> list[str]:
    """Drop what dead runs left: those with our name and mark (or still empty) whose lock is free; their names."""
    dropped = []
    for row in server.rows(_ALL):
        if not _NAME.fullmatch(row["name"]):
            continue
        with suppress(ReleaseError), server.locked(row["name"]):
            if _ours(server, row["name"]):
                drop(server, row["name"])
                dropped.append(str(row["name"]))
    return dropped


def drop(server: Server, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(f"{name} is no scratch database of ours and is not dropped", code="identity")
    server.run(f"drop database if exists {sql.name(name)} with (force)")


def _dropped_after(server: Server, name: str, error: BaseException) -> None:
    """Drop it unless it says what has to be put back; what keeps us from that must not hide the error before."""
    try:
        if not _on_its_way(server, name):
            drop(server, name)
    except ReleaseError as second:
        if isinstance(error, ReleaseError):
            left = f"scratch database {name} could not be dropped ({second.what}), the next run drops it"
            error.remedy = "; ".join(filter(None, (error.remedy, left)))


def _on_its_way(server: Server, name: str) -> bool:
    """Whether a swap into another's place stands on it that was not undone: without it nobody would know of that."""
    return "swap" in record(_words(server, name) or "")


def _words(server: Server, name: str) -> str | None:
    """The comment of one of ours; None if there is no such database."""
    return next((str(row["comment"]) for row in server.rows(_ALL) if row["name"] == name), None)


def oid_of(server: Server, name: str) -> int:
    """0 if there is no such database."""
    found = server.rows(f"select oid::bigint as oid from pg_database where datname = {sql.text(name)}")
    return int(found[0]["oid"]) if found else 0


def comment(name: str, record: dict[str, Any] | str) -> str:
    """The statement that writes a record, or plain words, on a database."""
    words = record if isinstance(record, str) else json.dumps(record, sort_keys=True)
    return f"comment on database {sql.name(name)} is {sql.text(words) if words else 'null'}"


def record(words: str) -> dict[str, Any]:
    """What ``comment`` wrote on a database; empty if somebody else did."""
    try:
        found = json.loads(words)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("made") == MAKER else {}


def _ours(server: Server, name: str) -> bool:
    """Marked, and not on the way into another's place; or killed between being made and being marked."""
    words = _words(server, name)
    if words is None:
        return False
    if words:
        return "scratch" in record(words) and "swap" not in record(words)
    try:
        return not server.rows(_USED, name)[0]["used"]
    except ReleaseError:
        return False
