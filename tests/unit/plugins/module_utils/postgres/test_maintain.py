# SPDX-License-Identifier: GPL-3.0-or-later
"""What maintenance of a database decides, and what it refuses before any server is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres.maintain import (
    indexes,
    sessions,
    settings,
    tables,
    tracking,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.maintain.request import Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.report import bloat, cursor, statements
from ansible_collections.runbook.release.plugins.modules import pg_maintain, pg_report_info

SERVER = {"host": "127.0.0.1", "port": 1, "user": "nobody", "password": "hush-hush"}
SESSION = sessions.Session(
    7, "b", "app", "shop", "backend", "10.0.0.1", "idle in transaction", "m", 700.0, "select 1", False, True
)
ENDING = Request("end_sessions", "shop", older_than=600.0)
TABLE = tables.Table("public.orders", "r", 8192, 3, 3600.0, 3600.0, True)
INDEX = indexes.Index("public.orders_pkey", "public.orders", True, False, 8192, False, True)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run_module(module: Any = pg_maintain, **options: Any) -> dict[str, Any]:
        with patch_module_args({"database": "shop", "server": SERVER, **options}), pytest.raises(SystemExit):
            module.main()
        out = capsys.readouterr().out
        assert "hush-hush" not in out
        return dict(json.loads(out))

    return run_module


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"do": "end_sessions"}, "missing: older_than"),
        ({"do": "set"}, "missing: settings"),
        ({"do": "end_sessions", "older_than": "a while"}, "older_than is 'a while', not a duration"),
        ({"do": "vacuum", "indexes": ["a"]}, "indexes is for reindex, not for vacuum"),
        ({"do": "reindex", "unless_within": "7d"}, "unless_within is for vacuum"),
        ({"do": "vacuum", "settings": {"a": 1}}, "settings is for set"),
        ({"do": "reindex", "tables": ["a"], "indexes": ["b"]}, "mutually exclusive"),
    ],
)
def test_an_option_that_is_for_something_else_is_refused(run: Any, options: Any, said: str) -> None:
    assert said in run(**options)["msg"]


def test_a_server_that_is_away_is_said_in_a_sentence(run: Any) -> None:
    pytest.importorskip("psycopg2")
    assert "127.0.0.1:1" in run(do="vacuum")["msg"]
    assert "127.0.0.1:1" in run(pg_report_info, about="sizes")["msg"]
    assert "missing: statement" in run(pg_report_info, about="explain")["msg"]


@pytest.mark.parametrize("pattern", ["pg_dump", "PG_Dump*", "*dump*", "*", "p*", "pgBackRest*", "runbook.release ab12"])
def test_a_filter_that_means_a_backup_is_refused(pattern: str) -> None:
    with pytest.raises(Refused, match="backups and restores are never ended"):
        sessions.refuse_backups(replace(ENDING, applications=("backend", pattern)))


@pytest.mark.parametrize("pattern", ["backend", "back*", "web-?", "dump[x]"])
def test_a_filter_that_means_others_is_not(pattern: str) -> None:
    sessions.refuse_backups(replace(ENDING, applications=(pattern,)))


@pytest.mark.parametrize(
    ("session", "why"),
    [
        ({"application": "pg_dump"}, "a backup"),
        ({"application": "pg_dumpall: x"}, "a backup"),
        ({"application": "pgBackRest [backup]"}, "a backup"),
        ({"application": "runbook.release 0a1b2c3d"}, "a backup"),
        ({"state": "active", "query": "vacuum (analyze) t"}, "maintenance (VACUUM)"),
        ({"state": "active", "query": "create index concurrently i on t (a)"}, "maintenance (CREATE INDEX)"),
        ({"super": True}, "not named in users"),
    ],
)
def test_these_are_never_ended_however_well_the_filter_fits(session: dict[str, Any], why: str) -> None:
    plan = sessions.decide([replace(SESSION, **session)], ENDING)
    assert plan.end == ()
    assert why in plan.keep[0][1]


@pytest.mark.parametrize(
    ("asked", "matches"),
    [
        ({}, True),
        ({"older_than": 701.0}, False),
        ({"users": ("app",)}, True),
        ({"users": ("other",)}, False),
        ({"databases": ("other",)}, False),
        ({"databases": ("other", "shop")}, True),
        ({"applications": ("BACK*",)}, True),
        ({"applications": ("backen?",)}, False),
    ],
)
def test_a_session_fits_all_filters_or_is_not_looked_at(asked: dict[str, Any], matches: bool) -> None:
    plan = sessions.decide([SESSION], replace(ENDING, **asked))
    assert (len(plan.end), plan.keep) == (int(matches), ())


def test_a_superuser_who_is_named_is_ended_by_a_superuser_only() -> None:
    named = replace(ENDING, users=("app",))
    assert sessions.decide([replace(SESSION, super=True)], named).end
    assert sessions.decide([replace(SESSION, super=True, we_are_super=False)], named).end == ()


@pytest.mark.parametrize(
    ("table", "analyze", "due"),
    [
        ({}, True, False),
        ({"vacuumed": None}, True, True),
        ({"analyzed": 7201.0}, True, True),
        ({"analyzed": 7201.0}, False, False),
        ({"kind": "p", "vacuumed": None}, True, False),
        ({"kind": "p", "vacuumed": None, "named": True}, True, True),
    ],
)
def test_what_was_done_lately_is_not_due(table: dict[str, Any], analyze: bool, due: bool) -> None:
    request = Request("vacuum", "shop", analyze=analyze, unless_within=7200.0)
    assert bool(tables.decide([replace(TABLE, **table)], request).due) is due


def test_only_a_named_partitioned_table_is_vacuumed_itself() -> None:
    parent = replace(TABLE, kind="p")
    assert parent.statement(True) == "analyze public.orders"
    assert replace(parent, named=True).statement(False) == "vacuum public.orders"
    assert tables.decide([parent], Request("vacuum", "shop", analyze=False)).due == ()


@pytest.mark.parametrize(
    ("index", "dropped", "rebuilt", "left"),
    [
        ({}, 0, 1, 0),
        ({"valid": False}, 0, 1, 0),
        ({"name": "public.orders_pkey_ccnew", "valid": False}, 1, 0, 0),
        ({"name": 'public."Orders_ccold2"', "valid": False}, 1, 0, 0),
        ({"name": "public.orders_pkey_ccnew"}, 0, 1, 0),
        ({"name": "public.orders_pkey_ccnew", "valid": False, "building": True}, 0, 0, 1),
        ({"exclusion": True}, 0, 0, 1),
    ],
)
def test_only_what_an_interrupted_run_left_is_dropped(
    index: dict[str, Any], dropped: int, rebuilt: int, left: int
) -> None:
    plan = indexes.decide([replace(INDEX, **index)])
    assert (len(plan.drop), len(plan.rebuild), len(plan.left)) == (dropped, rebuilt, left)


def parameter(name: str, kept: str | None = None, context: str = "user") -> dict[str, settings.Parameter]:
    return {name: settings.Parameter(name, context, "", "default", False, kept)}


@pytest.mark.parametrize(
    ("name", "kept", "given", "statement", "back"),
    [
        ("work_mem", None, "8MB", "set \"work_mem\" = '8MB'", 'reset "work_mem"'),
        ("work_mem", "4MB", None, 'reset "work_mem"', "set \"work_mem\" = '4MB'"),
        ("jit", None, False, "set \"jit\" = 'off'", 'reset "jit"'),
        ("a.b", "1", 2, 'set "a"."b" = \'2\'', 'set "a"."b" = \'1\''),
        (
            "shared_preload_libraries",
            '"x"',
            ["x", "y"],
            "set \"shared_preload_libraries\" = 'x', 'y'",
            "set \"shared_preload_libraries\" = 'x'",
        ),
        ("work_mem", None, "'; drop", "set \"work_mem\" = '''; drop'", 'reset "work_mem"'),
    ],
)
def test_a_parameter_is_set_and_its_way_back_known(name: str, kept: Any, given: Any, statement: str, back: str) -> None:
    (change,) = settings.decide(parameter(name, kept), {name: given})
    assert (change.statement(), change.back()) == (f"alter system {statement}", f"alter system {back}")


def test_a_parameter_that_is_set_already_is_left() -> None:
    assert settings.decide(parameter("work_mem", "8MB"), {"work_mem": "8MB"}) == []
    assert settings.decide(parameter("work_mem"), {"work_mem": None}) == []
    libraries = parameter("shared_preload_libraries", '"x", "y"')
    assert settings.decide(libraries, {"shared_preload_libraries": "x,y"}) == []


@pytest.mark.parametrize(
    ("name", "context", "said"),
    [
        ("nothing", "", "has no parameter nothing"),
        ("work_mem = 1; drop", "user", "has no parameter"),
        ("primary_conninfo", "sighup", "may hold a secret"),
        ("block_size", "internal", "how the server was built"),
    ],
)
def test_what_cannot_be_set_is_refused(name: str, context: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        settings.decide(parameter(name, context=context), {name: 1})


def test_what_to_do_to_have_statements_tracked() -> None:
    have = tracking.Have('"timescaledb", pg_stat_statements', "top", "1.10", "")
    assert tracking.decide(have) == (True, False)
    assert tracking.decide(replace(have, track="none", version="1.10")) == (False, True)
    with pytest.raises(Refused, match="'timescaledb, pg_stat_statements'}, restart the server"):
        tracking.decide(replace(have, libraries="timescaledb"))
    with pytest.raises(Refused, match="install the package"):
        tracking.decide(replace(have, available=""))


def test_columns_of_statistics_have_two_names() -> None:
    assert statements.columns_of(["mean_time", "total_time"])["mean"] == "mean_time"
    assert statements.columns_of(["mean_exec_time", "calls"])["total"] == "total_exec_time"


def test_bloat_is_never_less_than_none_and_the_worst_is_first() -> None:
    rows = [
        {"name": "full", "bytes": 100, "needed": 120},
        {"name": "half", "bytes": 100, "needed": 50},
        {"name": "empty", "bytes": 0, "needed": 0},
    ]
    found = bloat.wasting(rows)
    assert [(one["name"], one["wasted_bytes"], one["share"]) for one in found] == [
        ("half", 50, 0.5),
        ("empty", 0, 0.0),
        ("full", 0, 0.0),
    ]


def test_a_statement_to_explain_stands_behind_options_and_in_quotes_nobody_can_guess() -> None:
    before = "explain (costs) "
    one, other = cursor.block_of("analyze delete from t;", before), cursor.block_of("select 1", before)
    assert "execute 'explain (costs) ' || $s" in one
    assert one.split()[1] != other.split()[1]
