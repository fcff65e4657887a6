# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration that was killed, and what else goes on in the database while one would run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.migration.kinds.sql import Sql
from ansible_collections.runbook.release.plugins.module_utils.postgres import session
from services.backups import killed, reached, unlocked
from services_cases.migrating import BATCHES, Case, awaited

DONE = 20


def test_a_long_change_of_data_is_done_in_batches_each_row_once(case: Case) -> None:
    case.write("0001_amounts", BATCHES)
    outcome = case.run(batch=700)
    assert outcome.log == "0001_amounts: 5000 rows done"
    assert case.sql("select count(*) from orders where amount between 1000001 and 1005000") == [(5000,)]


def test_a_killed_change_of_data_goes_on_where_it_was(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.write("0001_amounts", BATCHES)
    batch, left = Sql._batch, [DONE]

    def batch_or_die(self: Sql, *given: object) -> str:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return batch(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Sql, "_batch", batch_or_die)
    killed(lambda: Case(case.postgres, case.name, case.folder).run(batch=1))
    monkeypatch.undo()
    unlocked(case.postgres)
    assert case.sql("select sum(rows) from release_migrations") == [(DONE,)]
    outcome = case.run(batch=1000)
    assert (outcome.before.text, outcome.after.text) == ("none", "0001_amounts")
    assert case.sql("select count(*), sum(rows) from release_migrations") == [(1, 5000)]
    assert case.sql("select count(*) from orders where amount between 1000001 and 1005000") == [(5000,)]


def test_a_second_migration_is_refused_and_names_the_first(case: Case) -> None:
    case.write("0001", "alter table orders add c1 int")
    with (
        reached(case.postgres) as first,
        first.locked(case.name),
        pytest.raises(Refused, match=rf"process {os.getpid()}"),
    ):
        case.run()
    assert case.run().changed


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


READS, CHANGES = "select count(*) from orders", "update orders set note = 'mine' where id = 1"
ALONE = "-- release: alone\n-- not concurrently\nalter table orders add c1 int"
CONCURRENTLY = "-- release: alone\ncreate index concurrently orders_note on orders (note)"


@contextmanager
def beside(case: Case, statement: str) -> Iterator[None]:
    """A transaction that does not end."""
    other = case.postgres.connect(case.name, application_name="report")
    with closing(other), other.cursor() as cursor:
        cursor.execute(f"begin; {statement}")
        yield


def migrating(case: Case) -> list[tuple[object, ...]]:
    """Statements of a migration that run in the database or wait there."""
    ours = "application_name like 'runbook.release%' and state = 'active'"
    return case.sql(f"select query from pg_stat_activity where datname = '{case.name}' and {ours}")


@pytest.mark.parametrize(("file", "other"), [(ALONE, READS), (BATCHES, CHANGES)], ids=["alone", "batches"])
def test_no_file_waits_for_a_lock_longer_than_it_may(case: Case, file: str, other: str) -> None:
    case.write("0001", file)
    with beside(case, other), pytest.raises(ReleaseError, match="canceling statement due to lock timeout"):
        case.run()
    assert migrating(case) == []
    assert case.run().after.text == "0001"


def test_what_runs_concurrently_waits_and_ends_with_the_module(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.write("0001", CONCURRENTLY)
    monkeypatch.setattr(session, "QUERY_STALL", 3.0)
    with beside(case, CHANGES):
        with pytest.raises(ReleaseError, match="0001 failed") as failed:
            case.run(**{"class": "contract"}, backup="b-1")
        assert "lock timeout" not in str(failed.value)
        assert migrating(case) == []


def test_what_runs_concurrently_ends_with_a_killed_module(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.write("0001", CONCURRENTLY)
    monkeypatch.setattr(session, "NOTICE", 200)

    def die() -> None:
        awaited(lambda: bool(migrating(case)))
        os.kill(os.getpid(), signal.SIGKILL)

    def run() -> None:
        threading.Thread(target=die, daemon=True).start()
        Case(case.postgres, case.name, case.folder).run(**{"class": "contract"}, backup="b-1")

    with beside(case, CHANGES):
        killed(run)
        awaited(lambda: not migrating(case))
