# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import archive, schema
from ansible_collections.runbook.release.plugins.module_utils.postgres.archive import Entry
from hypothesis import given
from hypothesis import strategies as st

ENTRY = Entry("INDEX", "orders_at_idx", "shop", "shop_owner", "CREATE INDEX orders_at_idx ON shop.orders (at);\n")


def number(value):
    return struct.pack("<BI", value < 0, abs(value))


def text(value):
    return number(-1) if value is None else number(len(value.encode())) + value.encode()


def made(*entries, minor=14, form=1, database="shop"):
    """An archive as pg_dump writes it, up to the end of its table of contents."""
    head = b"PGDMP" + bytes((1, minor, 0, 4, 8, form))
    head += bytes((0,)) if minor >= 15 else number(0)
    head += b"".join(map(number, (1, 2, 3, 21, 10, 126, 0))) + text(database) + text("15.20") + text("15.20")
    return head + number(len(entries)) + b"".join(one(entry, minor, form) for entry in entries)


def one(entry, minor, form):
    said = number(7) + number(0) + text("1259") + text("16400") + text(entry.tag) + text(entry.kind) + number(2)
    said += text(entry.text) + text("DROP …") + text("") + text(entry.schema or None) + text("") + text("")
    said += number(0) if minor >= 16 else b""
    said += text(entry.owner) + text("false") + text("12") + text("13") + text(None)
    return said + (struct.pack("<BQ", 1, 0) if form == 1 else text("3.dat"))


@pytest.mark.parametrize("minor", [14, 15, 16])
@pytest.mark.parametrize("form", [1, 5])
def test_every_entry_is_read_whatever_the_layout(minor, form):
    table = Entry("TABLE", "orders", "shop", "shop_owner", "CREATE TABLE shop.orders ();\n")
    found = archive.contents([made(table, ENTRY, minor=minor, form=form)])
    assert found.version == (1, minor)
    assert (found.database, found.server, found.entries) == ("shop", "15.20", (table, ENTRY))


@given(st.lists(st.integers(1, 60), max_size=20))
def test_it_does_not_matter_in_which_pieces_it_comes(sizes):
    whole, pieces = made(ENTRY), []
    for size in sizes:
        pieces.append(whole[:size])
        whole = whole[size:]
    assert archive.contents([*pieces, whole]).entries == (ENTRY,)


def test_nothing_is_read_beyond_the_table_of_contents():
    def pieces():
        yield made(ENTRY)
        raise AssertionError("the data was read")

    assert archive.contents(pieces()).entries == (ENTRY,)


def test_one_that_is_cut_within_is_an_error_at_every_byte():
    whole = made(ENTRY)
    for length in range(len(whole)):
        with pytest.raises(ReleaseError):
            archive.contents([whole[:length]])


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b\x08", b"-- PostgreSQL database dump", made(minor=17), made(minor=13)]
)
def test_what_is_no_known_archive_is_an_error(content):
    with pytest.raises(ReleaseError):
        archive.contents([content])


def named(*entries):
    return schema.objects(entries)


def test_objects_have_names_and_their_owner_belongs_to_them():
    assert named(ENTRY) == {"INDEX shop orders_at_idx": f"-- owner shop_owner\n{ENTRY.text}"}
    other = Entry(ENTRY.kind, ENTRY.tag, ENTRY.schema, "admin", ENTRY.text)
    assert named(other) != named(ENTRY)


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        ("TABLE DATA", "orders"),
        ("SEQUENCE SET", "orders_id_seq"),
        ("BLOB", "16400"),
        ("BLOB METADATA", "16400..16420"),
        ("ACL", "LARGE OBJECT 16400"),
        ("DATABASE", "shop"),
        ("DATABASE PROPERTIES", "shop"),
        ("ACL", "DATABASE shop"),
        ("COMMENT", "DATABASE shop"),
        ("SUBSCRIPTION", "feed"),
        ("STATISTICS DATA", "orders"),
    ],
)
def test_data_and_the_database_itself_are_no_objects_of_the_schema(kind, tag):
    assert named(Entry(kind, tag, "", "shop", "…")) == {}


def test_objects_of_one_name_are_compared_whatever_their_order():
    first, second = (Entry("ACL", "TABLE orders", "shop", "shop", f"GRANT SELECT TO {who};\n") for who in "ab")
    assert named(first, second) == named(second, first)
    assert schema.sha256(named(first, second)) == schema.sha256(named(second, first))
    assert schema.sha256(named(first)) != schema.sha256(named(second))


def test_a_list_of_varchars_is_the_same_before_and_after_it_was_read_back():
    before = "CHECK (((k)::text = ANY ((ARRAY['a'::character varying, 'it''s'::character varying])::text[])))"
    after = "CHECK (((k)::text = ANY (ARRAY[('a'::character varying)::text, ('it''s'::character varying)::text])))"
    assert named(Entry("TABLE", "t", "s", "o", before)) == named(Entry("TABLE", "t", "s", "o", after))
    other = after.replace("'a'", "'b'")
    assert named(Entry("TABLE", "t", "s", "o", before)) != named(Entry("TABLE", "t", "s", "o", other))
