# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image or a folder knows, and what follows from it for a schema somewhere on the way."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.migration.history import History, titles

ALEMBIC = """\
INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.
ae1027a6acf, 27c6a30d7c24 -> 53fffde5ad5 (head) (mergepoint), join both
1975ea83b712 (27c6a30d7c24) -> ae1027a6acf, needs payments
1975ea83b712 -> 27c6a30d7c24 (payments), add payments -> later
<base> -> 1975ea83b712 (branchpoint), create orders
"""


def test_alembic_s_listing_is_read_with_branches_merges_and_lines_of_logs():
    history = History.alembic(ALEMBIC)
    assert history.ids == ("1975ea83b712", "27c6a30d7c24", "ae1027a6acf", "53fffde5ad5")
    assert history.heads == ("53fffde5ad5",)


def test_everything_is_pending_in_a_new_database():
    assert History.line(["1", "2"]).pending([]) == ("1", "2")


def test_pending_is_what_the_schema_does_not_have_yet():
    history = History.alembic(ALEMBIC)
    assert history.pending(["27c6a30d7c24"]) == ("ae1027a6acf", "53fffde5ad5")
    assert history.pending(["27c6a30d7c24"], to="ae1027a6acf") == ("ae1027a6acf",)
    assert history.pending(["53fffde5ad5"]) == ()


def test_a_revision_that_is_needed_without_being_a_parent_comes_first():
    assert History.alembic(ALEMBIC).pending(["1975ea83b712"], to="ae1027a6acf") == ("27c6a30d7c24", "ae1027a6acf")


def test_a_revision_without_a_title_counts():
    assert History.alembic("<base> -> aaa1 (head), \n").ids == ("aaa1",)


def test_two_heads_are_both_named():
    history = History.alembic("a -> c (head), x\na -> b (head), y\n<base> -> a, z\n")
    assert history.heads == ("b", "c")
    assert history.pending(["b"]) == ("c",)


def test_a_downgrade_takes_the_newest_back_first():
    history = History.line(["1", "2", "3"])
    assert history.undone(["3"], "1") == ("3", "2")
    assert history.undone(["3"], "base") == ("3", "2", "1")
    assert history.undone(["1"], "1") == ()


def test_a_schema_has_what_came_before_its_revision_and_not_what_comes_after():
    history = History.line(["1", "2", "3"])
    assert history.before("1", ["2"])
    assert not history.before("3", ["2"])
    assert history.before("base", [])


def test_what_is_not_known_is_named():
    assert History.line(["1", "2"]).unknown(["9", "1"]) == ["9"]


def test_a_list_of_revisions_may_carry_titles_and_blank_lines():
    assert History.listed("20240101 orders\n\n  20240201 payments\n").ids == ("20240101", "20240201")


@pytest.mark.parametrize(("count", "said"), [(2, "0, 1"), (10, "0, 1, 2, 3, 4, 5, 6, 7 and 2 more")])
def test_a_sentence_does_not_grow_with_the_number_of_revisions(count: int, said: str):
    assert titles([str(number) for number in range(count)]) == said
