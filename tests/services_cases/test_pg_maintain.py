# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_maintain with real servers, and what others are doing in them meanwhile."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg2
import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.maintain.operate import operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.maintain.request import Outcome, Request
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.plugins.modules import pg_maintain
from services.backups import option_of, reached
from services.postgres import Postgres
from services_cases.conftest import Database
from services_cases.dumping import Way

Maintain = Callable[..., Outcome]
WEEK = 7 * 86400.0


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A server whose parameters may be changed, and which counts statements."""
    server = Postgres.start(settings={"shared_preload_libraries": "pg_stat_statements"})
    server.sql("create role app login password 'app'")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def shop(own: Postgres) -> Iterator[Database]:
    name = f"shop_{secrets.token_hex(3)}"
    own.sql(f"create database {name}")
    own.sql("create table orders (id int primary key, note text)", name)
    own.sql("insert into orders select i, repeat('x', 100) from generate_series(1, 5000) i", name)
    own.sql("grant select on orders to app", name)
    try:
        yield Database(own, name)
    finally:
        own.sql(f"drop database {name} with (force)")


@pytest.fixture
def maintain(shop: Database) -> Maintain:
    def doing(do: str, way: Way = reached, **more: Any) -> Outcome:
        with way(shop.server) as server:
            return operate(server, Request(do, shop.name, **more), Book())

    return doing


@contextmanager
def session(database: Database, *statements: str, user: str = "app", application: str = "backend") -> Iterator[Any]:
    """Somebody who is connected and has said these statements."""
    password = database.server.password if user == database.server.user else user
    connection = database.server.connect(database.name, user=user, password=password, application_name=application)
    try:
        for statement in statements:
            connection.cursor().execute(statement)
        yield connection
    finally:
        connection.close()


def alive(connection: Any) -> bool:
    try:
        connection.cursor().execute("select 1")
    except psycopg2.Error:
        return False
    return True


def vacuumed(database: Database) -> dict[str, bool]:
    return dict(database.sql("select relname::text, last_vacuum is not null from pg_stat_user_tables"))


def test_what_was_vacuumed_lately_is_left_out(maintain: Maintain, shop: Database, way: Way) -> None:
    shop.sql("delete from orders where id > 10")
    looked = maintain("vacuum", way, unless_within=WEEK, check=True)
    assert (looked.changed, looked.plan) == (True, ["vacuum and analyze public.orders"])
    assert vacuumed(shop) == {"orders": False}
    done = maintain("vacuum", way, unless_within=WEEK)
    (table,) = done.found["tables"]
    assert (done.changed, table["name"], table["dead_before"], table["dead_after"]) == (True, "public.orders", 4990, 0)
    assert table["bytes_after"] < table["bytes_before"]
    again = maintain("vacuum", way, unless_within=WEEK)
    assert (again.changed, again.found["recent"]) == (False, ["public.orders"])
    assert maintain("vacuum", way).changed


def test_a_lock_on_one_table_stops_nothing_but_that_one(maintain: Maintain, shop: Database) -> None:
    shop.sql('create table items as select generate_series(1, 10) i; create table "Odd one" as select 1 as i')
    with (
        session(shop, "begin", "lock orders in share mode", user=shop.server.user),
        pytest.raises(ReleaseError, match="1 of 3 tables were not vacuumed") as found,
    ):
        maintain("vacuum", lock_timeout=1)
    assert [one["name"] for one in found.value.details["left"]] == ["public.orders"]
    assert vacuumed(shop) == {"orders": False, "items": True, "Odd one": True}


def test_who_may_not_vacuum_is_told_and_not_only_warned(shop: Database) -> None:
    with reached(shop.server, "app", "app") as server, pytest.raises(Refused, match=r"may not vacuum public\.orders"):
        operate(server, Request("vacuum", shop.name), Book())
    with reached(shop.server) as server, pytest.raises(Refused, match="there is no table nothing"):
        operate(server, Request("vacuum", shop.name, tables=("orders", "nothing")), Book())


def test_indexes_are_rebuilt_in_use_and_leftovers_dropped(maintain: Maintain, shop: Database, way: Way) -> None:
    shop.sql("create index note on orders (note); create index note_ccnew on orders (note)")
    shop.sql("create table other as select 1 as i; create index other_i on other (i)")
    shop.sql("update pg_index set indisvalid = false where indexrelid = 'note_ccnew'::regclass")
    shop.sql("delete from orders where id > 10; ")
    shop.sql("vacuum orders")
    before = dict(shop.sql("select relname::text, relfilenode::int from pg_class where relkind = 'i'"))
    with session(shop, "begin", "select 1", user=shop.server.user):
        looked = maintain("reindex", way, tables=("orders",), check=True)
    done = maintain("reindex", way, tables=("orders",))
    assert done.plan == looked.plan
    assert done.found["dropped"] == ["public.note_ccnew"]
    assert {one["name"] for one in done.found["indexes"]} == {"public.note", "public.orders_pkey"}
    assert all(one["bytes_after"] < one["bytes_before"] for one in done.found["indexes"])
    after = dict(shop.sql("select relname::text, relfilenode::int from pg_class where relkind = 'i'"))
    changed = {name for name in after if after[name] != before[name]}
    assert (changed, "note_ccnew" in after) == ({"note", "orders_pkey"}, False)


def test_a_rebuild_does_not_begin_behind_a_dump_or_an_open_transaction(maintain: Maintain, shop: Database) -> None:
    with (
        session(shop, "begin", "select 1", application="pg_dump"),
        pytest.raises(Refused, match="dumps the database"),
    ):
        maintain("reindex")
    with session(shop, "begin", "select pg_sleep(1.1)"), pytest.raises(Refused, match=r"open for more than 1 s.*app"):
        maintain("reindex", lock_timeout=1)


def test_a_rebuild_that_ran_out_of_time_leaves_nothing_behind(maintain: Maintain, shop: Database) -> None:
    with (
        session(shop, "begin isolation level repeatable read", "select 1"),
        pytest.raises(ReleaseError, match="the index itself is as it was") as found,
    ):
        maintain("reindex", indexes=("orders_pkey",), lock_timeout=60, timeout=1)
    assert found.value.details["dropped"] == ["public.orders_pkey_ccnew"]
    assert shop.sql("select relname::text from pg_class where relname ~ 'orders_pkey'") == [("orders_pkey",)]


def test_idle_transactions_are_ended_and_nobody_else(maintain: Maintain, shop: Database) -> None:
    with ExitStack() as stack:
        join = stack.enter_context
        stuck = join(session(shop, "begin", "select note from orders where note = 'secret'"))
        backup = join(session(shop, "begin", "select 1", application="pg_dump runbook.release 12ab"))
        admin = join(session(shop, "begin", "select 1", user=shop.server.user, application="psql"))
        pooled = join(session(shop, "select 1"))
        worker = join(session(shop, "begin", "select 1", application="worker"))
        assert maintain("end_sessions", older_than=3600).found == {"ended": [], "kept": []}
        looked = maintain("end_sessions", applications=("back*",), check=True)
        assert [one["application"] for one in looked.found["ended"]] == ["backend"]
        assert alive(stuck)
        done = maintain("end_sessions", applications=("back*",))
        (ended,) = done.found["ended"]
        assert (done.changed, ended["how"], ended["statement"]) == (True, "terminated", "SELECT")
        assert "secret" not in json.dumps([done.report(), done.diff()])
        assert [alive(one) for one in (stuck, backup, admin, pooled, worker)] == [False, True, True, True, True]
        rest = maintain("end_sessions")
        assert {one["application"]: one["why"] for one in rest.found["kept"]} == {
            "pg_dump runbook.release 12ab": "it is a backup, a restore or another run of this collection",
            "psql": "admin is a superuser and is not named in users",
        }
        maintain("end_sessions", users=("app", "admin"))
        assert [alive(one) for one in (backup, admin, pooled, worker)] == [True, False, True, False]
        maintain("end_sessions", sessions="idle")
        assert not alive(pooled)


def test_a_long_statement_is_cancelled_and_its_session_stays(maintain: Maintain, shop: Database) -> None:
    said: list[str] = []
    with session(shop) as running:

        def run() -> None:
            try:
                running.cursor().execute("select pg_sleep(600)")
            except psycopg2.Error as error:
                said.append(str(error.pgcode))

        thread = threading.Thread(target=run)
        thread.start()
        while not shop.server.sql("select 1 from pg_stat_activity where state = 'active' and usename = 'app'"):
            pass
        done = maintain("end_sessions", sessions="active")
        thread.join()
        assert [one["how"] for one in done.found["ended"]] == ["cancelled"]
        assert (said, alive(running)) == (["57014"], True)


def test_a_parameter_is_set_and_taken_back(maintain: Maintain, shop: Database, way: Way) -> None:
    def now(name: str) -> Any:
        return shop.sql(f"show {name}")[0][0]

    wanted = {"work_mem": "7MB", "max_connections": 120, "temp_tablespaces": []}
    looked = maintain("set", way, settings=wanted, check=True)
    assert (looked.changed, now("work_mem")) == (True, "4MB")
    done = maintain("set", way, settings=wanted)
    assert (now("work_mem"), done.found["restart_needed"]) == ("7MB", ["max_connections"])
    assert done.found["former"] == {"work_mem": None, "max_connections": None, "temp_tablespaces": None}
    again = maintain("set", way, settings=wanted)
    assert (again.changed, again.found["restart_needed"]) == (False, ["max_connections"])
    back = maintain("set", way, settings=done.found["former"])
    assert (now("work_mem"), back.changed, back.found["restart_needed"]) == ("4MB", True, [])
    assert back.found["former"] == {"work_mem": "7MB", "max_connections": "120", "temp_tablespaces": '""'}


def test_parameters_are_set_all_or_none(maintain: Maintain, shop: Database) -> None:
    with pytest.raises(ReleaseError, match="invalid value for parameter"):
        maintain("set", settings={"work_mem": "8MB", "maintenance_work_mem": "much"})
    assert shop.server.sql("select name from pg_file_settings where sourcefile ~ 'auto.conf'") == []
    with pytest.raises(Refused, match="no parameter nothing"):
        maintain("set", settings={"nothing": 1})
    overridden = maintain("set", settings={"max_wal_size": "1GB"}, way=reached)
    assert "max_wal_size stays 2048: it is set by the command line" in overridden.warnings[0]
    maintain("set", settings={"max_wal_size": None})


def test_statements_are_tracked_where_the_server_can(maintain: Maintain, shop: Database, postgres15: Postgres) -> None:
    done = maintain("track_statements")
    assert (done.changed, done.found["extension"][:2]) == (True, "1.")
    assert shop.sql("select count(*) > 0 from pg_stat_statements") == [(True,)]
    assert not maintain("track_statements").changed
    with reached(postgres15) as server, pytest.raises(Refused, match=r"does not load.*restart the server"):
        operate(server, Request("track_statements", "postgres"), Book())


def test_the_chunks_of_a_hypertable_are_vacuumed_and_reindexed(hypertables: Database) -> None:
    with reached(hypertables.server) as server:
        done = operate(server, Request("vacuum", hypertables.name), Book())
        names = {one["name"] for one in done.found["tables"]}
        assert names > {"public.alarms", "public.devices", "public.readings"}
        assert not [name for name in names if "_hyper_" in name], "they are with their hypertable"
        chunks = [done for name, done in vacuumed(hypertables).items() if name.startswith("_hyper_")]
        assert (len(chunks) > 2, all(chunks)) == (True, True)
        done = operate(server, Request("reindex", hypertables.name, tables=("alarms",)), Book())
    names = {one["table"] for one in done.found["indexes"]}
    assert names
    assert all(name.startswith("_timescaledb_internal._hyper_2_") for name in names)


def test_the_module_says_what_it_did(run: Callable[..., dict[str, Any]], shop: Database) -> None:
    given = {"server": option_of(shop.server), "database": shop.name}
    found = run(pg_maintain, do="vacuum", tables=["orders"], **given, _ansible_diff=True)
    assert (found["changed"], found["diff"]["after"]) == (True, "vacuum and analyze public.orders\n")
    assert shop.server.password not in json.dumps(found)
    assert "older_than" in run(pg_maintain, do="end_sessions", **given)["msg"]
    refused = run(pg_maintain, do="end_sessions", older_than="10m", applications=["*dump*"], **given)
    assert "backups and restores are never ended" in refused["msg"]
