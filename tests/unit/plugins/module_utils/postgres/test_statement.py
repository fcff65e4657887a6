# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of others are shown without what they hold."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.postgres.statement import kind_of, without_values


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("select * from t where a = 'secret' and b=42", "select * from t where a = ? and b=?"),
        ("select 'it''s secret', E'it\\'s secret', b'01'", "select ?, ?, ?"),
        ("select $$secret$$, $a$ $$ secret $a$, $1", "select ?, ?, $1"),
        ("select 1 -- secret\n, 2 /* secret /* secret */ secret */, 3", "select ? , ? , ?"),
        ('select "a ""b"" 1".c1, x.y2 from "T"', 'select "a ""b"" 1".c1, x.y2 from "T"'),
        ("select 1.5e10, .5, -7", "select ?, ?, -?"),
        ("insert into t values ('cut off sec", "insert into t values (?"),
        ("select 'a' /* cut off sec", "select ?"),
        ("select $x$ cut off sec", "select ?"),
        ("select 'C:\\', 'secret'", "select ?"),
        ("alter role x password 'secret'", "alter role x password ?"),
        ("select date'2020-01-01', U&'secret', N'secret'", "select date?, ?, ?"),
        ("", ""),
    ],
)
def test_every_value_and_comment_is_left_out(statement: str, shown: str) -> None:
    assert without_values(statement) == shown


def test_where_a_value_ends_may_depend_on_the_server_and_then_nothing_more_is_shown() -> None:
    assert without_values("select 'it\\'s', 'a secret'") == "select ?"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("/* app */ select 1", "SELECT"),
        ("with x as (select 1) delete from t", "WITH"),
        ("create unique index concurrently i on t (a)", "CREATE INDEX"),
        ("VACUUM (ANALYZE) t", "VACUUM"),
        ("COMMIT", "COMMIT"),
        ("'nothing'", ""),
        ("", ""),
    ],
)
def test_a_statement_has_a_kind(statement: str, kind: str) -> None:
    assert kind_of(statement) == kind
