# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers, one of a kind for all tests; what a test may break it gets for itself."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.modules import pg_backup

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.backups import option_of
from services.packages import require
from services.postgres import OTHER_MAJOR, Postgres
from services.s3 import S3
from services.timescale import Timescale
from services_cases.dumping import CONTENT, Way, by_exec, by_tcp
from services_cases.exec_stand_in import must_have_ended
from services_cases.migrating import Case
from services_cases.migrating import made as migrated

FILLED = (Path(__file__).parent / "filled.sql").read_text()
FILLED_SETTINGS = (
    "alter database {0} set work_mem = '8MB'",
    "alter database {0} connection limit 50",
    "comment on database {0} is 'orders and their events'",
    "grant connect on database {0} to shop_reader",
)
HYPERTABLES = (Path(__file__).parent / "hypertables.sql").read_text()
LARGE_ROWS = 1_200_000
LARGE = f"""
create table readings (id bigint primary key, at timestamptz not null, body text not null);
insert into readings
select i, timestamptz '2026-01-01 00:00Z' + i * interval '1 s', md5(i::text) || md5((-i)::text)
from generate_series(1, {LARGE_ROWS}) i;
"""


@dataclass(frozen=True)
class Database:
    """A database of a test."""

    server: Postgres
    name: str

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return self.server.sql(text, self.name)


@pytest.fixture(scope="session")
def postgres15() -> Iterator[Postgres]:
    with _running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_other() -> Iterator[Postgres]:
    """A newer major version; its pg_dump also knows lz4 and zstd."""
    with _running(OTHER_MAJOR) as server:
        yield server


@pytest.fixture(scope="session")
def timescale() -> Iterator[Timescale]:
    server = Timescale.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """`endpoint`, `access_key`, `secret_key`; `bucket()` makes one."""
    server = S3.start()
    yield server
    server.stop()


@pytest.fixture
def own_postgres() -> Iterator[Callable[..., Postgres]]:
    """Makes servers, with the arguments of `Postgres.start`, that the test may kill, fill up or reconfigure."""
    with ExitStack() as stack:
        yield lambda *args, **more: stack.enter_context(_running(*args, **more))


@pytest.fixture
def database(postgres15: Postgres) -> Iterator[Database]:
    """A fresh database with one of everything a dump has to carry."""
    with filled(postgres15) as made:
        yield made


@pytest.fixture
def database_other(postgres_other: Postgres) -> Iterator[Database]:
    """The same on the newer server."""
    with filled(postgres_other) as made:
        yield made


@pytest.fixture
def hypertables(timescale: Timescale) -> Iterator[Database]:
    """A fresh database with two hypertables, chunks and a job of TimescaleDB."""
    name = f"meters_{secrets.token_hex(3)}"
    timescale.sql(f"create database {name}")
    timescale.sql(HYPERTABLES, name)
    try:
        yield Database(timescale, name)
    finally:
        _drop(timescale, name)


@pytest.fixture
def case(postgres15: Postgres, tmp_path: Path) -> Iterator[Case]:
    """A fresh database with 5000 orders, and an empty folder for its migrations."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    with migrated(postgres15, folder) as one:
        yield one


@pytest.fixture(scope="session")
def large(postgres15: Postgres) -> Iterator[Database]:
    """More than 100 MB, to be read only: its dump takes long enough to be hit in the middle."""
    yield from _large(postgres15)


@pytest.fixture(scope="session")
def large_other(postgres_other: Postgres) -> Iterator[Database]:
    yield from _large(postgres_other)


@pytest.fixture(params=[by_tcp, by_exec], ids=["tcp", "exec"])
def way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def nothing_runs_on() -> Iterator[None]:
    yield
    must_have_ended()


@pytest.fixture(scope="module")
def readings(postgres15: Postgres) -> Iterator[str]:
    """A database whose dump takes a second and is not done when its first megabyte arrives."""
    name = f"readings_{secrets.token_hex(3)}"
    postgres15.sql(f"create database {name}")
    postgres15.sql(CONTENT, name)
    yield name
    postgres15.sql(f"drop database {name} with (force)")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run_module(module: Any = pg_backup, **options: Any) -> dict[str, Any]:
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(capsys.readouterr().out))

    return run_module


@pytest.fixture
def options(database: Database, tmp_path: Path) -> dict[str, Any]:
    """What every call has: one database, one local store."""
    return {
        "database": database.name,
        "id": "shop-1",
        "server": option_of(database.server),
        "store": {"path": str(tmp_path / "backups")},
    }


@pytest.fixture
def store(options: dict[str, Any]) -> LocalStore:
    return LocalStore(options["store"]["path"])


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A recipient, and the file with its private key."""
    require("age", "age")
    path = tmp_path_factory.mktemp("age") / "key.txt"
    subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
    found = re.search(r"public key: (age1\S+)", path.read_text())
    assert found
    return found[1], path


@contextmanager
def _running(*args: Any, **more: Any) -> Iterator[Postgres]:
    server = Postgres.start(*args, **more)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def filled(server: Postgres) -> Iterator[Database]:
    """Copied from a template that is filled once; goes with every database that a test named after it."""
    if not server.sql("select 1 from pg_database where datname = 'filled'"):
        _make(server, "filled_draft", FILLED)
        server.sql("alter database filled_draft rename to filled")
    name = f"shop_{secrets.token_hex(3)}"
    server.sql(f"create database {name} template filled")
    for statement in FILLED_SETTINGS:
        server.sql(statement.format(name))
    try:
        yield Database(server, name)
    finally:
        _drop(server, name)


def _drop(server: Postgres, name: str) -> None:
    made = server.sql("select quote_ident(datname) from pg_database where starts_with(datname, %s)", values=[name])
    for (database,) in made:
        server.sql(f"drop database {database} with (force)")


def _large(server: Postgres) -> Iterator[Database]:
    _make(server, "large", LARGE)
    yield Database(server, "large")
    server.sql("drop database large with (force)")


def _make(server: Postgres, name: str, content: str) -> None:
    server.sql(f"drop database if exists {name} with (force)")
    server.sql(f"create database {name}")
    server.sql(content, name)
