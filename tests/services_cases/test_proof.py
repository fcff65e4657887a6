# SPDX-License-Identifier: GPL-3.0-or-later
"""A proof finds what is wrong with a backup, says its name, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import bring, proof, scratch
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from services.backups import killed, made, reached, unlocked

NO_ROWS = "select 1 from pg_database where datname like 'runbook\\_scratch\\_%%'"


@pytest.fixture
def server(database):
    with reached(database.server) as reachable:
        yield reachable
    assert database.server.sql(NO_ROWS) == []


@pytest.fixture
def store(tmp_path):
    return LocalStore(str(tmp_path / "store"))


def wrong(found):
    return [check.name for check in found.checks if not check.ok]


@pytest.mark.parametrize("format", ["custom", "directory"])
@pytest.mark.parametrize("level", ["checksum", "decode", "restore", "full"])
def test_a_good_backup_holds_at_every_level(server, store, database, level, format):
    manifest = made(server, database.name, store, format=format, compression="gzip:1")
    found = proof.prove(server, store, manifest, level, jobs=2 if format == "directory" else 1)
    assert (wrong(found), found.holds, found.level) == ([], True, level)
    assert found.seconds > 0
    assert json.loads(json.dumps(found.to_dict()))["checks"]


def test_a_backup_made_and_proven_while_rows_are_written_holds(server, store, database):
    database.sql("create table ticks (id bigserial primary key, at timestamptz default clock_timestamp())")
    writing = subprocess.Popen(
        [database.server.bindir / "pgbench", "-n", "-c2", "-T30", "-f", "/dev/stdin", database.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "PGHOST": database.server.host,
            "PGPORT": str(database.server.port),
            "PGUSER": database.server.user,
            "PGPASSWORD": database.server.password,
        },
    )
    writing.stdin.write(b"insert into ticks default values;")
    writing.stdin.close()
    try:
        while not database.sql("select 1 from ticks limit 1"):
            assert writing.poll() is None
        manifest = made(server, database.name, store)
        found = proof.prove(server, store, manifest, "restore")
    finally:
        writing.kill()
        writing.wait()
    assert wrong(found) == []
    recorded = next(table["rows"] for table in manifest.tables if table["name"] == '"public"."ticks"')
    assert database.sql("select count(*) from ticks")[0][0] > recorded


FAULTS = {
    "update shop.orders set amount = amount + 0.01 where id = 77": ['tables: "shop"."orders"'],
    "delete from shop.events where at = '2026-01-01 00:10Z'": ['tables: "shop"."events_1"'],
    "drop index shop.orders_document_idx": ["schema: INDEX shop orders_document_idx"],
    "alter table shop.orders alter state set default 'paid'": [
        "schema: DEFAULT shop orders state",
        "schema: TABLE shop orders",
    ],
    "select lo_unlink((select min(oid) from pg_largeobject_metadata))": ["large objects: all"],
    "select setval('shop.tickets', 245)": ['sequences: "shop"."tickets"'],
    "revoke select on shop.orders from shop_reader": ["schema: ACL shop TABLE orders"],
    "alter table shop.orders drop constraint orders_customer_id_fkey": [
        "schema: FK CONSTRAINT shop orders orders_customer_id_fkey"
    ],
    "create table extra ()": ['tables: "public"."extra"', "schema: TABLE public extra"],
    "alter table shop.customers owner to admin": ["schema: TABLE shop customers"],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_differs_in_the_restored_copy_is_found_and_named(server, store, database, monkeypatch, fault):
    manifest = made(server, database.name, store)
    fill = bring.fill

    def faulty_fill(server, name, *more):
        try:
            return fill(server, name, *more)
        finally:
            server.run(fault, name)

    monkeypatch.setattr(bring, "fill", faulty_fill)
    found = proof.prove(server, store, manifest, "restore")
    assert not found.holds
    named = [name for name in wrong(found) if ": " in name]
    assert set(named) & set(FAULTS[fault]), named
    assert len(named) <= 4


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("alter database {0} connection limit 7", "database properties: connection_limit"),
        ("alter database {0} owner to shop_owner", "database properties: owner"),
        ("revoke connect on database {0} from shop_reader", "database properties: CONNECT of shop_reader"),
        ("alter database {0} set work_mem = '9MB'", "database settings: setting work_mem"),
        ("alter database {0} reset app.token", "database settings: setting app.token"),
        (
            "alter role shop_reader in database {0} reset search_path",
            "database settings: setting search_path of role shop_reader",
        ),
    ],
)
def test_what_differs_about_the_database_itself_is_found_and_named(server, store, database, monkeypatch, fault, name):
    database.server.sql(f"alter database {database.name} set app.token = 'it''s a secret'")
    database.server.sql(f"alter role shop_reader in database {database.name} set search_path = shop, public")
    manifest = made(server, database.name, store)
    assert "secret" not in manifest.to_bytes().decode()
    assert wrong(proof.prove(server, store, manifest, "restore")) == []
    fill = bring.fill

    def faulty_fill(server, scratch_name, *more):
        try:
            return fill(server, scratch_name, *more)
        finally:
            server.run(fault.format(scratch_name))

    monkeypatch.setattr(bring, "fill", faulty_fill)
    assert name in wrong(proof.prove(server, store, manifest, "restore"))


def test_a_row_changed_after_the_dump_in_the_record_fails_the_proof(server, store, database):
    manifest = made(server, database.name, store)
    tables = [dict(table) for table in manifest.tables]
    tables[0]["rows"] += 1
    assert not proof.prove(server, store, replace(manifest, tables=tuple(tables)), "restore").holds


def files(store, manifest):
    folder = Path(store.where) / manifest.id
    return [folder / entry.name for entry in manifest.files]


@pytest.mark.parametrize("format", ["custom", "directory"])
@pytest.mark.parametrize("level", ["checksum", "decode", "restore"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "deleted"])
def test_a_damaged_file_fails_every_level_without_a_restore(server, store, database, format, level, damage):
    manifest = made(server, database.name, store, format=format)
    path = max(files(store, manifest), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flipped" else content[:-1])
    found = proof.prove(server, store, manifest, level)
    assert list(wrong(found)) == [f"sha256 of {path.relative_to(Path(store.where) / manifest.id)}"]


def forged(store, manifest, damage):
    """Damage to the largest file that happened before it was hashed: only what comes back can tell."""
    path = max(files(store, manifest), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    content = bytes(content if damage == "flipped" else content[:-4096])
    path.write_bytes(content)
    entries = [
        replace(entry, bytes=len(content), sha256=sha256(content).hexdigest())
        if str(path).endswith(entry.name)
        else entry
        for entry in manifest.files
    ]
    changed = replace(manifest, files=tuple(entries))
    (Path(store.where) / manifest.id / "manifest.json").write_bytes(changed.to_bytes())
    return changed


@pytest.mark.parametrize("damage", ["cut", "flipped"])
@pytest.mark.parametrize("compression", ["none", "gzip:6", "lz4", "zstd:3"])
@pytest.mark.parametrize("format", ["custom", "directory"])
def test_an_archive_damaged_before_it_was_hashed_is_not_proven(store, database_other, format, compression, damage):
    with reached(database_other.server) as server:
        manifest = made(server, database_other.name, store, format=format, compression=compression)
        try:
            found = proof.prove(server, store, forged(store, manifest, damage), "restore")
        except ReleaseError:
            return
        assert not found.holds


def test_damaged_pages_are_found_by_the_level_full_alone(own_postgres, store):
    """An index that lost an entry: every row comes back by a scan, and not by the index."""
    own = own_postgres()
    own.sql("create database shop")
    own.sql("create table t (id int primary key); insert into t select generate_series(1, 1000)", "shop")
    with reached(own) as server:
        assert all(check.ok for check in proof.sound(server, "shop"))
        own.sql("update pg_index set indisready = false where indexrelid = 't_pkey'::regclass", "shop")
        own.sql("insert into t values (1001)", "shop")
        own.sql("update pg_index set indisready = true where indexrelid = 't_pkey'::regclass", "shop")
        wrong_ones = [check for check in proof.sound(server, "shop") if not check.ok]
        assert wrong_ones[0].name == "amcheck of indexes: public.t_pkey"
        assert "lacks matching index tuple" in wrong_ones[0].found
        assert own.sql("select 1 from pg_extension where extname = 'amcheck'", "shop") == []


def test_another_server_can_be_the_place_of_the_proof_if_it_is_of_the_same_version(
    server, store, database, own_postgres
):
    manifest = made(server, database.name, store)
    elsewhere = own_postgres()
    with reached(elsewhere) as other, pytest.raises(Refused, match="role shop_owner"):
        proof.prove(other, store, manifest, "restore")
    elsewhere.sql("create role shop_owner; create role shop_reader")
    with reached(elsewhere) as other:
        assert wrong(proof.prove(other, store, manifest, "restore")) == []


def test_a_server_of_another_version_is_refused(server, store, database, postgres_other):
    manifest = made(server, database.name, store)
    with (
        reached(postgres_other) as other,
        pytest.raises(Refused, match="is of PostgreSQL 15, the server is PostgreSQL 18"),
    ):
        proof.prove(other, store, manifest, "restore")


def test_the_newer_version_proves_its_own(store, database_other):
    with reached(database_other.server) as server:
        manifest = made(server, database_other.name, store, compression="zstd:3")
        assert wrong(proof.prove(server, store, manifest, "full")) == []


KINDS = {
    "icu": "locale_provider icu icu_locale 'de-AT' encoding 'UTF8'",
    "latin": "encoding 'LATIN1' locale 'C'",
    "ascii": "encoding 'SQL_ASCII' locale 'C'",
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_its_locale_encoding_and_name_a_database_comes_back_the_same(store, postgres15, kind):
    name = "Odd \"name\" 'of' " + kind
    quoted = '"' + name.replace('"', '""') + '"'
    postgres15.sql(f"create database {quoted} template template0 {KINDS[kind]}")
    postgres15.sql(f"alter database {quoted} set app.word = 'a b'")
    try:
        postgres15.tool("psql", "--command", "create table t (\"größe\" text default 'ü')", name)
        postgres15.tool("psql", "--command", "insert into t default values", name)
        with reached(postgres15) as server:
            found = proof.prove(server, store, made(server, name, store), "restore")
    finally:
        postgres15.sql(f"drop database {quoted} with (force)")
    assert wrong(found) == []


def test_the_builtin_locale_of_newer_servers_comes_back_too(store, postgres_other):
    postgres_other.sql("create database b template template0 locale_provider builtin builtin_locale 'C.UTF-8'")
    try:
        with reached(postgres_other) as server:
            found = proof.prove(server, store, made(server, "b", store), "restore")
    finally:
        postgres_other.sql("drop database b with (force)")
    assert wrong(found) == []


def test_a_scratch_that_would_be_the_live_database_is_refused(server, store, database, monkeypatch):
    manifest = made(server, database.name, store)
    monkeypatch.setattr(scratch, "oid_of", lambda *_any: 4711)
    with pytest.raises(Refused, match="nothing is restored into it"):
        proof.prove(server, store, manifest, "restore")


def test_a_scratch_left_by_a_killed_run_is_dropped_by_the_next_one(server, store, database, monkeypatch):
    manifest = made(server, database.name, store)
    monkeypatch.setattr(bring, "fill", lambda *_any: os.kill(os.getpid(), signal.SIGKILL))
    killed(lambda: proof.prove(reached(database.server), store, manifest, "restore"))
    ((left,),) = database.server.sql(NO_ROWS.replace("select 1", "select datname"))
    unlocked(database.server)
    monkeypatch.undo()
    assert scratch.sweep(server) == [left]


def test_a_scratch_in_use_and_databases_of_others_are_left_alone(server, database):
    name = "runbook_scratch_" + "0" * 24
    database.server.sql(f"create database {name}")
    database.server.sql("create table mine ()", name)
    used = scratch.new_name()
    database.server.sql(f"create database {used}")
    with reached(database.server) as maker, maker.locked(used):
        assert scratch.sweep(server) == []
    with pytest.raises(Refused):
        scratch.drop(server, database.name)
    unlocked(database.server)
    assert scratch.sweep(server) == [used]
    database.server.sql(f"drop database {name}")
