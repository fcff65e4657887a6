# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_report_info with real servers of two versions."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.modules import pg_report_info
from services.backups import option_of
from services.postgres import DEBIAN_MAJOR, OTHER_MAJOR, Postgres
from services_cases.conftest import Database

Report = Callable[..., dict[str, Any]]
CONTENT = """
create table orders (id int primary key, customer int, note text);
insert into orders select i, i % 100, repeat('x', 100) from generate_series(1, 20000) i;
create index customer on orders (customer);
create index customer_again on orders (customer);
create index broken on orders (note);
update pg_index set indisvalid = false where indexrelid = 'broken'::regclass;
delete from orders where id % 2 = 0;
"""


@pytest.fixture(scope="module", params=[DEBIAN_MAJOR, OTHER_MAJOR])
def shop(request: pytest.FixtureRequest) -> Iterator[Database]:
    server = Postgres.start(request.param, {"shared_preload_libraries": "pg_stat_statements", "autovacuum": "off"})
    try:
        name = f"shop_{secrets.token_hex(3)}"
        server.sql(f"create database {name}")
        server.sql(CONTENT, name)
        server.sql("vacuum analyze orders", name)
        yield Database(server, name)
    finally:
        server.stop()


@pytest.fixture
def report(run: Report, shop: Database) -> Report:
    def asked(about: str, **more: Any) -> dict[str, Any]:
        return run(pg_report_info, about=about, database=shop.name, server=option_of(shop.server), **more)

    return asked


def test_sessions_and_who_waits_for_whom(report: Report, shop: Database) -> None:
    holder, waiter = shop.server.connect(shop.name), shop.server.connect(shop.name)
    waiting = threading.Thread(target=lambda: waiter.cursor().execute("select 'a secret' from orders limit 1"))
    try:
        holder.cursor().execute("begin; lock orders")
        waiting.start()
        while not shop.server.sql("select 1 from pg_stat_activity where wait_event_type = 'Lock'"):
            pass
        found = report("sessions")
        blocker = holder.info.backend_pid
    finally:
        holder.close()
        waiting.join()
        waiter.close()
    assert (found["changed"], found["states"]["idle in transaction"]) == (False, 1)
    assert 2 < found["used"] < found["limit"] == 97
    (blocked,) = found["blocked"]
    assert (blocked["statement"], blocked["by"]) == ("SELECT", [blocker])
    assert "a secret" not in json.dumps(found)


def test_statements_without_what_they_hold(report: Report, shop: Database) -> None:
    assert "do track_statements" in report("statements")["msg"]
    shop.sql("create extension pg_stat_statements")
    shop.sql("alter role current_user set application_name = 'top secret'")
    for number in range(3):
        shop.sql(f"select count(*) from orders where note <> 'secret {number}'")
    for by in ("mean", "total", "calls"):
        rows = report("statements", by=by, most=50)["statements"]
        (ours,) = [one for one in rows if "note <>" in one["statement"]]
        assert (ours["calls"], ours["mean_ms"] > 0, 0 < ours["share"] <= 1) == (3, True, True)
        assert "secret" not in json.dumps(rows)
    assert report("statements", by="running")["statements"] == []
    assert report("statements", by="calls", most=1)["since"].endswith("Z")


def test_sizes_and_what_is_empty_of_them(report: Report, shop: Database) -> None:
    sizes = report("sizes")
    assert sizes["tables"][0]["name"] == "public.orders"
    assert sizes["tables"][0]["rows"] == 10000
    assert shop.name in [one["name"] for one in sizes["databases"]]
    estimated = report("bloat")
    orders = next(one for one in estimated["tables"] if one["name"] == "public.orders")
    shop.sql("create extension pgstattuple")
    measured = next(one for one in report("bloat")["tables"] if one["name"] == "public.orders")
    assert (orders["measured"], measured["measured"]) == (False, True)
    assert orders["share"] == pytest.approx(measured["share"], abs=0.1)
    assert 0.35 < measured["share"] < 0.6
    customer = next(one for one in estimated["indexes"] if one["name"] == "public.orders_pkey")
    assert 0.3 < customer["share"] < 0.7


def test_indexes_that_cost_and_do_not_help(report: Report) -> None:
    found = report("indexes")
    assert {one["name"] for one in found["unused"]} == {"public.customer", "public.customer_again"}
    assert [(one["name"], one["like"]) for one in found["duplicate"]] == [("public.customer_again", "public.customer")]
    assert [one["name"] for one in found["invalid"]] == ["public.broken"]


def test_a_statement_is_explained_and_never_run(report: Report, shop: Database) -> None:
    found = report("explain", statement="delete from orders where id = 4711;")
    assert found["steps"][0].startswith("Delete on orders")
    for statement in (
        "select 1; drop table orders",
        "drop table orders",
        "analyze select 1",
        "select $$x$$ || 'a' 'b'",
    ):
        assert "the statement cannot be planned" in report("explain", statement=statement)["msg"]
    generic = report("explain", statement="select * from orders where id = $1")
    assert "steps" in generic if shop.server.major >= 16 else "from PostgreSQL 16 on" in generic["msg"]
    assert shop.sql("select count(*) from orders") == [(10000,)]


def test_rows_are_an_extract_in_order_and_nothing_else_can_be_done(report: Report, shop: Database) -> None:
    found = report("rows", statement="select id, null as nobody from orders order by id desc -- the newest", most=2)
    assert found["summary"] == ["2 rows, and there are more"]
    assert [one["id"] for one in found["rows"]] == [19999, 19997]
    assert (found["rows"][0]["nobody"], found["whole"]) == (None, False)
    none = report("rows", statement="select 'it''s' as text where false")
    assert (none["rows"], none["whole"], none["summary"]) == ([], True, ["0 rows"])
    for statement in (
        "delete from orders returning id",
        "select 1) q) r; drop table orders; select (select * from (select 1",
        "with gone as (delete from orders returning id) select * from gone",
    ):
        assert "the rows cannot be read" in report("rows", statement=statement)["msg"]
    assert shop.sql("select count(*) from orders") == [(10000,)]
