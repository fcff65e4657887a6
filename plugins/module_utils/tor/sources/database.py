# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a PostgreSQL query, read only, within a deadline and bounded in size."""

from __future__ import annotations

import json
import select as waiting
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...errors import ReleaseError
from .base import World
from .secrets import Reference, hidden

MOST_ROWS = 10_000
LONGEST_ROW = 64 * 1024
LARGEST_RESULT = 16 * 1024 * 1024
_BATCH = 200

Row = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    columns: tuple[str, ...]
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class Database:
    """`host`, `port` (5432), `database` and `user` of a PostgreSQL server; its password by `password_file` (path),
    `password_secret` ({name, key, namespace} of a Secret in the cluster) or `password_environment` (variable);
    `sslmode` as libpq knows it (verify-full, but for this machine) and `ca_cert`, the PEM file to trust.
    """

    host: str
    database: str
    user: str
    port: int = 5432
    password_file: str = ""
    password_secret: dict[str, str] = field(default_factory=dict)
    password_environment: str = ""
    sslmode: str = ""
    ca_cert: str = ""

    @property
    def _password(self) -> Reference:
        return Reference("password", self.password_file, self.password_secret, self.password_environment)

    def database_mistakes(self) -> list[str]:
        modes = ("", "disable", "allow", "prefer", "require", "verify-ca", "verify-full")
        wrong = [] if self.sslmode in modes else [f".sslmode: {self.sslmode!r} is none of {', '.join(modes)}"]
        return self._password.mistakes() + wrong

    @property
    def where(self) -> str:
        return f"database {self.database} on {self.host}:{self.port}"

    def rows(self, query: str, world: World, deadline: float, most: int = MOST_ROWS) -> Rows:
        """All rows of one SELECT with values as JSON has them (times as ISO 8601 text), at most `most` of them.

        It runs in a transaction that is read only and rolled back; the server gives up at `deadline` (on the monotonic
        clock), too.
        """
        password = self._password.value(world)
        with _failing_with(self.where, (password,) if password else ()), self._session(password, deadline) as session:
            inner = f"(\n{query.strip().rstrip(';')}\n) AS q"
            session.run("BEGIN READ ONLY")
            session.run(f"SET LOCAL statement_timeout = {max(1, round(1000 * session.left()))}")
            columns = session.columns(f"SELECT * FROM {inner} LIMIT 0")
            text = f"left(row_to_json(q)::text, {LONGEST_ROW + 1})"
            session.run(f"DECLARE read_rows NO SCROLL CURSOR FOR SELECT {text} FROM {inner}")
            return Rows(columns, [json.loads(text) for text in _texts(session, most)])

    @contextmanager
    def _session(self, password: str, deadline: float) -> Iterator[_Session]:
        import psycopg2

        from ...postgres.reach import sslmode_of

        connection = psycopg2.connect(
            host=self.host,
            port=self.port,
            dbname=self.database,
            user=self.user,
            password=password or None,
            sslmode=sslmode_of({"host": self.host, "sslmode": self.sslmode}) or None,
            sslrootcert=self.ca_cert or None,
            application_name="runbook.release",
            async_=True,
        )
        try:
            session = _Session(connection, deadline)
            session.wait()
            yield session
        finally:
            connection.close()


class _Session:
    """One statement after the other on an asynchronous connection, which alone can be left at a deadline."""

    def __init__(self, connection: Any, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._began = time.monotonic()

    def left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise ReleaseError(f"no complete answer within {self._deadline - self._began:.2g} s")
        return left

    def run(self, statement: str) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(statement)
        self.wait()
        return cursor

    def columns(self, statement: str) -> tuple[str, ...]:
        return tuple(str(column.name) for column in self.run(statement).description or ())

    def wait(self) -> None:
        from psycopg2.extensions import POLL_OK, POLL_READ

        while (state := self._connection.poll()) != POLL_OK:
            poll = waiting.poll()
            poll.register(self._connection.fileno(), waiting.POLLIN if state == POLL_READ else waiting.POLLOUT)
            poll.poll(1000 * self.left())


def _texts(session: _Session, most: int) -> Iterator[str]:
    """The rows as JSON text; what is too much is refused and not cut."""
    number = size = 0
    while batch := session.run(f"FETCH {_BATCH} FROM read_rows").fetchall():
        for (text,) in batch:
            number, size = number + 1, size + len(text)
            if number > most or len(text) > LONGEST_ROW or size > LARGEST_RESULT:
                raise ReleaseError(
                    f"the result is too large: at most {most} rows, {LONGEST_ROW} characters each and "
                    f"{LARGEST_RESULT} together",
                    remedy="aggregate in SQL",
                )
            yield text


@contextmanager
def _failing_with(where: str, secrets: tuple[str, ...]) -> Iterator[None]:
    """What the server says, in one line, as an error of ours."""
    try:
        import psycopg2
    except ImportError as exc:
        raise ReleaseError(
            "the Python library psycopg2 is not installed",
            remedy="install psycopg2-binary where criteria are evaluated",
        ) from exc
    try:
        yield
    except psycopg2.Error as exc:
        said = " ".join(str(exc).split()) or type(exc).__name__
        raise ReleaseError(str(hidden(said, secrets))[:400], where=where) from exc
    except ReleaseError as exc:
        exc.where = exc.where or where
        raise
