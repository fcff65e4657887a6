# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations as SQL files: which run, in which order, what is recorded of them, and how they are taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from services_cases.migrating import Case


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
