# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations on a real server, by files and by a real Alembic: what they reach, what they refuse, what they leave."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.migration.operate import Outcome, Request, operate
from ansible_collections.runbook.release.plugins.module_utils.migration.progress import Progress
from ansible_collections.runbook.release.plugins.module_utils.migration.revision import Source, read
from ansible_collections.runbook.release.plugins.module_utils.migration.setup import kind_of, want_of
from ansible_collections.runbook.release.plugins.module_utils.postgres.pod import Account, PodServer
from ansible_collections.runbook.release.plugins.module_utils.postgres.tcp import Login, TcpServer
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.plugins.modules import pg_migrate
from services.postgres import Postgres
from services_cases.exec_stand_in import LocalExec

ROOT = Path(__file__).resolve().parents[2]
ORDERS = """
create table orders (id bigint generated always as identity primary key, note varchar(20), amount int);
insert into orders (note, amount) select 'n' || i, i from generate_series(1, 5000) i;
"""
NO_PARAMS = {
    "state": "migrated",
    "to": None,
    "backup": None,
    "image": None,
    "job": None,
    "pod": None,
    "command": None,
    "history": None,
    "down": None,
    "environment": None,
    "batch": 100,
    "lock_timeout": 1,
    "timeout": 60,
    "run": None,
}


class Case:
    """One database that belongs to a test, with the server as a module sees it."""

    def __init__(self, postgres: Postgres, name: str, folder: Path) -> None:
        self.postgres, self.name, self.folder = postgres, name, folder
        self.login = Login(postgres.host, postgres.port, postgres.user, postgres.password)
        self.server = TcpServer(self.login, str(postgres.bindir))

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return self.postgres.sql(text, self.name)

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.sql").write_text(text)

    def run(
        self, check: bool = False, progress: Progress | None = None, book: Book | None = None, **given: Any
    ) -> Outcome:
        params = self.params(**given)
        kind = kind_of(params, self.server, None)
        source = Source.of(given.get("revision"))
        request = Request(self.server, self.name, source, kind, want_of(params), progress, check)
        return operate(request, book or Book())

    def params(self, **given: Any) -> dict[str, Any]:
        login = {"mode": "tcp", "host": self.login.host, "port": self.login.port, "user": self.login.user}
        own = {"name": "orders", "kind": "sql", "class": "expand", "path": str(self.folder), "database": self.name}
        return {**NO_PARAMS, **own, "server": {**login, "password": self.login.password}, **given}

    @property
    def revision(self) -> str:
        return read(self.server, self.name, Source()).text


@contextmanager
def made(postgres: Postgres, folder: Path) -> Iterator[Case]:
    name = f"migrate_{secrets.token_hex(3)}"
    postgres.sql(f"create database {name}")
    case = Case(postgres, name, folder)
    try:
        case.sql(ORDERS)
        yield case
    finally:
        case.server.close()
        postgres.sql(f"drop database {name} with (force)")


@pytest.fixture
def case(postgres15: Postgres, tmp_path: Path) -> Iterator[Case]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    with made(postgres15, folder) as one:
        yield one


def test_files_run_once_in_order_and_are_recorded_with_their_hash(case: Case) -> None:
    case.write("0002_mark", "update orders set paid = true where id <= 10")
    case.write("0001_paid", "alter table orders add paid boolean -- nobody asks yet")
    first = case.run()
    assert (first.changed, first.before.text, first.after.text) == (True, "none", "0002_mark")
    assert first.plan.revisions == ("0001_paid", "0002_mark")
    assert case.sql("select count(*) from orders where paid") == [(10,)]
    assert case.sql("select count(*) from release_migrations where length(sha256) = 64 and state = 'done'") == [(2,)]
    again = case.run()
    assert (again.changed, again.plan.sentences()) == (False, [])


def test_check_mode_and_state_checked_list_what_is_pending_and_change_nothing(case: Case) -> None:
    case.write("0001_paid", "alter table orders add paid boolean")
    checked, dry = case.run(state="checked"), case.run(check=True)
    assert (checked.changed, dry.changed) == (False, True)
    assert checked.plan.revisions == dry.plan.revisions == ("0001_paid",)
    assert dry.diff() == {"before": "none\n", "after": "0001_paid\n"}
    assert case.sql("select to_regclass('release_migrations')") == [(None,)]


class Pages(Book):
    """Keeps what a release would record."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, Any, Any]] = []

    @contextmanager
    def step(self, what: str, before: Any = None, will: Any = None) -> Iterator[Callable[[Any], None]]:
        self.kept.append((what, before["revision"], will))
        yield lambda after: self.kept.append((what, after["revision"], after["backup"]))


def test_a_release_records_what_is_going_to_run_and_where_the_schema_is_then(case: Case) -> None:
    case.write("0001_paid", "alter table orders add paid boolean")
    case.write("0001_paid.down", "alter table orders drop paid")
    book = Pages()
    case.run(book=book, backup="b-1")
    case.run(book=book)
    case.run(book=book, state="downgraded", to="base")
    assert book.kept == [
        ("migrate orders", "", ["run 0001_paid"]),
        ("migrate orders", "0001_paid", "b-1"),
        ("unmigrate orders", "0001_paid", ["take back 0001_paid"]),
        ("unmigrate orders", "", ""),
    ]


def test_a_file_that_fails_is_rolled_back_whole_and_says_what_stays(case: Case) -> None:
    case.write("0001_paid", "alter table orders add paid boolean")
    case.write("0002_bad", "alter table orders add more int;\nupdate orders set missing = 1")
    with pytest.raises(ReleaseError, match=r"0002_bad failed.*missing.*rolled back; 1 of 2 files were done") as failed:
        case.run()
    assert failed.value.details["after"]["revision"] == case.revision == "0001_paid"
    assert case.sql("select count(*) from information_schema.columns where column_name = 'more'") == [(0,)]


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


def test_a_file_that_was_changed_after_it_had_been_run_is_refused(case: Case) -> None:
    case.write("0001_paid", "alter table orders add paid boolean")
    case.run()
    case.write("0001_paid", "alter table orders add paid integer")
    with pytest.raises(Refused, match="0001_paid was changed"):
        case.run()


def test_a_downgrade_runs_the_ways_back_the_newest_first(case: Case) -> None:
    for number in (1, 2, 3):
        case.write(f"000{number}", f"alter table orders add c{number} int")
        case.write(f"000{number}.down", f"alter table orders drop c{number}")
    case.run()
    outcome = case.run(state="downgraded", to="0001")
    assert (outcome.after.text, outcome.plan.revisions) == ("0001", ("0003", "0002"))
    assert case.sql("select column_name from information_schema.columns where column_name ~ '^c[0-9]'") == [("c1",)]
    assert case.run(state="downgraded", to="base").after.text == "none"
    assert case.run().after.text == "0003"


def test_a_downgrade_without_a_way_back_changes_nothing(case: Case) -> None:
    case.write("0001", "alter table orders add c1 int")
    case.write("0002", "alter table orders add c2 int")
    case.write("0002.down", "alter table orders drop c2")
    case.run()
    with pytest.raises(ReleaseError, match=r"no 0001\.down\.sql"):
        case.run(state="downgraded", to="base")
    assert case.revision == "0002"


def test_an_older_folder_must_not_touch_the_schema_of_a_newer_one(case: Case) -> None:
    case.write("0001", "alter table orders add c1 int")
    case.write("0002", "alter table orders add c2 int")
    case.run()
    (case.folder / "0002.sql").unlink()
    with pytest.raises(Refused, match=r"at 0002, which folder .* does not know"):
        case.run(state="downgraded", to="0001")


def test_an_index_can_be_built_outside_of_a_transaction(case: Case) -> None:
    case.write("0001_index", "-- release: alone\ncreate index concurrently orders_note on orders (note);")
    case.write("0001_index.down", "drop index orders_note")
    assert case.run().changed
    assert case.sql("select indisvalid from pg_index where indexrelid = 'orders_note'::regclass") == [(True,)]


def test_what_runs_outside_of_a_transaction_and_fails_leaves_the_schema_dirty(case: Case) -> None:
    case.sql("update orders set note = 'same'")
    case.write("0001_index", "-- release: alone\ncreate unique index concurrently i on orders (note)")
    with pytest.raises(ReleaseError, match="the schema is dirty now") as failed:
        case.run(**{"class": "contract"}, backup="b-1")
    assert failed.value.details["after"]["dirty"]
    with pytest.raises(Refused, match="dirty: 0001_index was begun"):
        case.run()


BATCHES = """-- release: batches
with batch as (
    select id from orders where (:after::bigint is null or id > :after::bigint) order by id limit :batch
)
update orders set amount = amount + 1000000 from batch where orders.id = batch.id
returning orders.id as key -- the last one is where the next batch begins"""


def test_a_long_change_of_data_is_done_in_batches_each_row_once(case: Case) -> None:
    case.write("0001_amounts", BATCHES)
    outcome = case.run(batch=700)
    assert outcome.log == "0001_amounts: 5000 rows done"
    assert case.sql("select count(*) from orders where amount between 1000001 and 1005000") == [(5000,)]


KILLED = """
import sys
sys.path[:0] = [{tests!r}, {cases!r}]
import conftest
from pathlib import Path
import test_migrate
from ansible_collections.runbook.release.plugins.module_utils.postgres.tcp import Login

class Remote:
    host, port, user, password, bindir = {login!r}

case = test_migrate.Case(Remote, {database!r}, Path({folder!r}))
case.run(batch=1)
"""


def started(case: Case) -> subprocess.Popen[bytes]:
    """The same run in a process of its own."""
    login = (case.login.host, case.login.port, case.login.user, case.login.password, str(case.postgres.bindir))
    script = KILLED.format(
        tests=str(ROOT / "tests"),
        cases=str(ROOT / "tests" / "services_cases"),
        login=login,
        database=case.name,
        folder=str(case.folder),
    )
    return subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def awaited(condition: Callable[[], bool]) -> None:
    """Until something another process does has happened."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def rows_done(case: Case) -> int:
    if case.sql("select to_regclass('release_migrations')") == [(None,)]:
        return 0
    return sum(rows for (rows,) in case.sql("select rows from release_migrations"))


def test_a_killed_change_of_data_goes_on_where_it_was(case: Case) -> None:
    case.write("0001_amounts", BATCHES)
    process = started(case)
    awaited(lambda: rows_done(case) >= 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 20 <= rows_done(case) < 5000
    outcome = case.run(batch=1000)
    assert (outcome.before.text, outcome.after.text) == ("none", "0001_amounts")
    assert case.sql("select count(*), sum(rows) from release_migrations") == [(1, 5000)]
    assert case.sql("select count(*) from orders where amount between 1000001 and 1005000") == [(5000,)]


def test_a_second_migration_is_refused_and_names_the_first(case: Case) -> None:
    case.write("0001_amounts", BATCHES)
    process = started(case)
    try:
        awaited(lambda: rows_done(case) >= 5)
        with pytest.raises(Refused, match=rf"process {process.pid}"):
            case.run()
    finally:
        process.kill()
        process.wait()


def test_a_migration_does_not_queue_behind_a_dump(case: Case) -> None:
    case.write("0001", "alter table orders add c1 int")
    dump = case.postgres.connect(case.name, application_name="pg_dump")
    with pytest.raises(Refused, match=r"\(pg_dump\) dumps the database"):
        case.run()
    dump.close()
    assert case.run().changed


def test_a_migration_does_not_run_beside_another_change_of_the_schema(case: Case) -> None:
    case.write("0001", "alter table orders add c1 int")
    other = case.postgres.connect(case.name, application_name="psql")
    with other.cursor() as cursor:
        cursor.execute("begin; alter table orders add other int")
        with pytest.raises(Refused, match=r"\(psql\) changes the schema"):
            case.run()
    other.close()


def test_a_statement_waits_for_a_lock_no_longer_than_it_may(case: Case) -> None:
    case.write("0001", "alter table orders add c1 int")
    reader = case.postgres.connect(case.name)
    with reader.cursor() as cursor:
        cursor.execute("begin; select count(*) from orders")
        with pytest.raises(ReleaseError, match=r"0001 failed.*lock"):
            case.run()
    reader.close()
    assert case.revision == "none"


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


ENV_PY = """
from alembic import context
from sqlalchemy import create_engine

with create_engine("postgresql+psycopg2://").connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION_PY = """
from alembic import op
revision, down_revision = {id!r}, {parent!r}

def upgrade():
    op.execute({up!r})

def downgrade():
    op.execute({down!r})
"""


@pytest.fixture
def alembic(case: Case) -> Callable[..., Outcome]:
    """Alembic with the database named by what libpq reads; each revision a pair of statements."""
    (case.folder / "versions").mkdir()
    (case.folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\npath_separator = os\n")
    (case.folder / "env.py").write_text(ENV_PY)
    command = [sys.executable, "-m", "alembic"]

    def run(**given: Any) -> Outcome:
        return case.run(**{"kind": "alembic", "command": command, **given})

    return run


def script(case: Case, id: str, parent: str | None, up: str, down: str = "select 1") -> None:
    text = REVISION_PY.format(id=id, parent=parent, up=up, down=down)
    (case.folder / "versions" / f"{id}.py").write_text(text)


def test_alembic_goes_up_and_down_and_the_schema_is_where_it_should_be(case: Case, alembic: Any) -> None:
    script(case, "aaa1", None, "alter table orders add c1 int", "alter table orders drop c1")
    script(case, "bbb2", "aaa1", "alter table orders add c2 int", "alter table orders drop c2")
    up = alembic()
    assert (up.before.text, up.after.text, up.plan.revisions) == ("none", "bbb2", ("aaa1", "bbb2"))
    assert not alembic().changed
    back = alembic(state="downgraded", to="aaa1")
    assert (back.after.text, back.plan.revisions) == ("aaa1", ("bbb2",))
    assert alembic(to="bbb2").after.text == "bbb2"
    assert alembic(state="downgraded", to="base").after.text == "none"


def test_alembic_with_two_heads_reaches_both(case: Case, alembic: Any) -> None:
    script(case, "aaa1", None, "select 1")
    script(case, "bbb2", "aaa1", "select 1")
    script(case, "ccc3", "aaa1", "select 1")
    assert alembic().after.current == ("bbb2", "ccc3")
    assert not alembic().changed


def test_scripts_that_do_not_know_the_schema_must_not_downgrade_it(case: Case, alembic: Any) -> None:
    script(case, "aaa1", None, "select 1")
    script(case, "bbb2", "aaa1", "select 1")
    alembic()
    (case.folder / "versions" / "bbb2.py").unlink()
    with pytest.raises(Refused, match=r"at bbb2, which folder .* does not know"):
        alembic(state="downgraded", to="aaa1")
    assert case.revision == "bbb2"


def test_a_revision_of_alembic_that_fails_says_where_the_schema_is(case: Case, alembic: Any) -> None:
    script(case, "aaa1", None, "alter table orders add c1 int")
    script(case, "bbb2", "aaa1", "alter table missing add c2 int")
    with pytest.raises(ReleaseError, match=r"missing.*The schema is at aaa1 now") as failed:
        alembic()
    assert failed.value.details["after"]["revision"] == "aaa1"
    assert 'relation "missing" does not exist' in failed.value.details["log"]


def test_an_expand_of_alembic_that_takes_something_away_fails_and_names_it(case: Case, alembic: Any) -> None:
    script(case, "aaa1", None, "alter table orders drop note", "alter table orders add note varchar(20)")
    with pytest.raises(ReleaseError, match=r"declared expand, but column note of public\.orders is gone") as failed:
        alembic()
    assert failed.value.details["lost"] == ["column note of public.orders is gone"]
    assert alembic(state="downgraded", to="base").after.text == "none"


def test_the_password_is_in_no_argument_and_no_environment_of_alembic(case: Case, alembic: Any) -> None:
    script(case, "aaa1", None, "select 1")
    own = "/proc/self"
    spy = f"import os; said = open('{own}/environ').read() + open('{own}/cmdline').read()"
    text = (case.folder / "env.py").read_text()
    (case.folder / "env.py").write_text(f"{spy}; assert {case.login.password!r} not in said\n{text}")
    assert alembic().after.text == "aaa1"


def test_a_command_that_a_killed_run_left_behind_is_not_joined_by_another(case: Case, alembic: Any) -> None:
    script(case, "aaa1", None, "select 1")
    orphan = case.postgres.connect(case.name, application_name="pg_migrate")
    with pytest.raises(Refused, match=r"\(pg_migrate\) migrates it"):
        alembic()
    orphan.close()


def test_a_migration_that_makes_no_progress_is_found_out(case: Case, alembic: Any) -> None:
    script(case, "aaa1", None, "select pg_sleep(60)")
    clock = [0.0]

    def later() -> float:
        clock[0] += 10
        return clock[0]

    progress = Progress(lambda: case.server.rows("select 1 as done", case.name), 15, later)
    with pytest.raises(ReleaseError, match="no progress for 20 s"):
        alembic(progress=progress)
    sessions = "select pid from pg_stat_activity where application_name = 'pg_migrate'"
    awaited(lambda: not case.sql(sessions))


def test_the_module_says_what_it_did_and_shows_no_password(
    case: Case, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    case.write("0001_paid", "alter table orders add paid boolean")
    login = {"host": case.login.host, "port": case.login.port, "user": case.login.user}
    given = {"name": "orders", "kind": "sql", "class": "expand", "path": str(case.folder), "database": case.name}
    log = tmp_path / "logs" / "orders.log"
    said = {}
    for port in (case.login.port, 1):
        server = {**login, "port": port, "password": case.login.password}
        options = {**given, "server": server, "log": str(log), "_ansible_diff": True}
        with patch_module_args(options), pytest.raises(SystemExit):
            pg_migrate.main()
        out = capsys.readouterr().out
        assert case.login.password not in out
        said[port] = json.loads(out)
    done, away = list(said.values())
    assert (done["changed"], done["after"]["revision"], done["diff"]["after"]) == (True, "0001_paid", "0001_paid\n")
    assert (log.read_text(), log.stat().st_mode & 0o777) == ("0001_paid: done", 0o600)
    assert "cannot be reached" in away["msg"]


def test_through_a_pod_it_is_all_the_same(case: Case) -> None:
    account = Account(case.login.user, case.login.password, case.login.host, case.login.port)
    folder = case.postgres.bindir
    case.server = PodServer(lambda argv: LocalExec(argv, path=folder), account, "pod shop/pg-0 (postgres)")
    case.write("0001_paid", "alter table orders add paid boolean; comment on table orders is 'a \\ b'")
    case.write("0002_amounts", BATCHES)
    case.write("0003_index", "-- release: alone\ncreate index concurrently orders_note on orders (note)")
    assert case.run(batch=2500).after.text == "0003_index"
    assert case.sql("select count(*) from orders where amount between 1000001 and 1005000") == [(5000,)]
    case.write("0004_drop", "alter table orders drop note")
    with pytest.raises(ReleaseError, match=r"but column note of public\.orders is gone\. It was rolled"):
        case.run()
    assert case.revision == "0003_index"
    dump = case.postgres.connect(case.name, application_name="pg_dump")
    with pytest.raises(Refused, match="dumps the database"):
        case.run(**{"class": "contract"}, backup="b-1")
    dump.close()
