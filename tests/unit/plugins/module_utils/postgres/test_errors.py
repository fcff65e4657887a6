# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers and programs say becomes what an operator can act on."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres.errors import (
    MEANINGS,
    complaints,
    essence,
    fault,
)

CONNECTION = 'pg_dump: error: connection to server at "db" (192.0.2.7), port 5432 failed: '
SAID = [
    (CONNECTION + 'FATAL:  password authentication failed for user "shop"', "login", "does not accept the password"),
    (CONNECTION + "fe_sendauth: no password supplied", "login", "does not accept the password"),
    (CONNECTION + 'FATAL:  no pg_hba.conf entry for host "192.0.2.9", user "a"', "login", "pg_hba.conf"),
    (CONNECTION + 'FATAL:  role "shop" does not exist', "login", "nobody can log in as shop"),
    (CONNECTION + 'FATAL:  database "shop" does not exist', "database", "there is no database shop"),
    (CONNECTION + "Connection refused\n\tIs the server running on that host", "unreachable", "cannot be reached"),
    (CONNECTION + "timeout expired", "unreachable", "cannot be reached"),
    (CONNECTION + "FATAL:  sorry, too many clients already", "busy", "no more connections"),
    (CONNECTION + "FATAL:  the database system is starting up", "away", "not up"),
    (CONNECTION + "server does not support SSL, but SSL was required", "tls", "the server has no TLS"),
    ('could not translate host name "db" to address: Name or service not known', "unreachable", "cannot be reached"),
    (
        "pg_dump: error: server version: 18.1; pg_dump version: 15.18\n"
        "pg_dump: error: aborting because of server version mismatch",
        "version",
        "older than the server",
    ),
    (CONNECTION + "FATAL:  could not write init file", "space", "the disk is full"),
    ("pg_restore: error: unsupported version (1.16) in file header", "version", "format 1.16"),
    (
        "pg_dump: error: query failed: ERROR:  permission denied for large object 16401",
        "permission",
        "GRANT SELECT ON LARGE OBJECT 16401",
    ),
    (
        'pg_dump: error: query failed: ERROR:  query would be affected by row-level security policy for table "t"',
        "permission",
        "BYPASSRLS",
    ),
    ("pg_dump: error: query failed: ERROR:  permission denied for table orders", "permission", "pg_read_all_data"),
    ("pg_dump: error: query failed: ERROR:  permission denied for schema shop", "permission", "schema shop"),
    ("ERROR:  permission denied to create database", "permission", "lacks the right"),
    ("ERROR:  must be owner of database shop", "permission", "lacks the right"),
    (
        "pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout\n"
        "pg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE",
        "lock",
        "another session holds a lock",
    ),
    (
        'pg_dump: error: could not obtain lock on relation "public.t"\n'
        "This usually means that someone requested an ACCESS EXCLUSIVE lock on the table",
        "lock",
        "another session holds a lock",
    ),
    (
        'pg_dump: error: query failed: ERROR:  invalid snapshot identifier: "00000003-1"',
        "snapshot",
        "the snapshot ended",
    ),
    (
        'pg_dump: error: Dumping the contents of table "orders" failed: PQgetCopyData() failed.\n'
        "pg_dump: detail: Error message from server: server closed the connection unexpectedly",
        "lost",
        'table "orders"',
    ),
    ("FATAL:  terminating connection due to administrator command", "lost", "connection to the server was lost"),
    ("ERROR:  could not extend file: No space left on device", "space", "the disk is full"),
    (
        "ERROR:  out of shared memory\nHINT:  You might need to increase max_locks_per_transaction",
        "locks",
        "lock table",
    ),
    (
        'pg_restore: error: could not execute query: ERROR:  role "shop_owner" does not exist',
        "role",
        "the role shop_owner is missing",
    ),
    (
        'pg_restore: error: could not execute query: ERROR:  extension "postgis" is not available',
        "extension",
        "not installed on this server",
    ),
    ("pg_restore: error: could not read from input file: end of file", "damaged", "the archive is damaged"),
    ("pg_dump: error: this build does not support compression with ZSTD", "compression", "cannot compress this way"),
]


@pytest.mark.parametrize(("said", "code", "told"), SAID, ids=[f"{code}-{told[:20]}" for _said, code, told in SAID])
def test_words_have_a_meaning_and_a_remedy(said: str, code: str, told: str) -> None:
    error = fault("the dump of shop", said, "db:5432")
    assert error.details["code"] == code
    assert told in str(error)
    assert error.remedy
    assert "Where: db:5432." in str(error)


def test_every_meaning_is_met_by_words_above() -> None:
    assert {meaning.code for meaning in MEANINGS} == {code for _said, code, _told in SAID}


def test_what_nobody_knows_is_passed_on_in_its_own_words() -> None:
    error = fault("the dump of shop", "pg_dump: error: the moon is full", "db:5432")
    assert "the dump of shop failed: pg_dump: error: the moon is full." in str(error)
    assert error.details["code"] == "failed"
    assert not isinstance(error, Refused)


def test_what_is_kept_for_good_has_none_of_the_words_of_others() -> None:
    error = fault("the restore into shop", 'ERROR:  could not read\nCONTEXT:  COPY t, line 3: "secret row"', "db:5432")
    assert "secret row" in error.details["stderr"]
    assert "secret" not in error.record
    told = fault("the dump", 'FATAL:  password authentication failed for user "shop"', "db:5432")
    assert told.record == "the dump failed: the server does not accept the password"


def test_what_is_known_to_mean_nothing_is_left_out() -> None:
    said = """\
pg_dump: warning: there are circular foreign-key constraints on this table:
pg_dump: detail: hypertable
pg_dump: hint: You might not be able to restore the dump without using --disable-triggers or temporarily dropping.
pg_dump: hint: Consider using a full dump instead of a --data-only dump to avoid this problem.
pg_dump: NOTICE:  hypertable data are in the chunks, no data will be copied
DETAIL:  Data for hypertables are stored in the chunks of a hypertable so COPY TO of a hypertable will copy nothing.
HINT:  Use "COPY (SELECT * FROM <hypertable>) TO ..." to copy all data in hypertable, or copy each chunk individually.
pg_dump: warning: something new
"""
    assert complaints(said) == ["pg_dump: warning: something new"]


def test_the_error_itself_is_told_rather_than_what_surrounds_it() -> None:
    said = "pg_restore: while PROCESSING TOC:\npg_restore: error: could not execute query\nCommand was: CREATE TABLE t"
    assert essence(said) == "pg_restore: error: could not execute query"
    assert essence("one\ntwo\nthree\nfour") == "two\nthree\nfour"
