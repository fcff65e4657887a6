# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.postgres import archive, compare, dbprops, sql
from ansible_collections.runbook.release.plugins.module_utils.postgres.dbprops import Properties, Setting
from ansible_collections.runbook.release.plugins.module_utils.postgres.digest import (
    Contents,
    LargeObjects,
    Sequence,
    Table,
)

HELD = Contents(
    (Table('"public"."orders"', 10, "77"), Table('"public"."lines"', 3, "5")),
    (Sequence('"public"."ids"', 10, True, 1),),
    LargeObjects(2, "9"),
)
OWN = Properties(
    "shop",
    "UTF8",
    "libc",
    "C.UTF-8",
    "C.UTF-8",
    "",
    "pg_default",
    -1,
    "orders",
    (("", "CONNECT", False), ("shop", "CREATE", False), ("reader", "CONNECT", True)),
)


def wrong(checks):
    return [check.name for check in checks if not check.ok]


def test_what_agrees_is_one_check_for_each_subject():
    checks = list(compare.contents(HELD, HELD))
    assert [(check.name, check.ok) for check in checks] == [
        ("tables", True),
        ("sequences", True),
        ("large objects", True),
    ]


def test_contents_survive_their_way_through_a_manifest():
    plain = json.loads(json.dumps(HELD.to_dict()))
    assert Contents.of(plain["tables"], plain["sequences"], plain["large_objects"]) == HELD
    assert Properties.of(json.loads(json.dumps(OWN.to_dict()))) == OWN


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (replace(HELD, tables=HELD.tables[:1]), 'tables: "public"."lines"'),
        (replace(HELD, tables=(*HELD.tables, Table('"x"."y"', 0, "0"))), 'tables: "x"."y"'),
        (replace(HELD, tables=(Table('"public"."orders"', 10, "78"), HELD.tables[1])), 'tables: "public"."orders"'),
        (replace(HELD, sequences=()), 'sequences: "public"."ids"'),
        (replace(HELD, sequences=(Sequence('"public"."ids"', 10, False, 1),)), 'sequences: "public"."ids"'),
        (replace(HELD, large_objects=LargeObjects(2, "8")), "large objects: all"),
    ],
)
def test_what_differs_is_named(found, name):
    assert wrong(compare.contents(HELD, found)) == [name, name.partition(":")[0]]


@pytest.mark.parametrize(
    ("recorded", "restored", "lags"),
    [
        ((10, True, 1), (10, True, 1), False),
        ((10, True, 1), (400, True, 1), False),
        ((10, True, 1), (9, True, 1), True),
        ((1, False, 1), (1, False, 1), False),
        ((1, True, 1), (1, False, 1), True),
        ((10, True, 5), (15, False, 5), False),
        ((-10, True, -1), (-12, True, -1), False),
        ((-10, True, -1), (-9, True, -1), True),
    ],
)
def test_a_sequence_may_be_ahead_and_never_behind(recorded, restored, lags):
    assert Sequence("s", *restored).lags(Sequence("s", *recorded)) is lags


def test_of_very_many_differences_some_are_named_and_all_are_counted():
    found = list(compare.each("tables", {f"t{n:04}": 1 for n in range(900)}, {}))
    assert len(found) == compare.MOST_NAMED + 1
    assert (found[-1].expected, found[-1].found) == ("900 as recorded", "900 different")


def test_of_long_texts_the_part_that_differs_is_shown():
    long = "create view v as " + "x, " * 5000
    (first, _whole) = compare.each("schema", {"VIEW v": long + "a"}, {"VIEW v": long + "b"})
    assert first.expected.endswith("a")
    assert first.found.endswith("b")
    assert len(first.found) < 400


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"owner": "admin"}, "owner"),
        ({"collate": "de_DE.UTF-8"}, "collate"),
        ({"acl": OWN.acl[:2]}, "CONNECT of reader"),
        ({"acl": (*OWN.acl, ("guest", "TEMPORARY", False))}, "TEMPORARY of guest"),
        ({"acl": (*OWN.acl[:2], ("reader", "CONNECT", False))}, "CONNECT of reader"),
    ],
)
def test_properties_of_the_database_are_compared_one_by_one(change, name):
    found = replace(OWN, comment="a scratch database", **change)
    assert wrong(compare.database(OWN, found)) == [f"database properties: {name}", "database properties"]


def test_application_settings_are_compared_by_their_hash_and_ours_are_left_out():
    recorded = (Setting("", "work_mem", "8MB", "1"), Setting("", "app.token", "", "2"))
    found = (Setting("", "work_mem", "8MB", "1"), Setting("", "app.token", "", "3"), Setting("", "own.mark", "", "4"))
    assert wrong(compare.settings(recorded, found, ("own.mark",))) == [
        "database settings: setting app.token",
        "database settings",
    ]


def test_a_database_is_made_with_everything_that_cannot_be_changed_later():
    made = dbprops.create('sh"op', replace(OWN, provider="icu", locale="de-AT"), 15)
    assert made.startswith('create database "sh""op" template template0 owner "shop" encoding \'UTF8\'')
    assert "locale_provider icu" in made
    assert "icu_locale 'de-AT'" in made
    assert "locale_provider" not in dbprops.create("shop", OWN, 14)


def test_permissions_start_from_none():
    made = list(dbprops.grants("shop", replace(OWN, connection_limit=5)))
    assert made == [
        'revoke all on database "shop" from public, "shop"',
        'grant connect on database "shop" to public',
        'grant create on database "shop" to "shop"',
        'grant connect on database "shop" to "reader" with grant option',
        'alter database "shop" connection limit 5',
    ]


@pytest.mark.parametrize("dumped", ["shop", '"user"', '"Odd ""shop"""'])
def test_settings_come_out_of_the_archive_under_the_new_name(dumped):
    plain = dumped.removeprefix('"').removesuffix('"').replace('""', '"')
    text = (
        f"ALTER DATABASE {dumped} CONNECTION LIMIT = 5;\n"
        f"ALTER DATABASE {dumped} SET search_path TO 'a', 'b';\n"
        f"ALTER DATABASE {dumped} SET \"app.words\" TO 'two\nlines;';\n"
        f"ALTER ROLE \"the reader\" IN DATABASE {dumped} SET work_mem TO '8MB';\n\n"
    )
    entries = (archive.Entry("DATABASE PROPERTIES", plain, "", "shop", text),)
    assert list(dbprops.recorded_settings(archive.Contents((1, 14), plain, "", "", entries), "new")) == [
        "ALTER DATABASE \"new\" SET search_path TO 'a', 'b'",
        'ALTER DATABASE "new" SET "app.words" TO \'two\nlines;\'',
        'ALTER ROLE "the reader" IN DATABASE "new" SET work_mem TO \'8MB\'',
    ]


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("plain", "'plain'"), ("it's", "'it''s'"), ("a\\'b", " E'a\\\\''b'"), ("", "''")],
)
def test_values_are_quoted_whatever_they_hold(value, quoted):
    assert sql.text(value) == quoted
