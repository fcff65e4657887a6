# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between a server and a backup, with real servers: never a success, and a sentence that says what."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import (
    DumpOptions,
    Server,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.stream import Stalled
from services.postgres import Postgres
from services_cases.dumping import (
    CONTENT,
    SOME,
    Way,
    by_tcp,
    dump,
    dumping,
    kill_pg_dump,
    once,
    scratch,
)
from services_cases.migrating import awaited
from services_cases.proxies import CutProxy, FrozenProxy, Proxy, SlowProxy


def test_a_killed_pg_dump_is_named_and_leaves_no_session(way: Way, postgres15: Postgres, readings: str) -> None:
    with way(postgres15) as server, pytest.raises(ReleaseError, match=r"was killed by SIGKILL") as caught:
        dump(server, readings, once(kill_pg_dump))
    assert server.where in str(caught.value)
    awaited(lambda: not dumping(postgres15))


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
    awaited(lambda: not dumping(postgres15))


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
            awaited(lambda: not dumping(postgres15))


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
    arrivals = [time.monotonic()]
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


def test_the_snapshot_of_a_session_that_ended_is_refused(way: Way, postgres15: Postgres, readings: str) -> None:
    with way(postgres15) as server:
        with server.holding_snapshot(readings) as snapshot:
            pass
        with pytest.raises(ReleaseError, match="the snapshot ended before it was used"):
            server.dump(DumpOptions(readings), snapshot.name, bytearray().extend)


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
