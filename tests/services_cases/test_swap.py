# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of the live database always leads to a whole database that can be connected to."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import swap
from ansible_collections.runbook.release.plugins.module_utils.postgres.swap import Change
from services.backups import killed, reached, unlocked

NOW = datetime(2026, 11, 21, 19, 45, tzinfo=UTC)


@pytest.fixture
def incoming(database):
    """The database that is to take the place of the live one; told apart by a table."""
    name = f"{database.name}_incoming"
    database.server.sql(f"create database {name} template filled")
    database.server.sql("create table restored ()", name)
    return name


@pytest.fixture
def server(database, incoming):
    with reached(database.server) as reachable:
        yield reachable


def change(database, incoming, **more):
    given = {"comment": "as recorded", "kind": "replaced", "kept": {"backup": "b1", "comment": "", "jobs": []}}
    return Change(database.name, incoming, **{**given, **more})


def is_restored(database):
    return database.sql("select to_regclass('public.restored') is not null")[0][0]


def states(database):
    rows = database.server.sql(
        "select datname, datallowconn, coalesce(shobj_description(oid, 'pg_database'), '') from pg_database "
        "where starts_with(datname, %s)",
        values=[database.name],
    )
    return {name: (open, comment) for name, open, comment in rows}


def test_the_incoming_one_takes_the_place_and_the_old_one_is_kept_closed(server, database, incoming):
    done = swap.swap(server, change(database, incoming), NOW)
    found = states(database)
    assert done.replaced == f"{database.name}__replaced_20261121t194500z"
    assert found.keys() == {database.name, done.replaced}
    assert is_restored(database)
    assert found[database.name] == (True, "as recorded")
    assert found[done.replaced][0] is False
    assert [one.name for one in swap.kept(server, database.name)] == [done.replaced]


def test_the_same_swap_backwards_is_the_way_back(server, database, incoming):
    first = swap.swap(server, change(database, incoming), NOW)
    swap.swap(server, change(database, first.replaced, kind="reverted", comment="of old"), NOW)
    found = states(database)
    assert not is_restored(database)
    assert found[database.name] == (True, "of old")
    assert found.keys() == {database.name, f"{database.name}__reverted_20261121t194500z"}


def test_where_nothing_is_in_the_place_it_is_a_plain_rename(server, database, incoming):
    database.server.sql(f"drop database {database.name} with (force)")
    assert swap.swap(server, change(database, incoming), NOW).replaced == ""
    assert is_restored(database)
    assert swap.pending(server, database.name)
    assert swap.mend(server, database.name)
    assert states(database) == {database.name: (True, "as recorded")}


def test_a_name_that_is_taken_or_too_long_gets_another_end(server, database):
    live = "ä" * 31
    database.server.sql(f'create database "{live}"')
    first = swap.free_name(server, live, "replaced", NOW)
    assert len(first.encode()) <= 63
    database.server.sql(f'create database "{first}"')
    second = swap.free_name(server, live, "replaced", NOW)
    assert (second != first, len(second.encode()) <= 63) == (True, True)
    for name in (live, first):
        database.server.sql(f'drop database "{name}"')


CLIENTS = 50
PACE = 0.1


class Client(threading.Thread):
    """Asks ten times a second, on a new connection when the old one is ended; knows its longest time without answer."""

    def __init__(self, database, up, arrived, stop):
        super().__init__(daemon=True)
        self.database, self.up, self.arrived, self.stop = database, up, arrived, stop
        self.longest, self.errors, self.restored = 0.0, 0, False

    def run(self):
        connection = self.database.server.connect(self.database.name)
        self.up.wait()
        answered = time.monotonic()
        while not self.stop.wait(PACE):
            try:
                connection = connection or self.database.server.connect(self.database.name)
                with connection.cursor() as cursor:
                    cursor.execute("select to_regclass('public.restored') is not null")
                    (restored,) = cursor.fetchone()
                if restored and not self.restored:
                    self.restored = True
                    self.arrived.release()
                self.longest, answered = max(self.longest, time.monotonic() - answered), time.monotonic()
            except psycopg2.Error:
                self.errors += 1
                connection = None
        if connection:
            connection.close()


def test_fifty_clients_are_disconnected_and_all_come_back_to_what_was_put_in_place(server, database, incoming):
    up, arrived, stop = threading.Barrier(CLIENTS + 1), threading.Semaphore(0), threading.Event()
    clients = [Client(database, up, arrived, stop) for _number in range(CLIENTS)]
    for client in clients:
        client.start()
    up.wait()
    done = swap.swap(server, change(database, incoming), NOW)
    for _number in range(CLIENTS):
        assert arrived.acquire(timeout=300)
    stop.set()
    for client in clients:
        client.join()
    longest = max(client.longest for client in clients)
    print(json.dumps({"outage_ms": round(done.outage * 1000), "longest_wait_ms": round(longest * 1000)}))
    assert sum(client.errors for client in clients) >= CLIENTS


KILLS = {
    "before connections are off": ("before", "allow_connections false"),
    "before sessions are ended": ("after", "allow_connections false"),
    "before the renames": ("before", "rename to"),
    "between the renames": ("within", "rename to"),
    "after the renames": ("after", "rename to"),
}


def dying(postgres, when, what):
    """The server as a process reaches it that is killed before, within or after one of its statements."""
    server = reached(postgres)
    run = server.run

    def run_or_die(sql, database="postgres", *, transaction=False):
        hit = what in sql
        if hit and when == "within":
            connection = postgres.connect()
            connection.autocommit = False
            connection.cursor().execute("\n".join(sql.split(";\n")[:1]))
            connection.cursor().execute(sql.split(";\n")[1])
            os.kill(os.getpid(), signal.SIGKILL)
        if hit and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        run(sql, database, transaction=transaction)
        if hit and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    server.run = run_or_die
    return server


@pytest.mark.parametrize("point", KILLS)
@pytest.mark.parametrize("kind", ["replaced", "reverted"])
def test_a_run_that_is_killed_leaves_something_the_next_one_mends(server, database, incoming, point, kind):
    killed(lambda: swap.swap(dying(database.server, *KILLS[point]), change(database, incoming, kind=kind), NOW))
    unlocked(database.server)
    swap.mend(server, database.name)
    found = states(database)
    assert found[database.name][0] is True
    assert is_restored(database) is (point == "after the renames")
    assert swap.mend(server, database.name) == []
    assert swap.pending(server, database.name) == []
    if point != "after the renames":
        swap.swap(server, change(database, incoming, kind=kind), NOW)
        assert is_restored(database)


@pytest.mark.parametrize("what", ["allow_connections false", "end_sessions", "rename to"])
def test_whatever_fails_connections_are_allowed_again(server, database, incoming, monkeypatch, what):
    run = server.run

    def failing(sql, *more, **options):
        if what in sql:
            raise ReleaseError("the server said no")
        run(sql, *more, **options)

    monkeypatch.setattr(server, "run", failing)
    with pytest.raises(ReleaseError, match="the server said no"):
        swap.swap(server, change(database, incoming), NOW)
    assert states(database)[database.name][0] is True
    assert not is_restored(database)
    assert swap.pending(server, database.name) == []


def test_an_answer_that_is_lost_after_the_renames_is_not_taken_for_a_failure(server, database, incoming, monkeypatch):
    run = server.run

    def losing(sql, *more, **options):
        run(sql, *more, **options)
        if "rename to" in sql:
            raise ReleaseError("connection lost")

    monkeypatch.setattr(server, "run", losing)
    assert swap.swap(server, change(database, incoming), NOW).replaced in states(database)
    assert is_restored(database)


def test_a_server_that_crashes_within_the_swap_comes_back_to_what_can_be_mended(own_postgres):
    own = own_postgres(settings={"synchronous_commit": "on"})
    own.sql("create database shop")
    own.sql("create database fresh")
    killed(lambda: swap.swap(dying(own, "within", "rename to"), Change("shop", "fresh", "", "replaced", {}), NOW))
    own.kill()
    own.run()
    with reached(own) as server:
        assert len(swap.mend(server, "shop")) == 2
        assert swap.mend(server, "shop") == []
    assert own.sql("select 1", "shop") == [(1,)]


def test_what_is_bound_to_the_database_is_an_obstacle(own_postgres):
    own = own_postgres(settings={"wal_level": "logical"})
    own.sql("create database shop")
    own.sql("create database other")
    own.sql("create table orders (id int primary key)", "shop")
    own.sql("create subscription fed connection 'dbname=other' publication p with (connect = false)", "shop")
    own.sql("select pg_create_logical_replication_slot('feed', 'pgoutput')", "shop")
    connection = own.connect("shop")
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("insert into orders values (1)")
        cursor.execute("prepare transaction 'half done'")
    connection.close()
    with reached(own) as server:
        found = swap.obstacles(server, "shop")
        assert swap.obstacles(server, "other") == []
        with pytest.raises(Refused, match="slot feed"):
            swap.refuse_obstacles(server, "shop")
    assert [line.split()[0] for line in found] == ["logical", "prepared", "subscription"]
    assert "'half done'" in found[1]


def test_a_live_database_that_cannot_be_connected_to_is_an_obstacle_with_a_way_out(server, database, incoming):
    (folder,) = database.server.sql("select setting || '/base' from pg_settings where name = 'data_directory'")
    (oid,) = database.server.sql("select oid from pg_database where datname = %s", values=[database.name])
    version = Path(folder[0]) / str(oid[0]) / "PG_VERSION"
    assert swap.obstacles(server, database.name) == []
    version.rename(version.with_name("PG_VERSION.lost"))
    with pytest.raises(Refused, match=r"cannot be connected to.*not a valid data directory") as refused:
        swap.refuse_obstacles(server, database.name)
    assert f'ALTER DATABASE "{database.name}" RENAME TO' in str(refused.value)
    database.server.sql(f"alter database {database.name} rename to {database.name}_broken")
    assert swap.swap(server, change(database, incoming), NOW).replaced == ""
    assert is_restored(database)


def test_a_database_that_an_interrupted_swap_closed_is_no_obstacle(server, database):
    database.server.sql(f"alter database {database.name} allow_connections false")
    assert swap.obstacles(server, database.name) == []
