# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ALTER SYSTEM: parameters of the whole server, persistent, with the way back."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import Refused, ReleaseError
from ...release.journal import Book
from .. import sql
from .request import Outcome, Request

if TYPE_CHECKING:
    from ..server import Server

_NAME = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)*")
_LISTS = (
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
)
"""Those that the server quotes element by element: given as one text they would become one element."""
_SECRET = ("primary_conninfo", "ssl_passphrase_command")
_OWN = "postgresql.auto.conf"
_PARAMETERS = """
select coalesce(s.name, w.name) as name, coalesce(s.context, '') as context, coalesce(s.reset_val, '') as value,
  coalesce(s.source, '') as source, coalesce(s.pending_restart, false) as pending,
  (select f.setting from pg_file_settings f where lower(f.name) = w.name and f.sourcefile ~ '{own}$'
   order by f.seqno desc limit 1) as kept
from unnest(array[{names}]::text[]) as w(name) left join pg_settings s on lower(s.name) = w.name"""
_RELOAD = "select pg_reload_conf() as asked"
_LOADED = "select extract(epoch from pg_conf_load_time()) as at"
_OVERRIDDEN = ("command line", "environment variable", "database", "user", "database user", "client")
RELOAD_PATIENCE = 10.0


@dataclass(frozen=True)
class Parameter:
    """``kept`` is what ALTER SYSTEM has set, None if nothing; ``value`` is in effect, from ``source``.

    The ``context`` is empty if the server does not know it (yet: an extension may).
    """

    name: str
    context: str
    value: str
    source: str
    pending: bool
    kept: str | None


@dataclass(frozen=True)
class Change:
    """``after`` is None where what was set is taken back; ``literal`` is the value as SQL has it."""

    name: str
    before: str | None
    after: str | None
    literal: str
    restart: bool

    def statement(self) -> str:
        name = ".".join(map(sql.name, self.name.split(".")))
        return f"alter system reset {name}" if self.after is None else f"alter system set {name} = {self.literal}"

    def back(self) -> str:
        literal = "" if self.before is None else _literal(self.name, self.before)
        return Change(self.name, self.after, self.before, literal, self.restart).statement()

    def sentence(self) -> str:
        was = "" if self.before is None else f" (was {self.before})"
        return f"take back {self.name}{was}" if self.after is None else f"set {self.name} to {self.after}{was}"

    def report(self) -> dict[str, Any]:
        return {"name": self.name, "before": self.before, "after": self.after, "restart": self.restart}


def change(server: Server, request: Request, book: Book) -> Outcome:
    have = observe(server, list(request.settings))
    return apply(server, request, decide(have, request.settings), book)


def observe(server: Server, names: Sequence[str]) -> dict[str, Parameter]:
    wanted = ", ".join(sql.text(name.lower()) for name in names)
    rows = server.rows(_PARAMETERS.format(names=wanted, own=re.escape(_OWN)))
    return {row["name"].lower(): Parameter(**row) for row in rows}


def decide(have: Mapping[str, Parameter], wanted: Mapping[str, Any]) -> list[Change]:
    """What differs from what is kept; ``Refused`` for what no such parameter is, or cannot be set this way."""
    changes: list[Change] = []
    for name, given in wanted.items():
        _check(name, have.get(name.lower()))
        known, after = have[name.lower()], None if given is None else _text(name, given)
        if not _same(known, after):
            literal = "" if after is None else _literal(name, after)
            changes.append(Change(known.name, known.kept, after, literal, known.context == "postmaster"))
    return changes


def apply(server: Server, request: Request, changes: Sequence[Change], book: Book) -> Outcome:
    """All of them or none: what was set before one is refused is taken back."""
    sentences = [one.sentence() for one in changes]
    found = {
        "settings": [one.report() for one in changes],
        "former": {one.name: one.before for one in changes},
        "restart_needed": [one.name for one in changes if one.restart],
    }
    outcome = Outcome(sentences, found, changed=bool(changes))
    outcome.before = "".join(f"{one.name} = {one.before}\n" for one in changes)
    outcome.after = "".join(f"{one.name} = {one.after}\n" for one in changes)
    if changes and not request.check:
        with book.step(request.title, found["former"], sentences) as done:
            book.look()
            _set(server, changes)
            _reload(server)
            done({one.name: one.after for one in changes})
    names = list(request.settings) or [one.name for one in changes]
    _told(outcome, observe(server, names) if names else {}, request)
    return outcome


def _told(outcome: Outcome, now: Mapping[str, Parameter], request: Request) -> None:
    """What the server says afterwards, also when nothing was to do: a restart may still be due."""
    if not request.check:
        outcome.found["restart_needed"] = [one.name for one in now.values() if one.pending]
    for one in now.values():
        if one.source in _OVERRIDDEN and one.kept is not None:
            outcome.warnings.append(
                f"{one.name} stays {one.value}: it is set by the {one.source}, which goes before what is set here"
            )


def _check(name: str, known: Parameter | None) -> None:
    if known is None or not _NAME.fullmatch(name) or (not known.context and "." not in name):
        raise Refused(f"the server has no parameter {name}", remedy="correct its name in settings")
    if name.lower() in _SECRET:
        raise Refused(f"{name} may hold a secret, which would be shown", remedy="set it by hand")
    if known.context == "internal":
        raise Refused(f"{name} cannot be set, it is how the server was built", remedy="leave it out of settings")


def _text(name: str, given: Any) -> str:
    if isinstance(given, bool):
        return "on" if given else "off"
    if isinstance(given, (list, tuple)):
        return ", ".join(map(str, given))
    if isinstance(given, Mapping):
        raise Refused(f"the value of {name} is a mapping", remedy="write a text, a number, true, false or a list")
    return str(given)


def _same(known: Parameter, after: str | None) -> bool:
    """Whether that is what is kept; the server writes the elements of a list its own way."""
    if known.kept is None or after is None or known.name not in _LISTS:
        return known.kept == after
    return _elements(known.kept) == _elements(after)


def _literal(name: str, value: str) -> str:
    return ", ".join(map(sql.text, _elements(value))) if name.lower() in _LISTS else sql.text(value)


def _elements(value: str) -> list[str]:
    return [part.strip().strip('"') for part in value.split(",")]


def _set(server: Server, changes: Sequence[Change]) -> None:
    done: list[Change] = []
    try:
        for one in changes:
            server.run(one.statement())
            done.append(one)
    except ReleaseError:
        for one in reversed(done):
            with contextlib.suppress(ReleaseError):
                server.run(one.back())
        raise


def _reload(server: Server) -> None:
    """Returns when a session of ours has read the file: each does when it is next asked something."""
    before = server.rows(_LOADED)[0]["at"]
    server.rows(_RELOAD)
    deadline = time.monotonic() + RELOAD_PATIENCE
    while server.rows(_LOADED)[0]["at"] == before:
        if time.monotonic() > deadline:
            raise ReleaseError(
                f"the server has not read its settings again within {RELOAD_PATIENCE:g} s",
                where=server.where,
                remedy="see its log; the values are kept and take effect with the next reload",
            )
        time.sleep(0.02)
