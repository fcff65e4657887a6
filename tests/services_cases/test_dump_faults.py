# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between a server and a backup, with real servers: never a success, and a sentence that says what."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.pod import Account, PodServer
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import (
    DumpOptions,
    RestoreOptions,
    Server,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.session import SessionServer
from ansible_collections.runbook.release.plugins.module_utils.postgres.stream import Stalled
from ansible_collections.runbook.release.plugins.module_utils.postgres.tcp import Login, TcpServer
from services.postgres import Postgres
from services_cases.exec_stand_in import BLOCK, Damage, FaultyExec, FlippingExec, LocalExec, must_have_ended
from services_cases.proxies import CutProxy, FrozenProxy, Proxy, SlowProxy

NASTY = """p:\\a'b"$ x"""
SOME = 1 << 20
CONTENT = """
create table readings (id bigint primary key, body text not null);
insert into readings select i, md5(i::text) || md5((-i)::text) from generate_series(1, 400000) i
"""

Way = Callable[[Postgres], Server]


def by_tcp(running: Postgres, **more: Any) -> TcpServer:
    login = {"host": running.host, "port": running.port, "user": running.user, "password": running.password, **more}
    return TcpServer(Login(**login), str(running.bindir))


def by_exec(running: Postgres, **more: Any) -> PodServer:
    account = {"host": running.host, "port": running.port, "user": running.user, "password": running.password, **more}
    return PodServer(lambda argv: LocalExec(argv, path=running.bindir), Account(**account), "pod shop/pg-0 (postgres)")


def by_faulty_exec(running: Postgres, damage: Damage) -> PodServer:
    account = Account(running.user, running.password, running.host, running.port)
    return PodServer(lambda argv: FaultyExec(argv, damage, path=running.bindir), account, "pod shop/pg-0 (postgres)")


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


def dump(server: Server, database: str, sink: Callable[[bytes], object] | None = None, **options: Any) -> bytes:
    archive = bytearray()

    def take(data: bytes) -> None:
        archive.extend(data)
        if sink is not None:
            sink(data)

    with server.holding_snapshot(database) as snapshot:
        server.dump(DumpOptions(database, **options), snapshot.name, take)
    return bytes(archive)


def once(act: Callable[[], object]) -> Callable[[bytes], None]:
    """A sink that does something when the first megabyte has arrived."""
    arrived = 0

    def take(data: bytes) -> None:
        nonlocal arrived
        before, arrived = arrived, arrived + len(data)
        if before < SOME <= arrived:
            act()

    return take


def dumping(running: Postgres) -> list[tuple[Any, ...]]:
    """The sessions of pg_dump that the server still has."""
    return running.sql("select pid from pg_stat_activity where application_name like 'pg_dump%'")


def kill_pg_dump() -> None:
    """All that this process started."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _bracket, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        parents[int(folder.name)] = (int(rest.split()[1]), name)
    for pid in [pid for pid, (_above, name) in parents.items() if name == "pg_dump"]:
        line = [pid]
        while line[-1] in parents:
            line.append(parents[line[-1]][0])
        if os.getpid() in line:
            os.kill(pid, signal.SIGKILL)


# processes


def test_a_killed_pg_dump_is_named_and_leaves_no_session(way: Way, postgres15: Postgres, readings: str) -> None:
    with way(postgres15) as server, pytest.raises(ReleaseError, match=r"was killed by SIGKILL") as caught:
        dump(server, readings, once(kill_pg_dump))
    assert server.where in str(caught.value)
    assert dumping(postgres15) == []


def test_a_server_that_dies_during_the_dump_is_a_lost_connection(
    way: Way, own_postgres: Callable[..., Postgres]
) -> None:
    running = own_postgres()
    running.sql(CONTENT)
    with way(running) as server, pytest.raises(ReleaseError, match=r"connection to the server was lost") as caught:
        dump(server, "postgres", once(running.kill))
    assert caught.value.details["code"] == "lost"
    assert caught.value.details["sessions_left"].startswith("pg_dump runbook.release ")
    running.run()
    with way(running) as server:
        assert dump(server, "postgres").startswith(b"PGDMP")


def test_a_session_that_is_ended_during_the_dump_is_a_lost_connection(
    way: Way, postgres15: Postgres, readings: str
) -> None:
    ending = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pg_dump%'"
    with way(postgres15) as server, pytest.raises(ReleaseError, match=r"connection to the server was lost"):
        dump(server, readings, once(lambda: postgres15.sql(ending)))


def test_when_the_sink_fails_the_dump_ends_with_it(way: Way, postgres15: Postgres, readings: str) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with way(postgres15) as server, pytest.raises(OSError, match="No space left"):
        dump(server, readings, once(full))
    assert dumping(postgres15) == []


# streams


def cut(count: int) -> Damage:
    return lambda data: data[:-count]


def without_trailer(data: bytes) -> bytes:
    return data[: data.rfind(b"\n#")]


def lost_in_the_middle(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + data[half + BLOCK :]


def doubled(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + data[half - BLOCK : half] + data[half:]


def flipped(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]


@pytest.mark.parametrize(
    "damage",
    [cut(1), cut(2 * BLOCK), without_trailer, lost_in_the_middle, doubled, flipped, lambda _data: b""],
    ids=["last byte", "tail", "trailer", "middle", "doubled", "flipped", "everything"],
)
def test_a_stream_that_loses_or_changes_anything_is_no_backup_though_its_exit_code_is_0(
    damage: Damage, postgres15: Postgres, readings: str
) -> None:
    with by_faulty_exec(postgres15, damage) as server, pytest.raises(ReleaseError) as caught:
        dump(server, readings)
    assert caught.value.details["code"] == "truncated"
    assert "exit code 0" in str(caught.value)
    assert "server.mode tcp" in str(caught.value)


def test_the_same_stream_undamaged_is_a_backup(postgres15: Postgres, readings: str) -> None:
    with by_faulty_exec(postgres15, lambda data: data) as server:
        assert b"#runbook.release trailer" not in dump(server, readings)


def test_a_byte_that_changes_on_the_way_in_fails_the_restore_though_pg_restore_is_content(
    postgres15: Postgres, readings: str
) -> None:
    with by_exec(postgres15) as server:
        archive = dump(server, readings, compression="none")
        mark = server.rows("select body from readings where id = 200000", readings)[0]["body"].encode()
    account = Account(postgres15.user, postgres15.password, postgres15.host, postgres15.port)
    flipping = PodServer(lambda argv: FlippingExec(argv, mark, postgres15.bindir), account, "pod shop/pg-0 (postgres)")
    with scratch(postgres15) as name, flipping as server:
        with pytest.raises(ReleaseError, match="other bytes than were sent"):
            server.restore(name, iter([archive]), RestoreOptions(bytes=len(archive)))
        assert server.rows("select count(*) as n from readings", name) == [{"n": 400000}]


def test_an_archive_that_ends_too_early_is_no_restore(way: Way, postgres15: Postgres, readings: str) -> None:
    with way(postgres15) as server, scratch(postgres15) as name:
        archive = dump(server, readings)
        with pytest.raises(ReleaseError, match=r"the archive is damaged"):
            server.restore(name, iter([archive[:-5000]]), RestoreOptions(bytes=len(archive) - 5000))


def test_a_restore_that_fails_early_ends_early_and_says_why(way: Way, postgres15: Postgres, readings: str) -> None:
    taken = 0

    def chunks(archive: bytes) -> Iterator[bytes]:
        nonlocal taken
        for place in range(0, len(archive), BLOCK):
            taken += BLOCK
            yield archive[place : place + BLOCK]

    with way(postgres15) as server, scratch(postgres15) as name:
        archive = dump(server, readings, compression="none")
        server.run("create table readings (i int)", name)
        with pytest.raises(ReleaseError, match=r'relation "readings" already exists'):
            server.restore(name, chunks(archive), RestoreOptions(bytes=len(archive)))
    assert taken < len(archive) / 2


@contextmanager
def scratch(running: Postgres) -> Iterator[str]:
    name = f"scratch_{secrets.token_hex(3)}"
    running.sql(f"create database {name} template template0")
    try:
        yield name
    finally:
        running.sql(f"drop database {name} with (force)")


# networks


@pytest.mark.parametrize("all", [True, False], ids=["everything frozen", "one connection frozen"])
def test_a_frozen_way_is_a_stall_and_soon_noticed(all: bool, way: Way, postgres15: Postgres, readings: str) -> None:
    with FrozenProxy(postgres15, 2 * SOME, all=all) as proxy:
        with way_through(way, postgres15, proxy) as server, pytest.raises(Stalled) as caught:
            dump(server, readings, stall=2.0)
        assert proxy.frozen.is_set()
        assert "not a byte for" in str(caught.value)
        assert ("the server cannot be asked why" in str(caught.value)) is all
        assert ("sessions_left" in caught.value.details) is all
        if not all:
            assert dumping(postgres15) == []


def way_through(way: Way, running: Postgres, proxy: Proxy) -> Server:
    return way(running, host=proxy.host, port=proxy.port)  # type: ignore[call-arg]


def test_a_query_on_a_frozen_way_does_not_hang(postgres15: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.runbook.release.plugins.module_utils.postgres.session.QUERY_STALL", 2.0)
    with (
        FrozenProxy(postgres15, SOME, all=True) as proxy,
        way_through(by_tcp, postgres15, proxy) as server,
        pytest.raises(Stalled, match="a query stalled"),
    ):
        server.rows("select repeat('x', 4000000) as text")


def test_a_query_that_takes_long_is_not_taken_for_a_stall(
    way: Way, postgres15: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.runbook.release.plugins.module_utils.postgres.session.QUERY_STALL", 0.4)
    with way(postgres15) as server:
        assert server.rows("select 1 as one from pg_sleep(2)") == [{"one": 1}]


def test_a_way_that_is_cut_is_a_lost_connection(way: Way, postgres15: Postgres, readings: str) -> None:
    with (
        CutProxy(postgres15, 2 * SOME) as proxy,
        way_through(way, postgres15, proxy) as server,
        pytest.raises(ReleaseError, match="connection to the server was lost"),
    ):
        dump(server, readings)


def test_slow_is_not_stalled_even_when_nothing_comes_out_for_longer(way: Way, postgres15: Postgres) -> None:
    """Rows that are all alike: compressed, they fill a buffer of pg_dump every few seconds only."""
    arrivals: list[float] = []
    with scratch(postgres15) as name, SlowProxy(postgres15, 2 * SOME) as proxy:
        postgres15.sql("create table same as select repeat('x', 1000) as x from generate_series(1, 20000)", name)
        with way_through(way, postgres15, proxy) as server:
            archive = dump(
                server, name, lambda _data: arrivals.append(time.monotonic()), compression="gzip:9", stall=1.5
            )
    assert archive.startswith(b"PGDMP")
    assert max(later - earlier for earlier, later in pairwise(arrivals)) > 2


def test_a_table_that_somebody_locks_is_waited_for_as_long_as_allowed(
    way: Way, postgres15: Postgres, readings: str
) -> None:
    holder = postgres15.connect(readings)
    holder.autocommit = False
    holder.cursor().execute("lock table readings in access exclusive mode")
    try:
        with way(postgres15) as server, pytest.raises(ReleaseError, match="another session holds a lock on a table"):
            dump(server, readings, lock_timeout=0.5)
    finally:
        holder.close()


# logins


def test_a_wrong_password_is_refused(way: Way, postgres15: Postgres) -> None:
    with way(postgres15, password="wrong") as server, pytest.raises(Refused, match="does not accept the password"):  # type: ignore[call-arg]
        server.identity()


def test_a_database_that_does_not_exist_is_refused(way: Way, postgres15: Postgres) -> None:
    with way(postgres15) as server, pytest.raises(Refused, match="there is no database nowhere"):
        server.holding_snapshot("nowhere").__enter__()


def test_a_server_that_is_not_there_is_named(way: Way, postgres15: Postgres) -> None:
    with way(postgres15, port=1) as server, pytest.raises(ReleaseError, match="the server cannot be reached"):  # type: ignore[call-arg]
        server.identity()


def test_the_snapshot_of_a_session_that_ended_is_refused(way: Way, postgres15: Postgres, readings: str) -> None:
    with way(postgres15) as server:
        with server.holding_snapshot(readings) as snapshot:
            pass
        with pytest.raises(ReleaseError, match="the snapshot ended before it was used"):
            server.dump(DumpOptions(readings), snapshot.name, bytearray().extend)


# permissions


@pytest.fixture
def reader(postgres15: Postgres, database: Any) -> Iterator[dict[str, str]]:
    """A user who may read all tables, and no more."""
    name, password = f"reader_{secrets.token_hex(3)}", secrets.token_hex(8)
    postgres15.sql(f"create role {name} login password '{password}' in role pg_read_all_data")
    yield {"user": name, "password": password}
    database.sql(f"drop owned by {name}")
    postgres15.sql(f"drop role {name}")


def test_large_objects_without_permission_are_refused_with_the_grant_that_helps(
    way: Way, postgres15: Postgres, database: Any, reader: dict[str, str]
) -> None:
    with way(postgres15, **reader) as server, pytest.raises(Refused, match=r"GRANT SELECT ON LARGE OBJECT \d+"):  # type: ignore[call-arg]
        dump(server, database.name)


def test_rows_that_row_level_security_hides_are_never_left_out(
    way: Way, postgres15: Postgres, database: Any, reader: dict[str, str]
) -> None:
    database.sql("select lo_unlink(oid) from pg_largeobject_metadata")
    with way(postgres15, **reader) as server:  # type: ignore[call-arg]
        assert dump(server, database.name)
        database.sql("alter table shop.customers enable row level security")
        with pytest.raises(Refused, match=r"row-level security hides rows of customers.*BYPASSRLS"):
            dump(server, database.name)


def test_tables_without_permission_are_refused(way: Way, postgres15: Postgres, database: Any) -> None:
    name, password = f"nobody_{secrets.token_hex(3)}", secrets.token_hex(8)
    postgres15.sql(f"create role {name} login password '{password}'")
    try:
        with (
            way(postgres15, user=name, password=password) as server,  # type: ignore[call-arg]
            pytest.raises(Refused, match=r"schema shop may not be read.*GRANT pg_read_all_data"),
        ):
            dump(server, database.name)
    finally:
        postgres15.sql(f"drop role {name}")


# secrets


def test_the_password_is_in_no_argument_and_no_message_and_no_file(
    way: Way, postgres15: Postgres, readings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    postgres15.sql("create role keeper superuser login password %s", values=[NASTY])
    seen: list[bytes] = []

    def look() -> None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(file.read_bytes())
            except OSError:
                continue
        seen.extend(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    try:
        with way(postgres15, user="keeper", password=NASTY) as server:  # type: ignore[call-arg]
            dump(server, readings, once(look))
            assert NASTY not in repr(vars(server)) + repr(server)
            with pytest.raises(ReleaseError) as caught:
                dump(server, readings, once(kill_pg_dump))
            told = f"{caught.value}{caught.value.details}"
        assert any(b"pg_dump" in command for command in seen)
        assert not any(NASTY.encode() in content for content in seen)
        assert NASTY not in told
        assert list(tmp_path.iterdir()) == []
    finally:
        postgres15.sql("drop role keeper")


def test_settings_of_the_caller_do_not_steer_the_programs(
    postgres15: Postgres, readings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PGHOSTADDR", "192.0.2.1"), ("PGOPTIONS", "-c nonsense=1"), ("PGSERVICE", "other")):
        monkeypatch.setenv(name, value)
    with by_tcp(postgres15) as server:
        assert isinstance(server, SessionServer)
        assert dump(server, readings).startswith(b"PGDMP")


def no_room() -> None:
    raise ReleaseError("no room")


def test_two_dumps_at_once_do_not_end_each_other(postgres15: Postgres, readings: str) -> None:
    results: list[bytes] = []
    with by_tcp(postgres15) as other:
        thread = threading.Thread(target=lambda: results.append(dump(other, readings)))
        thread.start()
        with by_tcp(postgres15) as server, pytest.raises(ReleaseError, match="no room"):
            dump(server, readings, once(no_room))
        thread.join()
    assert results[0].startswith(b"PGDMP")
