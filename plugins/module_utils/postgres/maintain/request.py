# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_maintain is asked for, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import Refused
from ...window.spans import optional, seconds

VACUUM, REINDEX, END_SESSIONS, SET, TRACK = "vacuum", "reindex", "end_sessions", "set", "track_statements"
IN_TRANSACTION, IDLE, ACTIVE = "idle_in_transaction", "idle", "active"
STATES = (IN_TRANSACTION, IDLE, ACTIVE)

DOINGS: Mapping[str, tuple[str, ...]] = {
    VACUUM: ("tables", "unless_within"),
    REINDEX: ("tables", "indexes"),
    END_SESSIONS: ("older_than", "users", "applications", "databases"),
    SET: ("settings",),
    TRACK: (),
}
"""What can be done, and the options that are only for some of it."""


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; times in seconds, ``unless_within`` is None when everything is due."""

    do: str
    database: str
    tables: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    analyze: bool = True
    unless_within: float | None = None
    sessions: str = IN_TRANSACTION
    older_than: float = 0.0
    users: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    lock_timeout: int = 5
    timeout: int = 3600
    check: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any], *, check: bool = False) -> Request:
        """``Refused`` for an option that what is to be done does not have: it would be left out without a word."""
        _refuse_foreign(params)
        names = ("tables", "indexes", "users", "applications", "databases")
        return cls(
            do=params["do"],
            database=params["database"],
            **{name: tuple(params[name] or ()) for name in names},
            analyze=params["analyze"],
            unless_within=optional("unless_within", params["unless_within"]),
            sessions=params["sessions"],
            older_than=seconds("older_than", params["older_than"] or 0),
            settings=dict(params["settings"] or {}),
            lock_timeout=params["lock_timeout"],
            timeout=params["timeout"],
            check=check,
        )

    @property
    def title(self) -> str:
        """What the ledger calls it."""
        return f"{self.do.replace('_', ' ')} {self.database}"

    @property
    def limits(self) -> dict[str, str]:
        """Settings of a session in which nobody queues behind us for long."""
        return {"lock_timeout": f"'{self.lock_timeout}s'", "statement_timeout": f"'{self.timeout}s'"}


@dataclass
class Outcome:
    """What was done, or in check mode would be; ``found`` are further keys of the module's result."""

    plan: list[str]
    found: dict[str, Any]
    changed: bool
    before: str = ""
    after: str = ""
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        return {"changed": self.changed, "plan": self.plan, "seconds": round(self.seconds, 2), **self.found}

    def diff(self) -> dict[str, str]:
        return {"before": self.before, "after": self.after}


def _refuse_foreign(params: Mapping[str, Any]) -> None:
    known = DOINGS[params["do"]]
    special = {name for names in DOINGS.values() for name in names}
    foreign = sorted(name for name in special - set(known) if params[name] not in (None, [], {}))
    if foreign:
        owners = sorted(do for do, names in DOINGS.items() if foreign[0] in names)
        raise Refused(
            f"{foreign[0]} is for {' and '.join(owners)}, not for {params['do']}",
            remedy=f"leave out {', '.join(foreign)}, or correct do",
        )
