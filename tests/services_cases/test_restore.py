# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore puts back exactly what was there, can be taken back, and when it fails it has not touched anything."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import (
    bring,
    digest,
    proof,
    room,
    schema,
    scratch,
    swap,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import Proof
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore import Safety, operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore_decide import Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from services.backups import killed, made, reached, unlocked

MIGRATION = """
create table shop.refunds (id int primary key, order_id bigint references shop.orders);
alter table shop.orders add column note text not null default '';
alter type shop.state add value 'refunded';
create view shop.open_orders as select id, note from shop.orders where state = 'new';
update schema_migrations set version = 8;
insert into shop.orders (customer_id, amount, note) values (1, 1, 'new');
"""


@pytest.fixture
def server(database):
    with reached(database.server) as reachable:
        yield reachable
    left = database.server.sql("select datname from pg_database where starts_with(datname, 'runbook_scratch_')")
    assert left == []


@pytest.fixture
def store(tmp_path):
    return LocalStore(str(tmp_path / "store"))


@pytest.fixture
def backup(server, store, database):
    database.server.sql(f"alter database {database.name} set app.token = 'hush'")
    return made(server, database.name, store)


@pytest.fixture
def held(server, database):
    """Everything the database under the live name holds, and its schema."""

    def read():
        with server.holding_snapshot(database.name) as snapshot:
            return digest.of(snapshot.rows), schema.read(server, database.name, snapshot.name)

    return read


@pytest.fixture
def wanted(database, backup):
    def request(state="restored", **more):
        given = {"id": backup.id, "accept_data_loss": True} if state == "restored" else {"accept_data_loss": True}
        return Request(state, database.name, **{**given, **more})

    return request


def about(database):
    """What belongs to the database itself, as an administrator sees it."""
    return database.server.sql(
        "select d.datacl::text, d.datconnlimit, d.datallowconn, shobj_description(d.oid, 'pg_database'), "
        "array(select one from pg_db_role_setting, unnest(setconfig) one where setdatabase = d.oid and setrole = 0 "
        "and one !~ '^runbook.restored_from=before-1.1.0 ' order by 1) from pg_database d where datname = %s",
        values=[database.name],
    )


def test_after_a_migration_a_restore_brings_back_exactly_what_was_there(server, store, database, held, wanted):
    before, properties = held(), about(database)
    database.sql(MIGRATION)
    database.server.sql(f"alter database {database.name} set work_mem = '1MB'")
    assert held() != before
    done = operate(server, store, wanted())
    assert (held(), about(database)) == (before, properties)
    assert (done.changed, done.replaced) == (True, swap.kept(server, database.name)[0].name)
    assert done.plan.lost > 0
    assert 0 < done.outage <= done.phases["swap"]


def test_a_restore_can_be_taken_back_and_that_once(server, store, database, held, wanted):
    database.sql(MIGRATION)
    migrated, properties = held(), about(database)
    operate(server, store, wanted())
    done = operate(server, None, wanted("reverted"))
    assert (held(), about(database)) == (migrated, properties)
    assert done.changed
    assert operate(server, None, wanted("reverted")).changed is False
    assert held() == migrated
    assert operate(server, store, wanted()).changed
    assert held() != migrated


def test_restoring_what_was_restored_changes_nothing_unless_it_is_wanted_again(server, store, database, held, wanted):
    operate(server, store, wanted())
    restored = held()
    database.sql(MIGRATION)
    done = operate(server, store, wanted())
    assert (done.changed, done.report()["backup"]) == (False, "before-1.1.0")
    assert held() != restored
    assert operate(server, store, wanted(again=True)).changed is True
    assert held() == restored
    assert len(swap.kept(server, database.name)) == 2


def test_check_mode_says_what_it_would_do_and_does_nothing(server, store, database, held, wanted):
    before = held()
    done = operate(server, store, wanted(check=True))
    assert done.changed
    assert done.report()["plan"] == [
        "restore backup before-1.1.0 into a new database and prove it to level restore",
        f"put it in the place of {database.name}",
    ]
    assert (held(), swap.kept(server, database.name)) == (before, [])


def test_the_level_full_looks_into_the_pages_too(server, store, held, wanted):
    before = held()
    done = operate(server, store, wanted(level="full"))
    assert held() == before
    assert "amcheck of indexes" in [check.name for check in done.checks]


def test_a_database_that_is_gone_is_brought_back_under_its_name(server, store, database, held, wanted):
    before, properties = held(), about(database)
    database.server.sql(f"drop database {database.name} with (force)")
    done = operate(server, store, wanted(accept_data_loss=False))
    assert (held(), about(database)) == (before, properties)
    assert (done.replaced, done.lost > done.plan.lost > 0) == ("", True)
    again = operate(server, store, wanted(accept_data_loss=False))
    assert (again.changed, 0 < again.lost <= done.lost) == (False, True)


def test_on_another_server_it_takes_a_word_that_this_is_meant(store, backup, database, own_postgres, wanted):
    elsewhere = own_postgres()
    elsewhere.sql("create role shop_owner; create role shop_reader")
    with reached(elsewhere) as server:
        with pytest.raises(Refused, match="of another origin: system"):
            operate(server, store, wanted())
        assert operate(server, store, wanted(accept_foreign=True)).changed
    assert elsewhere.sql("select count(*) from shop.orders", database.name) == [(10000,)]


def test_which_of_several_systems_is_meant_is_not_guessed(server, store, database, backup, held, wanted):
    proven = replace(backup, proof=Proof("restore", backup.made_at, 1.0, ()))
    store.amend(backup.id, proven)
    other = made(server, database.name, store, "other")
    foreign = {**backup.server, "system": "4711"}
    store.amend("other", replace(other, server=foreign, proof=Proof("restore", other.made_at, 1.0, ())))
    newest = wanted(id="", accept_foreign=True, check=True)
    error = refuses(server, store, newest, held, "backups of 2 systems")
    assert f"{backup.id} of system {backup.system}" in error.what
    assert "other of system 4711" in error.what
    assert operate(server, store, replace(newest, accept_foreign=False)).plan.restore == proven
    assert operate(server, store, replace(newest, id="other")).plan.restore.id == "other"


def test_the_backup_of_now_is_made_before_anything_else(server, store, database, wanted):
    made_first = []

    def safety(_backup):
        assert swap.kept(server, database.name) == []
        made_first.append(made(server, database.name, store, "safety"))
        return made_first[0]

    assert operate(server, store, wanted(), Safety(safety)).report()["safety_backup"] == "safety"


def test_no_safety_backup_no_restore(server, store, held, wanted):
    before = held()

    def failing(_backup):
        raise ReleaseError("the disk is full")

    with pytest.raises(ReleaseError, match="the disk is full"):
        operate(server, store, wanted(), Safety(failing))
    assert held() == before


def refuses(server, store, request, held, match):
    before = held()
    with pytest.raises(ReleaseError, match=match) as raised:
        operate(server, store, request)
    assert held() == before
    return raised.value


class LosingBook(Book):
    """Of a run that loses its lock while it works."""

    def look(self):
        raise Refused("bob holds the lock")


@pytest.mark.parametrize("state", ["restored", "reverted"])
def test_who_lost_the_lock_meanwhile_puts_nothing_in_place(server, store, database, held, wanted, state):
    operate(server, store, wanted())
    database.sql(MIGRATION)
    before, kept = held(), swap.kept(server, database.name)
    with pytest.raises(Refused, match="bob holds the lock") as refused:
        operate(server, store, wanted(state, again=True), book=LosingBook())
    assert (held(), swap.kept(server, database.name)) == (before, kept)
    assert f"nothing in {database.name} was changed" in refused.value.remedy


def test_lost_writes_have_to_be_accepted_and_are_counted(server, store, held, wanted):
    error = refuses(server, store, wanted(accept_data_loss=False), held, r"written to shop_\w+ in the last \d+ s")
    assert error.details["data_loss_seconds"] > 0


def test_what_the_server_lacks_is_named_before_anything_is_restored(server, store, database, held, wanted):
    backup = store.the("before-1.1.0")
    lacking = replace(backup, roles=(*backup.roles, "auditor"), extensions={**backup.extensions, "postgis": "3.3"})
    store.amend(backup.id, lacking)
    error = refuses(server, store, wanted(), held, "lacks what backup before-1.1.0 needs")
    assert 'role auditor (CREATE ROLE "auditor"); extension postgis 3.3' in error.what


def test_timescaledb_of_another_version_is_refused_naming_both(server, store, held, wanted):
    store.amend("before-1.1.0", replace(store.the("before-1.1.0"), timescaledb="2.17.2"))
    refuses(server, store, wanted(), held, "needs TimescaleDB 2.17.2, the server has none")


def test_a_disk_without_room_is_refused_with_both_numbers(server, store, held, wanted, monkeypatch):
    if room.free_bytes(server) is None:
        pytest.skip("the folder of the server cannot be read by this user")
    usage = shutil.disk_usage("/")._replace(free=3 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    refuses(server, store, wanted(), held, r"\d+ MiB are needed, 3 MiB are free")


def test_what_is_bound_to_the_live_database_is_refused_first(server, store, database, held, wanted):
    connection = database.server.connect(database.name)
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("create table late ()")
        cursor.execute(f"prepare transaction '{database.name}'")
    connection.close()
    try:
        with pytest.raises(Refused, match="prepared transaction"):
            operate(server, store, wanted())
    finally:
        database.sql(f"rollback prepared '{database.name}'")
    assert swap.kept(server, database.name) == []


def test_a_database_closed_by_somebody_else_is_refused(server, store, database, wanted):
    database.server.sql(f"alter database {database.name} allow_connections false")
    with pytest.raises(Refused, match="switched off by somebody else"):
        operate(server, store, wanted())
    database.server.sql(f"alter database {database.name} allow_connections true")


@pytest.mark.parametrize("name", ["postgres", "template1"])
def test_databases_of_the_server_are_never_replaced(server, store, wanted, name):
    with pytest.raises(Refused, match="belongs to the server"):
        operate(server, store, replace(wanted(), database=name))


def test_there_is_nothing_to_take_back_where_nothing_was_restored(server, held, wanted):
    refuses(server, None, wanted("reverted"), held, "no database that a restore of")


def test_two_at_once_the_second_is_told_of_the_first(server, store, database, held, wanted):
    with reached(database.server) as first, first.locked(database.name):
        refuses(server, store, wanted(), held, "is running")


def test_a_database_replaced_in_the_meantime_by_somebody_else_is_left_alone(server, store, database, wanted):
    def safety(_backup):
        database.server.sql(f"drop database {database.name} with (force)")
        database.server.sql(f"create database {database.name}")
        return store.the("before-1.1.0")

    with pytest.raises(Refused, match=r"replaced .* in the meantime"):
        operate(server, store, wanted(), Safety(safety))
    assert database.sql("select to_regclass('shop.orders')") == [(None,)]


def test_a_damaged_backup_is_not_restored(server, store, held, wanted):
    path = Path(store.where) / "before-1.1.0" / "data.dump"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refuses(server, store, wanted(), held, "data.dump")


def faulty(monkeypatch, fault):
    fill = bring.fill

    def filled(server, name, *more):
        jobs = fill(server, name, *more)
        fault(server, name)
        return jobs

    monkeypatch.setattr(bring, "fill", filled)


def test_what_came_back_different_is_not_put_in_place(server, store, held, wanted, monkeypatch):
    faulty(monkeypatch, lambda server, name: server.run("delete from shop.events where kind = '3'", name))
    error = refuses(server, store, wanted(), held, "is not what it was made from")
    assert error.details["failed_checks"][0]["name"] == 'tables: "shop"."events_1"'


def test_a_restore_that_fails_halfway_has_touched_nothing(server, store, database, held, wanted, monkeypatch):
    def gone(server, name):
        database.server.sql(f"drop database {name} with (force)")

    faulty(monkeypatch, gone)
    refuses(server, store, wanted(), held, "there is no database")


@pytest.mark.parametrize("point", ["restoring", "proving"])
def test_a_run_killed_before_the_swap_leaves_nothing_after_the_next_one(
    server, store, database, held, wanted, monkeypatch, point
):
    before = held()
    database.sql(MIGRATION)

    def die(*_any: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if point == "restoring":
        monkeypatch.setattr(server.__class__, "restore", die)
    else:
        faulty(monkeypatch, die)
    killed(lambda: operate(reached(database.server), store, wanted()))
    monkeypatch.undo()
    unlocked(database.server)
    assert held() != before
    assert operate(server, store, wanted()).changed
    assert held() == before


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_killed_around_the_renames_is_finished_by_the_next_one(
    server, store, database, held, wanted, monkeypatch, when
):
    before = held()
    database.sql(MIGRATION)
    swapped = swap.swap

    def dying(dying_server, *more):
        run = dying_server.run

        def run_or_die(sql, *rest, **options):
            if "rename to" in sql and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            run(sql, *rest, **options)
            if "rename to" in sql:
                os.kill(os.getpid(), signal.SIGKILL)

        dying_server.run = run_or_die
        return swapped(dying_server, *more)

    monkeypatch.setattr(swap, "swap", dying)
    killed(lambda: operate(reached(database.server), store, wanted()))
    monkeypatch.undo()
    unlocked(database.server)
    assert scratch.sweep(server) == []
    done = operate(server, store, wanted())
    assert held() == before
    assert done.mended
    assert len(swap.kept(server, database.name)) == 1
    assert operate(server, store, wanted()).changed is False


def test_without_an_id_it_is_the_newest_backup_that_is_proven(server, store, database, held, wanted):
    before = held()
    with pytest.raises(Refused, match=r"of 1 backups of shop_.* none is proven to level restore"):
        operate(server, store, wanted(id=""))
    first = store.the("before-1.1.0")
    store.amend(first.id, replace(first, proof=proof.prove(server, store, first, "restore")))
    database.sql(MIGRATION)
    made(server, database.name, store, "later-and-unproven")
    assert operate(server, store, wanted(id="")).report()["backup"] == first.id
    assert held() == before
