# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a server holds whichever way it is reached: by TCP, or by exec through any shell a container has."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import digest
from ansible_collections.runbook.release.plugins.module_utils.postgres.pod import Account, PodServer
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import (
    DumpOptions,
    RestoreOptions,
    Server,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.tcp import Login, TcpServer
from services.postgres import Postgres
from services_cases.dumping import by_tcp
from services_cases.exec_stand_in import SHELLS, LocalExec
from services_cases.proxies import LateProxy

ODD = """a=b 'q' "d" \\ $x ü"""
WAYS = ("tcp", *SHELLS)

Reach = Callable[[Postgres], Server]


def by_exec(running: Postgres, shell: str = "dash", tools: str = "", **more: Any) -> PodServer:
    account = {"host": running.host, "port": running.port, "user": running.user, "password": running.password, **more}
    path = f"{tools}:{running.bindir}" if tools else running.bindir
    return PodServer(lambda argv: LocalExec(argv, SHELLS[shell], path), Account(**account), f"{shell} {running.port}")


@pytest.fixture(scope="module")
def busybox_tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder in which head, tee, sha256sum and all the others are busybox's."""
    folder = tmp_path_factory.mktemp("busybox")
    subprocess.run(["busybox", "--install", "-s", str(folder)], check=True)
    return str(folder)


@pytest.fixture(params=WAYS)
def reach(request: pytest.FixtureRequest, busybox_tools: str) -> Reach:
    way = request.param
    if way == "tcp":
        return by_tcp
    return lambda running: by_exec(running, way, busybox_tools if way == "busybox" else "")


@pytest.fixture
def server(reach: Reach, postgres15: Postgres) -> Any:
    with reach(postgres15) as made:
        yield made


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_it_says_who_answers(server: Server, postgres15: Postgres) -> None:
    identity = server.identity()
    assert identity.system == str(postgres15.sql("select system_identifier from pg_control_system()")[0][0])
    assert identity.major == identity.version // 10000 == 15


def test_values_come_as_json_has_them_whatever_is_in_them(server: Server) -> None:
    rows = server.rows(
        """select 9007199254740993 as big, 'a%s b%% :name \\x $1 ü
           ' as odd, null as nothing, true as yes, array[1, 2] as list, 'NaN'::numeric as nan -- a comment"""
    )
    odd = "a%s b%% :name \\x $1 ü\n           "
    assert rows == [{"big": 9007199254740993, "odd": odd, "nothing": None, "yes": True, "list": [1, 2], "nan": "NaN"}]
    assert server.rows("select 1 as one where false;") == []


def test_statements_sent_together_take_effect_together(server: Server) -> None:
    server.run("create table if not exists together (i int primary key); truncate together;")
    with pytest.raises(ReleaseError, match="duplicate key"):
        server.run("insert into together values (1); insert into together values (1)")
    with pytest.raises(ReleaseError, match="duplicate key"):
        server.run("insert into together values (1); insert into together values (1)", transaction=True)
    assert server.rows("select * from together") == []
    server.run("insert into together values (1); insert into together values (2)", transaction=True)
    assert server.rows("select count(*) as n from together") == [{"n": 2}]
    server.run("drop table together")


def test_an_error_has_the_words_of_the_server_and_ends_nothing(server: Server) -> None:
    with pytest.raises(ReleaseError, match='relation "nowhere" does not exist') as caught:
        server.rows("select * from nowhere")
    assert caught.value.details["sqlstate"] == "42P01"
    assert server.where in str(caught.value)
    assert server.rows("select 1 as one") == [{"one": 1}]


def test_any_name_is_a_name(server: Server) -> None:
    server.run(f"create database {quoted(ODD)}")
    try:
        server.run("create table t (i int); insert into t values (7)", ODD)
        assert server.rows("select current_database() as name, i from t", ODD) == [{"name": ODD, "i": 7}]
        archive = bytearray()
        with server.holding_snapshot(ODD) as snapshot:
            server.dump(DumpOptions(ODD), snapshot.name, archive.extend)
        server.run(f"create database {quoted(ODD + '2')}")
        server.restore(ODD + "2", iter([bytes(archive)]), RestoreOptions(bytes=len(archive)))
        assert server.rows("select i from t", ODD + "2") == [{"i": 7}]
    finally:
        for name in (ODD, ODD + "2"):
            server.run(f"drop database if exists {quoted(name)}")


def test_nothing_of_ours_is_left_in_a_database_when_another_is_spoken_to(server: Server) -> None:
    server.run("create database brief")
    assert server.rows("select 1 as one", "brief")
    server.run("alter database brief rename to brief2")
    server.run("drop database brief2")


def test_what_is_restored_is_what_the_snapshot_saw_while_others_write(server: Server, database: Any) -> None:
    archive, ended = bytearray(), threading.Event()
    writer = threading.Thread(target=write_until, args=(database, ended))
    writer.start()
    try:
        before = datetime.now(UTC)
        with server.holding_snapshot(database.name) as snapshot:
            assert before <= snapshot.at <= datetime.now(UTC)
            assert snapshot.lsn
            sequences = digest.sequences(snapshot.rows)
            server.dump(
                DumpOptions(database.name, compression=server.compression("auto")), snapshot.name, archive.extend
            )
            expected = digest.of(snapshot.rows, sequences)
    finally:
        ended.set()
        writer.join()
    copy = f"{database.name}_copy"
    server.run(f"create database {copy} template template0")
    server.restore(copy, iter([bytes(archive)]), RestoreOptions(bytes=len(archive), settings={"work_mem": "8MB"}))
    with server.holding_snapshot(copy) as snapshot:
        found = digest.of(snapshot.rows)
    assert found.tables == expected.tables
    assert found.large_objects == expected.large_objects
    assert database.sql("select count(*) from shop.orders")[0][0] > 10000


def write_until(database: Any, ended: threading.Event) -> None:
    while not ended.is_set():
        database.sql("insert into shop.orders (customer_id, amount) values (1, 1)")


def test_a_folder_is_dumped_and_restored_by_several_jobs(postgres15: Postgres, database: Any, tmp_path: Path) -> None:
    with by_tcp(postgres15) as server:
        with server.holding_snapshot(database.name) as snapshot:
            expected = digest.of(snapshot.rows)
            options = DumpOptions(database.name, compression="gzip:1", jobs=2)
            server.dump_folder(options, snapshot.name, tmp_path / "archive")
        assert {path.stat().st_mode & 0o77 for path in (tmp_path / "archive").iterdir()} == {0}
        copy = f"{database.name}_copy"
        server.run(f"create database {copy} template template0")
        server.restore(copy, tmp_path / "archive", RestoreOptions(jobs=2))
        with server.holding_snapshot(copy) as snapshot:
            assert digest.of(snapshot.rows).tables == expected.tables


def test_what_does_not_fit_through_a_stream_is_refused(postgres15: Postgres, tmp_path: Path) -> None:
    with by_exec(postgres15) as server:
        with pytest.raises(Refused, match=r"directory format.*server\.mode to tcp"):
            server.dump_folder(DumpOptions("postgres"), "0-1", tmp_path / "folder")
        with pytest.raises(Refused, match="directory format"):
            server.restore("postgres", tmp_path, RestoreOptions())
        with pytest.raises(Refused, match="several jobs"):
            server.restore("postgres", iter([b""]), RestoreOptions(jobs=2))


def test_the_second_backup_is_refused_and_told_about_the_first(reach: Reach, postgres15: Postgres) -> None:
    with reach(postgres15) as first, by_tcp(postgres15) as second:
        with first.locked("shop"):
            with pytest.raises(Refused, match=r"runbook\.release .*process \d+ \(pid \d+, since \d{4}-") as caught:
                second.locked("shop").__enter__()
            assert caught.value.details["holders"][0]["pid"] > 0
            with second.locked("another"):
                pass
        with second.locked("shop"):
            pass


def test_a_lock_is_free_before_the_server_knows_that_its_session_is_over(postgres15: Postgres) -> None:
    with LateProxy(postgres15) as late, by_tcp(postgres15, host=late.host, port=late.port) as first:
        with first.locked("shop"):
            pass
        with pytest.raises(ZeroDivisionError), first.locked("shop"):
            raise ZeroDivisionError
        with by_tcp(postgres15) as second, second.locked("shop"):
            pass


def test_locks_that_are_shared_go_together_and_keep_out_the_other_kind(reach: Reach, postgres15: Postgres) -> None:
    with reach(postgres15) as first, by_tcp(postgres15) as second, first.locked("shop", shared=True):
        with second.locked("shop", shared=True):
            pass
        with pytest.raises(Refused, match="another backup, restore or migration of shop"):
            second.locked("shop").__enter__()


def test_the_programs_are_those_of_the_server_s_major_version(
    reach: Reach, postgres15: Postgres, postgres_other: Postgres
) -> None:
    for running, major in ((postgres15, 15), (postgres_other, postgres_other.major)):
        with reach(running) as server:
            program = server.program("pg_dump")
        assert (program.name, program.major) == ("pg_dump", major)
        assert program.version.startswith(f"{major}.")


def test_compression_is_the_best_the_program_was_built_with(
    reach: Reach, postgres15: Postgres, postgres_other: Postgres
) -> None:
    with reach(postgres15) as server:
        assert server.compression("auto") == "gzip:1"
        with pytest.raises(Refused, match=r"pg_dump 15 cannot compress with zstd"):
            server.compression("zstd:3")
        with pytest.raises(Refused, match="is no compression"):
            server.compression("--file=/etc/passwd")
    with reach(postgres_other) as server:
        assert server.compression("auto") == "zstd:3"
        assert server.compression("lz4") == "lz4"
        archive = bytearray()
        with server.holding_snapshot("postgres") as snapshot:
            server.dump(DumpOptions("postgres", compression="zstd:3"), snapshot.name, archive.extend)
        assert archive.startswith(b"PGDMP")


def test_programs_of_another_major_version_are_refused_both_ways(
    postgres15: Postgres, postgres_other: Postgres
) -> None:
    newer = TcpServer(
        Login(postgres15.host, postgres15.port, postgres15.user, postgres15.password), str(postgres_other.bindir)
    )
    older = TcpServer(
        Login(postgres_other.host, postgres_other.port, postgres_other.user, postgres_other.password),
        str(postgres15.bindir),
    )
    with newer, pytest.raises(Refused, match=rf"no pg_dump 15 .*found {postgres_other.major}\.") as caught:
        newer.program("pg_dump")
    assert "install postgresql-client-15" in str(caught.value)
    with older, pytest.raises(Refused, match=rf"no pg_dump {postgres_other.major} .*found 15\."):
        older.dump(DumpOptions("postgres"), "0-1", bytearray().extend)
