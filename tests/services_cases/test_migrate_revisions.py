# SPDX-License-Identifier: GPL-3.0-or-later
"""The revision of a schema is read from the records of whatever tool migrated it."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.migration.revision import Source, read
from services_cases.migrating import Case

RECORDS = {
    "create table schema_migrations (version bigint, dirty boolean); insert into schema_migrations values (7, false)": (
        "7",
        "",
    ),
    "create table schema_migrations (version bigint, dirty boolean); insert into schema_migrations values (8, true)": (
        "8",
        "revision 8 is marked dirty",
    ),
    "create table schema_migrations (version text); insert into schema_migrations values ('20240101'), ('20240202')": (
        "20240202",
        "",
    ),
    "create table _sqlx_migrations (version bigint, success boolean);"
    "insert into _sqlx_migrations values (1, true), (2, true)": ("2", ""),
    "create table _sqlx_migrations (version bigint, success boolean);"
    "insert into _sqlx_migrations values (1, true), (2, false)": ("2", "revision 2 is marked dirty"),
    "create table alembic_version (version_num varchar(32)); insert into alembic_version values ('b'), ('a')": (
        "a, b",
        "",
    ),
    "select 1": ("none", ""),
}


@pytest.mark.parametrize(("sql", "expected"), RECORDS.items())
def test_the_revision_is_read_from_the_records_of_several_tools(
    case: Case, sql: str, expected: tuple[str, str]
) -> None:
    case.sql(sql)
    found = read(case.server, case.name, Source())
    assert (found.text, found.dirty) == expected


def test_of_two_records_one_has_to_be_chosen(case: Case) -> None:
    case.sql("create table schema_migrations (version text); create table alembic_version (version_num text)")
    with pytest.raises(Refused, match=r'"public"\."alembic_version" and "public"\."schema_migrations"'):
        read(case.server, case.name, Source())
    assert read(case.server, case.name, Source("alembic")).text == "none"


def test_a_query_can_tell_the_revision(case: Case) -> None:
    query = "select max(amount) as revision, bool_or(amount < 0) as dirty from orders"
    assert read(case.server, case.name, Source("query", query=query)).text == "5000"
    with pytest.raises(Refused, match="no column called revision"):
        read(case.server, case.name, Source("query", query="select 1 as version"))
