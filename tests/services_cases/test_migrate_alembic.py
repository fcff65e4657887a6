# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Alembic: up, down, several heads, and what it leaves when it fails or hangs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.migration.operate import Outcome
from ansible_collections.runbook.release.plugins.module_utils.migration.progress import Progress
from services_cases.migrating import Case, awaited

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
