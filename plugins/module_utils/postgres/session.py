# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that takes no more than SQL, the same for every way of reaching a server."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import secrets
import socket
import typing as t
from abc import ABC, abstractmethod
from datetime import UTC, datetime

from ..errors import Refused, ReleaseError
from . import sql
from .server import Identity, Row, Server, Snapshot
from .stream import Pulse, Watchdog

MAINTENANCE = "postgres"
DUMPING = "pg_dump runbook.release"
RESTORING = "pg_restore runbook.release"
HOLDING = "runbook.release"
QUERY_STALL = 300.0
ASIDE_STALL = 5.0
FIRST_TO_NOTICE = 14
NOTICE = 5000
"""Milliseconds after which a server of that version notices in the middle of a statement that its client is gone."""
_FIRST_WITH_COPY_PROGRESS = 14

_UNHURRIED = """
select set_config(name, '0', false) from pg_catalog.pg_settings
where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
               'transaction_timeout')"""
_IDENTITY = """
select (pg_control_system()).system_identifier::text as system, current_setting('server_version_num')::int as version,
  current_setting('cluster_name') as cluster_name"""
_SNAPSHOT = """
select pg_export_snapshot() as name, extract(epoch from now())::text as at,
  case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text as lsn"""
_TRY = "select pg_try_advisory_lock{shared}({key}) as taken"
_UNLOCK = "select pg_advisory_unlock_all()"
"""Said before the session ends: the server only lets go of its locks some time after its client is gone."""
_HOLDERS = """
select a.pid, a.application_name as who,
  to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC') as since
from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
  and l.classid::bigint = {high} and l.objid::bigint = {low}
  and l.database = (select oid from pg_database where datname = current_database())
order by a.backend_start"""
_PULSE = """
select a.pid, a.state, a.state_change::text as changed, coalesce(a.wait_event_type, '') as waits, {moved} as moved
from pg_stat_activity a {progress}
where a.application_name = {application} and a.pid <> pg_backend_pid() order by a.pid"""
_TERMINATE = """
select count(pg_terminate_backend(pid)) as ended from pg_stat_activity
where application_name = {application} and pid <> pg_backend_pid()"""


class Session(ABC):
    """One connection to one database, used by one thread."""

    @abstractmethod
    def rows(self, query: str) -> list[Row]: ...

    @abstractmethod
    def run(self, statements: str) -> None:
        """One message to the server: several statements are one transaction."""

    @abstractmethod
    def close(self) -> None: ...


def as_json(query: str) -> str:
    """A query for one text that holds all rows of ``query``."""
    return f"select coalesce(json_agg(q), '[]')::text as rows from ({query.strip().rstrip(';')}\n) q"


def of_json(text: str) -> list[Row]:
    return t.cast(list[Row], json.loads(text))


class SessionServer(Server):
    """A server reached by sessions of any kind.

    One session is kept between calls, and only until another database is spoken to: so nothing of ours is connected to
    a database that is about to be dropped or renamed.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._kept: tuple[str, Session] | None = None
        self._identity: Identity | None = None

    @abstractmethod
    def _connect(self, database: str, application: str, watch: Watchdog) -> Session:
        """A new session; ``application`` is its application_name, ``watch`` ends a query that hangs."""

    def rows(self, sql: str, database: str = MAINTENANCE) -> list[Row]:
        with self._using(database) as session:
            return session.rows(sql)

    def run(self, sql: str, database: str = MAINTENANCE, *, transaction: bool = False) -> None:
        with self._using(database) as session:
            session.run(f"begin;\n{sql}\n;commit" if transaction else sql)

    def run_alone(self, sql: str, database: str, settings: t.Mapping[str, str]) -> None:
        with self.session(database, settings) as session:
            session.run(sql)

    @contextlib.contextmanager
    def session(self, database: str, settings: t.Mapping[str, str]) -> t.Iterator[Session]:
        application, doing = application_of(HOLDING), f"a statement in {database}"
        notice = {"client_connection_check_interval": str(NOTICE)} if self.identity().major >= FIRST_TO_NOTICE else {}
        with (
            self._working(application, QUERY_STALL, doing),
            contextlib.closing(self._open(database, application)) as session,
        ):
            for name, value in {**settings, **notice}.items():
                session.run(f"set {name} = {value}")
            yield session

    def identity(self) -> Identity:
        if self._identity is None:
            found = self.rows(_IDENTITY)[0]
            version = int(found["version"])
            self._identity = Identity(str(found["system"]), version, version // 10000, str(found["cluster_name"] or ""))
        return self._identity

    @contextlib.contextmanager
    def holding_snapshot(self, database: str) -> t.Iterator[Snapshot]:
        session = self._open(database, application_of(HOLDING))
        try:
            session.run("begin isolation level repeatable read read only")
            found = session.rows(_SNAPSHOT)[0]
            at = datetime.fromtimestamp(float(found["at"]), UTC)
            yield _Held(session, str(found["name"]), at, str(found["lsn"] or ""))
        finally:
            session.close()

    @contextlib.contextmanager
    def locked(self, database: str, *, shared: bool = False) -> t.Iterator[None]:
        key = _key(f"backup:{self.identity().system}:{database}")
        application = f"{HOLDING} {_who()}"[:63]
        watch = self._watch(QUERY_STALL, self._pulse(application))
        session = self._opened(MAINTENANCE, application, watch)
        try:
            if not session.rows(_TRY.format(shared="_shared" if shared else "", key=key))[0]["taken"]:
                raise self._taken(session, database, key)
            yield
        finally:
            watch.hurry(ASIDE_STALL)
            with contextlib.closing(session), contextlib.suppress(ReleaseError):
                session.run(_UNLOCK)

    def close(self) -> None:
        self._leave()

    def _leave(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept[1].close()

    def _open(self, database: str, application: str) -> Session:
        return self._opened(database, application, self._watch(QUERY_STALL, self._pulse(application)))

    def _opened(self, database: str, application: str, watch: Watchdog) -> Session:
        session = self._connect(database, application, watch)
        try:
            session.rows(_UNHURRIED)
        except BaseException:
            session.close()
            raise
        return session

    @contextlib.contextmanager
    def _using(self, database: str) -> t.Iterator[Session]:
        """The kept session; a failure ends it, as nobody knows what state it left it in."""
        if self._kept is None or self._kept[0] != database:
            self._leave()
            self._kept = (database, self._open(database, application_of(HOLDING)))
        try:
            yield self._kept[1]
        except BaseException:
            self._leave()
            raise

    def _taken(self, session: Session, database: str, key: int) -> Refused:
        high, low = (key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF
        holders = session.rows(_HOLDERS.format(high=high, low=low))
        named = "; ".join(f"{row['who']} (pid {row['pid']}, since {row['since']})" for row in holders)
        return Refused(
            f"another backup, restore or migration of {database} is running: {named or 'it has just ended'}",
            where=self.where,
            remedy="wait until it ends, then run again",
            code="busy",
            holders=holders,
        )

    def _pulse(self, application: str) -> Pulse:
        """Whether the server still works for sessions of that name: a value that changes as long as it does."""

        def ask() -> object:
            copy = self._identity is not None and self._identity.major >= _FIRST_WITH_COPY_PROGRESS
            query = _PULSE.format(
                moved="p.bytes_processed" if copy else "0",
                progress="left join pg_stat_progress_copy p on p.pid = a.pid" if copy else "",
                application=sql.text(application),
            )
            try:
                found = self._ask_aside(query)
            except ReleaseError:
                return None
            working = any(row["state"] == "active" and row["waits"] not in ("Client", "Lock") for row in found)
            return object() if working else found

        return ask

    def _terminate(self, application: str) -> bool:
        """End the sessions a failed program left behind; whether the server could be asked to."""
        try:
            self._ask_aside(_TERMINATE.format(application=sql.text(application)))
        except ReleaseError:
            return False
        return True

    def _ask_aside(self, query: str) -> list[Row]:
        """In a short session of its own, while another one is busy or broken."""
        watch = self._watch(ASIDE_STALL, lambda: None)
        with contextlib.closing(self._connect(MAINTENANCE, HOLDING, watch)) as session:
            return session.rows(query)

    def _watch(self, stall: float, pulse: Pulse) -> Watchdog:
        return Watchdog(stall, pulse, "a query", self.where)

    @contextlib.contextmanager
    def _working(self, application: str, stall: float, doing: str) -> t.Iterator[Watchdog]:
        """Around a program: when it fails, its sessions end, and the error says so if they may not have."""
        try:
            yield Watchdog(stall, self._pulse(application), doing, self.where)
        except ReleaseError as error:
            if not self._terminate(application):
                error.details["sessions_left"] = application
                error.remedy += (
                    f"; the server could not be asked to end the sessions named {application}: look for them"
                )
            raise
        except BaseException:
            self._terminate(application)
            raise


def application_of(program: str) -> str:
    """A name of its own for the sessions of one run of a program."""
    return f"{program} {secrets.token_hex(4)}"


def _key(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}, process {os.getpid()}"


class _Held(Snapshot):
    def __init__(self, session: Session, name: str, at: datetime, lsn: str) -> None:
        self._session = session
        self.name, self.at, self.lsn = name, at, lsn

    def rows(self, sql: str) -> list[Row]:
        return self._session.rows(sql)
