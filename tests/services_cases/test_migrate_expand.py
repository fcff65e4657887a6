# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration may take away depends on the class it declares."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from services_cases.migrating import Case

LOSSES = {
    "drop table orders": "table public.orders is gone",
    "alter table orders drop note": "column note of public.orders is gone",
    "alter table orders rename note to remark": "column note of public.orders is gone",
    "alter table orders alter amount type bigint": "column amount of public.orders was integer and is bigint",
    "alter table orders alter note type varchar(10) using left(note, 10)": "was character varying(20)",
    "alter table orders alter note set not null": "column note of public.orders must not be empty any more",
    "alter table orders add kind text not null": "column kind of public.orders is new, must not be empty",
    "alter table orders add check (amount > 0) not valid": "new check on amount",
    "create unique index on orders (note)": "new unique index on note",
    "drop view totals": "view public.totals is gone",
}


@pytest.mark.parametrize(("sql", "said"), LOSSES.items())
def test_an_expand_that_takes_something_away_is_rolled_back(case: Case, sql: str, said: str) -> None:
    case.sql("create view totals as select 1 as total")
    if "add kind" in sql:
        case.sql("delete from orders")
    case.write("0001_change", sql)
    with pytest.raises(ReleaseError, match="declared expand") as failed:
        case.run()
    assert said in failed.value.what
    assert "It was rolled back" in failed.value.what
    assert case.revision == "none"
    if "add kind" not in sql:
        assert case.sql("select count(note), count(amount) from orders") == [(5000, 5000)]


EXPANSIONS = (
    "create table payments (id int primary key, order_id bigint not null references orders)",
    "alter table orders add kind text not null default 'web'",
    "alter table orders add payment int check (payment > 0)",
    "alter table orders alter note type text",
    "alter table orders alter note type varchar(40)",
    "create index on orders (note); create view totals as select sum(amount) from orders",
    "drop index orders_amount",
    "create function count_orders() returns bigint language sql as $$ select count(*) from orders $$",
)


@pytest.mark.parametrize("sql", EXPANSIONS)
def test_an_expand_may_add_what_the_version_before_does_not_notice(case: Case, sql: str) -> None:
    case.sql("create index orders_amount on orders (amount)")
    case.write("0001_change", sql)
    assert case.run().changed


def test_a_contract_may_take_away_and_needs_a_backup(case: Case) -> None:
    case.write("0001_drop", "alter table orders drop note")
    with pytest.raises(Refused, match="no backup to return to"):
        case.run(**{"class": "contract"})
    assert case.run(**{"class": "contract"}, backup="b-1").changed
