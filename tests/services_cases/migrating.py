# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that a test migrates, with the server as the module sees it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.migration.operate import Outcome, Request, operate
from ansible_collections.runbook.release.plugins.module_utils.migration.progress import Progress
from ansible_collections.runbook.release.plugins.module_utils.migration.revision import Source, read
from ansible_collections.runbook.release.plugins.module_utils.migration.setup import kind_of, want_of
from ansible_collections.runbook.release.plugins.module_utils.postgres.tcp import Login, TcpServer
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from services.postgres import Postgres

PATIENCE = 300.0
ORDERS = """
create table orders (id bigint generated always as identity primary key, note varchar(20), amount int);
insert into orders (note, amount) select 'n' || i, i from generate_series(1, 5000) i;
"""
NO_PARAMS = {
    "state": "migrated",
    "to": None,
    "backup": None,
    "image": None,
    "job": None,
    "pod": None,
    "command": None,
    "history": None,
    "down": None,
    "environment": None,
    "batch": 100,
    "lock_timeout": 1,
    "timeout": 60,
    "run": None,
}


class Case:
    """One database that belongs to a test, with the server as a module sees it."""

    def __init__(self, postgres: Postgres, name: str, folder: Path) -> None:
        self.postgres, self.name, self.folder = postgres, name, folder
        self.login = Login(postgres.host, postgres.port, postgres.user, postgres.password)
        self.server = TcpServer(self.login, str(postgres.bindir))

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return self.postgres.sql(text, self.name)

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.sql").write_text(text)

    def run(
        self, check: bool = False, progress: Progress | None = None, book: Book | None = None, **given: Any
    ) -> Outcome:
        params = self.params(**given)
        kind = kind_of(params, self.server, None)
        source = Source.of(given.get("revision"))
        request = Request(self.server, self.name, source, kind, want_of(params), progress, check)
        return operate(request, book or Book())

    def params(self, **given: Any) -> dict[str, Any]:
        login = {"mode": "tcp", "host": self.login.host, "port": self.login.port, "user": self.login.user}
        own = {"name": "orders", "kind": "sql", "class": "expand", "path": str(self.folder), "database": self.name}
        return {**NO_PARAMS, **own, "server": {**login, "password": self.login.password}, **given}

    @property
    def revision(self) -> str:
        return read(self.server, self.name, Source()).text


@contextmanager
def made(postgres: Postgres, folder: Path) -> Iterator[Case]:
    name = f"migrate_{secrets.token_hex(3)}"
    postgres.sql(f"create database {name}")
    case = Case(postgres, name, folder)
    try:
        case.sql(ORDERS)
        yield case
    finally:
        case.server.close()
        postgres.sql(f"drop database {name} with (force)")


BATCHES = """-- release: batches
with batch as (
    select id from orders where (:after::bigint is null or id > :after::bigint) order by id limit :batch
)
update orders set amount = amount + 1000000 from batch where orders.id = batch.id
returning orders.id as key -- the last one is where the next batch begins"""


def awaited(condition: Callable[[], bool]) -> None:
    """Until something another process does has happened."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)
