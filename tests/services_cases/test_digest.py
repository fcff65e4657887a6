# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds: the same however it is stored, and never the same once anything differs."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import digest, facts, schema
from services.backups import reached

ODD = """
create schema more;
create extension citext schema more;
create type more.pair as (a int, b text);
create domain more.price as numeric check (value >= 0);
create table more.things (
  id int primary key, n numeric, f float8, c more.citext, j json, jb jsonb, x xml, p point, r int4range, a text[],
  e more.pair, d more.price, i interval, t timestamptz, b bytea, m money, bits bit(3), v tsvector, ch char(4), u uuid
);
insert into more.things values
  (1, 1.0, 0.1, 'A', '{"a": 1}', '{"a": 1.0}', '<a/>', '(1,2)', '[1,5)', '{a,NULL,"b c"}', '(1,x)', 5, '1 month',
   '2026-01-01 00:00Z', '\\x00ff', 12.5, '101', 'a b', 'ab', 'c0a80101-0000-4000-8000-000000000001'),
  (2, 'NaN', '-0', null, null, null, null, null, 'empty', '{}', null, null, '-1 day', 'infinity', '', null, null, '',
   '', null);
"""


@pytest.fixture
def held(database):
    server = reached(database.server)

    def read(name=database.name):
        with server.holding_snapshot(name) as snapshot:
            return digest.of(snapshot.rows)

    with server:
        yield read


def test_it_counts_every_table_exactly(held, database):
    rows = {table.name: table.rows for table in held().tables}
    assert rows['"shop"."orders"'] == 10000
    assert rows['"shop"."events_1"'] + rows['"shop"."events_2"'] == 8001
    assert rows['"public"."Odd ""name"" ü"'] == 3
    assert rows['"public"."empty"'] == 0
    assert '"shop"."events"' not in rows


def test_it_does_not_depend_on_the_order_of_rows_or_on_dead_ones(held, database):
    before = held()
    database.sql(
        "create table o as select * from shop.orders; truncate shop.orders; "
        "insert into shop.orders select * from o order by id desc; drop table o"
    )
    assert held() == before


@pytest.mark.parametrize(
    "change",
    [
        "update more.things set n = 1.00 where id = 1",
        "update more.things set f = '0' where id = 2",
        "update more.things set c = 'a' where id = 1",
        "update more.things set j = '{\"a\":1}' where id = 1",
        "update more.things set i = '30 days' where id = 1",
        "update more.things set t = t + interval '1 microsecond' where id = 1",
        "update more.things set a = '{a,null,\"b  c\"}' where id = 1",
        "update more.things set b = '\\xff00' where id = 1",
        "delete from more.things where id = 2",
        "insert into more.things (id) values (3)",
    ],
)
def test_every_change_of_a_value_changes_the_digest_of_its_table_alone(held, database, change):
    database.sql(ODD)
    before = {table.name: table for table in held().tables}
    database.sql(change)
    after = {table.name: table for table in held().tables}
    assert [name for name in before if before[name] != after[name]] == ['"more"."things"']


def test_settings_of_the_database_do_not_change_it(held, database):
    database.sql(ODD)
    before = held()
    for setting in (
        "TimeZone = 'Asia/Tokyo'",
        "DateStyle = 'SQL, DMY'",
        "bytea_output = 'escape'",
        "extra_float_digits = '-3'",
        "IntervalStyle = 'iso_8601'",
        "search_path = 'shop'",
        "quote_all_identifiers = on",
    ):
        database.sql(f"alter database {database.name} set {setting}")
    assert held() == before


def test_a_copy_has_the_same_digests_whatever_its_enum_types_are_numbered(held, database):
    copy = f"{database.name}_copy"
    dump = database.server.tool("pg_dump", "-Fc", database.name).stdout
    database.server.sql(f"create database {copy}")
    database.server.tool("pg_restore", "-e", "-d", copy, input=dump)
    assert held(copy) == held()


@pytest.mark.parametrize(
    "change",
    [
        "select lo_put((select min(oid) from pg_largeobject_metadata), 3, 'x')",
        "select lo_unlink((select min(oid) from pg_largeobject_metadata))",
        "do $$ begin execute format('grant select on large object %s to shop_reader', "
        "(select min(oid) from pg_largeobject_metadata)); end $$",
        "select lo_from_bytea(0, '')",
    ],
)
def test_every_change_of_a_large_object_is_seen(held, database, change):
    before = held()
    assert before.large_objects.count == 20
    database.sql(change)
    after = held()
    assert after.large_objects != before.large_objects
    assert after.tables == before.tables


def test_large_objects_bigger_than_one_piece_are_read_to_their_end(held, database):
    database.sql("select lo_from_bytea(0, convert_to(repeat('x', 2500000), 'UTF8'))")
    before = held()
    database.sql("select lo_put((select max(oid) from pg_largeobject_metadata), 2499999, 'y')")
    assert held().large_objects.digest != before.large_objects.digest


def test_sequences_are_read_with_what_they_give_next(held, database):
    found = {sequence.name: sequence for sequence in held().sequences}
    assert (found['"shop"."tickets"'].last, found['"shop"."tickets"'].next) == (250, 255)
    assert found['"shop"."orders_id_seq"'].next == 10001


def test_one_snapshot_sees_one_moment(database):
    with reached(database.server) as server, server.holding_snapshot(database.name) as snapshot:
        before = digest.of(snapshot.rows)
        database.sql("insert into shop.orders (customer_id, amount) values (1, 1)")
        assert digest.of(snapshot.rows).tables == before.tables


@pytest.fixture
def clerk(database):
    """A user with little, and how to let the statement that a refusal names be run."""
    database.server.sql("create role clerk login password 'clerk'")
    database.sql("grant usage on schema shop to clerk")
    with reached(database.server, "clerk", "clerk") as server:
        yield server
    database.sql("drop owned by clerk")
    database.server.sql("drop owned by clerk; drop role clerk")


def test_what_may_not_be_read_is_refused_with_the_grant_that_helps(clerk, database):
    database.sql("create table secrets (a int); alter table secrets enable row level security")
    found = facts.observe(clerk, database.name).refusals
    text = "\n".join(found)
    assert 'GRANT SELECT ON TABLE shop.orders TO "clerk"' in text
    assert 'GRANT SELECT ON SEQUENCE shop.tickets TO "clerk"' in text
    assert 'row-level security hides rows of public.secrets: ALTER ROLE "clerk" BYPASSRLS' in text
    assert len([line for line in found if line.startswith("large object")]) == 20


def test_with_these_grants_nothing_is_refused_and_everything_is_read(clerk, database, held):
    database.sql("create table secrets (a int); alter table secrets enable row level security")
    database.server.sql("grant pg_read_all_data to clerk; alter role clerk bypassrls")
    for line in facts.observe(clerk, database.name).refusals:
        database.sql(line.partition(": ")[2].partition(" (")[0])
    assert facts.observe(clerk, database.name).refusals == ()
    with clerk.holding_snapshot(database.name) as snapshot:
        assert digest.of(snapshot.rows) == held()


def test_rows_hidden_by_row_level_security_are_an_error_and_not_a_smaller_number(clerk, database):
    database.sql(
        "create table secrets (a int); insert into secrets values (1); alter table secrets enable row level security"
    )
    database.server.sql("grant pg_read_all_data to clerk")
    with clerk.holding_snapshot(database.name) as snapshot, pytest.raises(ReleaseError, match="row-level security"):
        digest.of(snapshot.rows)


def test_facts_are_what_the_database_is(database):
    database.server.sql(f"alter database {database.name} set app.token = 'hush'")
    with reached(database.server) as server:
        found = facts.observe(server, database.name)
    assert found.extensions.keys() == {"plpgsql", "pg_trgm"}
    assert set(found.roles) == {"admin", "shop_owner", "shop_reader"}
    assert found.schema_revision == "7"
    assert (found.properties.comment, found.properties.connection_limit) == ("orders and their events", 50)
    assert ("shop_reader", "CONNECT", False) in found.properties.acl
    assert {setting.name: setting.value for setting in found.settings} == {"app.token": "", "work_mem": "8MB"}
    assert "hush" not in repr(found)


def test_a_database_that_is_not_there_is_refused(database):
    with reached(database.server) as server, pytest.raises(ReleaseError, match="there is no database"):
        facts.observe(server, "nowhere")


def test_the_schema_of_a_restored_copy_is_the_same_object_by_object(database):
    database.sql(
        "create table checks (kind varchar(9) check (kind in ('a', 'it''s')), c char(2) check (c in ('x', 'y')))"
    )
    copy = f"{database.name}_copy"
    dump = database.server.tool("pg_dump", "-Fc", database.name).stdout
    database.server.sql(f"create database {copy}")
    database.server.tool("pg_restore", "-e", "-d", copy, input=dump)
    with reached(database.server) as server:
        live, restored = schema.read(server, database.name), schema.read(server, copy)
    assert restored == live
    assert schema.archived([dump]) == live
    assert "INDEX shop orders_document_idx" in live
    assert "FK CONSTRAINT shop orders orders_customer_id_fkey" in live
