# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration may do to a schema, from what is known about both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.migration.busy import Session
from ansible_collections.runbook.release.plugins.module_utils.migration.decide import (
    DOWN,
    NOTHING,
    UP,
    Have,
    Want,
    decide,
)
from ansible_collections.runbook.release.plugins.module_utils.migration.history import History
from ansible_collections.runbook.release.plugins.module_utils.migration.revision import Revision

WANT = Want("migrated", "orders", "alembic", "expand", what="image shop:2")
DUMP = Session(4711, "pg_dump", "backup", "2026-11-24T19:00:00Z", "dumps the database")


def have(current: str = "", known: str | None = "1 2 3", dirty: str = "", **more: Any) -> Have:
    history = None if known is None else History.line(known.split())
    return Have("database shop at db:5432", Revision(tuple(current.split()), dirty), history, **more)


def down(to: str, **more: Any) -> Want:
    return replace(WANT, state="downgraded", to=to, **more)


def test_what_is_pending_is_planned_in_order():
    plan = decide(have("1"), WANT)
    assert (plan.action, plan.revisions, plan.goal) == (UP, ("2", "3"), ("3",))
    assert plan.sentences() == ["run 2", "run 3"]


def test_a_schema_that_is_there_already_is_left_alone():
    assert decide(have("3"), WANT).action == NOTHING
    assert decide(have("2"), replace(WANT, to="2")).action == NOTHING


def test_it_goes_no_further_than_it_is_told():
    assert decide(have("1"), replace(WANT, to="2")).revisions == ("2",)


@pytest.mark.parametrize("state", ["migrated", "downgraded", "checked"])
def test_a_dirty_schema_is_refused_whatever_is_wanted(state: str):
    with pytest.raises(Refused, match="dirty: revision 2 is marked dirty") as refused:
        decide(have("2", dirty="revision 2 is marked dirty"), replace(WANT, state=state, to="1"))
    assert refused.value.details["dirty"]


@pytest.mark.parametrize("want", [WANT, down("1")])
def test_an_image_that_does_not_know_the_schema_must_not_touch_it(want: Want):
    with pytest.raises(Refused, match="at 4, which image shop:2 does not know"):
        decide(have("4"), want)


def test_an_image_without_any_revision_is_not_taken_for_one_with_nothing_to_do():
    with pytest.raises(Refused, match="image shop:2 knows no revision at all"):
        decide(have("", known=""), WANT)


@pytest.mark.parametrize("want", [replace(WANT, to="9"), down("9")])
def test_a_goal_nobody_knows_is_refused(want: Want):
    with pytest.raises(Refused, match="does not know the revision 9"):
        decide(have("1"), want)


@pytest.mark.parametrize("klass", ["contract", "irreversible"])
def test_what_cannot_be_taken_back_needs_a_backup_to_return_to(klass: str):
    with pytest.raises(Refused, match=f"declared {klass}, and no backup"):
        decide(have("1"), replace(WANT, klass=klass))
    assert decide(have("1"), replace(WANT, klass=klass, backup="b-1")).action == UP


@pytest.mark.parametrize("klass", ["contract", "irreversible"])
def test_a_backup_is_not_asked_for_when_nothing_is_to_run(klass: str):
    assert decide(have("3"), replace(WANT, klass=klass)).action == NOTHING


def test_a_migration_does_not_queue_behind_a_dump():
    with pytest.raises(Refused, match=r"session 4711 of backup \(pg_dump\) dumps the database since") as refused:
        decide(have("1", busy=[DUMP]), WANT)
    assert refused.value.details["busy"][0]["pid"] == 4711


def test_a_dump_disturbs_nobody_when_nothing_is_to_run():
    assert decide(have("3", busy=[DUMP]), WANT).action == NOTHING


def test_a_downgrade_takes_back_what_came_after():
    plan = decide(have("3"), down("1"))
    assert (plan.action, plan.revisions, plan.goal) == (DOWN, ("3", "2"), ("1",))
    assert decide(have("1"), down("1")).action == NOTHING


def test_a_downgrade_to_the_base_leaves_no_revision():
    assert decide(have("2"), down("base")).goal == ()


def test_a_downgrade_does_not_go_forward():
    with pytest.raises(Refused, match="at 1, before 3"):
        decide(have("1"), down("3"))


def test_what_is_irreversible_is_not_downgraded():
    with pytest.raises(Refused, match="irreversible"):
        decide(have("3"), down("1", klass="irreversible", backup="b-1"))


def test_nothing_is_taken_back_by_an_image_that_does_not_say_what_it_knows():
    with pytest.raises(Refused, match="does not say which revisions it knows"):
        decide(have("3", known=None), down("1"))


def test_without_a_history_the_goal_alone_tells_whether_there_is_anything_to_do():
    assert decide(have("3", known=None), replace(WANT, to="3")).action == NOTHING
    assert decide(have("2", known=None), replace(WANT, to="3")).revisions == ("3",)


def test_without_history_and_goal_only_running_tells():
    plan = decide(have("3", known=None), WANT)
    assert (plan.action, plan.revisions, plan.goal) == (UP, (), None)
    assert plan.sentences() == ["run the migration, which does not say what is pending"]
