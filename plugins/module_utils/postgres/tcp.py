# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server reached over the network or its socket: SQL by psycopg2, archives by the programs of this machine."""

from __future__ import annotations

import contextlib
import os
import select
import time
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import client, dump, stream
from .errors import complaints, fault
from .secret import password_file
from .server import DumpOptions, Program, RestoreOptions, Row, Sink
from .session import (
    DUMPING,
    RESTORING,
    Session,
    SessionServer,
    application_of,
    as_json,
    of_json,
)
from .stream import Call, Ended, Watchdog

CONNECT_TIMEOUT = 10
KEPT_AWAKE = 30
"""Seconds of silence after which something goes over a connection: a snapshot is held idle while its dump runs."""


@dataclass(frozen=True)
class Login:
    """How to get in; what is empty is left to libpq. ``host`` may be the folder of a socket."""

    host: str
    port: int = 5432
    user: str = ""
    password: str = field(default="", repr=False)
    sslmode: str = ""
    sslrootcert: str = ""


class TcpServer(SessionServer):
    """``bindir`` has the client programs, when they are not where they usually are."""

    def __init__(self, login: Login, bindir: str = "") -> None:
        super().__init__(f"{login.host}:{login.port}")
        self._login, self._bindir = login, bindir
        self._programs: dict[str, Program] = {}

    def program(self, name: str) -> Program:
        if name not in self._programs:
            identity = self.identity()
            found = client.installed(name, client.folders(identity.major, self._bindir))
            version = f"{identity.major}.{identity.version % 10000}"
            place = f"in {self._bindir}" if self._bindir else "on this machine"
            self._programs[name] = client.choose(name, found, identity.major, version, self.where, place)
        return self._programs[name]

    def compression(self, wanted: str) -> str:
        program = self.program("pg_dump")
        environment = stream.clean_environment({"PGHOST": client.NOWHERE})
        return dump.first_built(
            dump.candidates(wanted, program.major),
            lambda codec: client.says(dump.probe(program.path, codec, program.major), environment),
            self.where,
        )

    def dump(self, options: DumpOptions, snapshot: str, sink: Sink) -> None:
        program, checked = self.program("pg_dump"), dump.Checked(sink)
        argv = [program.path, "--format=custom", *dump.dump_arguments(options, snapshot, program.major)]
        doing = f"the dump of {options.database}"
        self._work(DUMPING, argv, options.stall, doing, sink=checked.take)
        checked.end(doing, self.where)

    def dump_folder(self, options: DumpOptions, snapshot: str, folder: Path) -> None:
        program = self.program("pg_dump")
        argv = [program.path, "--format=directory", f"--file={folder}", f"--jobs={options.jobs}", "--no-sync"]
        argv += dump.dump_arguments(options, snapshot, program.major)
        self._work(DUMPING, argv, options.stall, f"the dump of {options.database}", size=lambda: _size(folder))

    def restore(self, database: str, archive: Iterable[bytes] | Path, options: RestoreOptions) -> None:
        argv = [self.program("pg_restore").path, *dump.restore_arguments(database, options)]
        source: Iterator[bytes] | None = None
        if isinstance(archive, Path):
            argv += [f"--jobs={options.jobs}", str(archive)]
        else:
            dump.refuse_jobs(options.jobs, self.where)
            source = iter(archive)
        self._work(RESTORING, argv, options.stall, f"the restore into {database}", options.settings, source=source)

    def require_restore(self, jobs: int, *, folder: bool) -> None:
        self.program("pg_restore")

    def _work(
        self,
        kind: str,
        argv: list[str],
        stall: float,
        doing: str,
        settings: Mapping[str, str] | None = None,
        **flows: t.Any,
    ) -> None:
        application = application_of(kind)
        with self._working(application, stall, doing) as watch, password_file(self._login.password) as (way, files):
            environment = {**self._environment(application, settings or {}), **way}
            ended = stream.run(Call(argv, environment, files, **flows), watch)
            self._judge(ended, os.path.basename(argv[0]), doing)

    def _environment(self, application: str, settings: Mapping[str, str]) -> dict[str, str]:
        login = self._login
        return stream.clean_environment(
            {
                "PGHOST": login.host,
                "PGPORT": str(login.port),
                "PGUSER": login.user,
                "PGSSLMODE": login.sslmode,
                "PGSSLROOTCERT": login.sslrootcert,
                "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT),
                "PGAPPNAME": application,
                "PGOPTIONS": dump.settings_text(settings),
            }
        )

    def _judge(self, ended: Ended, name: str, doing: str) -> None:
        if ended.code or any("error:" in line for line in complaints(ended.said)):
            said = f"{ended.said}\n{stream.how_it_ended(name, ended.code)}"
            raise fault(doing, said, self.where, exit_code=ended.code, bytes=ended.bytes)

    def _connect(self, database: str, application: str, watch: Watchdog) -> Session:
        return _Connection(self._login, database, application, watch)


class _Connection(Session):
    """An asynchronous connection of psycopg2, so that a silent server does not hold us for ever."""

    def __init__(self, login: Login, database: str, application: str, watch: Watchdog) -> None:
        import psycopg2

        self._where, self._watch = f"{login.host}:{login.port}", watch
        self._doing = f"connecting to {database}"
        try:
            self._connection = _begun(login, database, application)
        except psycopg2.Error as error:
            raise fault(self._doing, str(error), self._where) from error
        try:
            self._wait(time.monotonic() + CONNECT_TIMEOUT)
        except BaseException as error:
            self.close()
            if isinstance(error, psycopg2.Error):
                raise fault(self._doing, str(error), self._where) from error
            raise
        self._doing = f"a query in {database}"

    def rows(self, query: str) -> list[Row]:
        return of_json(str(self._execute(as_json(query), answered=True)))

    def run(self, statements: str) -> None:
        self._execute(statements, answered=False)

    def close(self) -> None:
        self._connection.close()

    def _execute(self, statements: str, answered: bool) -> t.Any:
        import psycopg2

        self._watch.feed(0)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statements)
                self._wait()
                return cursor.fetchone()[0] if answered else None
        except psycopg2.Error as error:
            raise fault(self._doing, str(error), self._where, sqlstate=error.pgcode or "") from error

    def _wait(self, deadline: float | None = None) -> None:
        from psycopg2.extensions import POLL_OK, POLL_READ

        while True:
            state = self._connection.poll()
            if state == POLL_OK:
                return
            poll = select.poll()
            poll.register(self._connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
            if not poll.poll(self._watch.patience() * 1000):
                self._watch.check()
            if deadline is not None and time.monotonic() > deadline:
                raise fault(self._doing, f"timeout expired after {CONNECT_TIMEOUT} s", self._where)


def _begun(login: Login, database: str, application: str) -> t.Any:
    import psycopg2

    given = {
        "user": login.user,
        "password": login.password,
        "sslmode": login.sslmode,
        "sslrootcert": login.sslrootcert,
    }
    with _unsteered():
        return psycopg2.connect(
            host=login.host,
            port=login.port,
            dbname=database,
            application_name=application,
            client_encoding="UTF8",
            keepalives_idle=KEPT_AWAKE,
            async_=True,
            **{name: value for name, value in given.items() if value},
        )


@contextlib.contextmanager
def _unsteered() -> Iterator[None]:
    """Without the variables of libpq in our own environment, which it reads when a connection begins."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if stream.steers(name)}
    try:
        yield
    finally:
        os.environ.update(taken)


def _size(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder))
    except FileNotFoundError:
        return 0
