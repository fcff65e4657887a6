# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook a release follows, and the day by which it has to be reviewed."""

from __future__ import annotations

from datetime import date

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release.terms import about_text, overdue

TODAY = date(2026, 2, 1)


@pytest.mark.parametrize(
    ("review_by", "told"), [("2026-01-31", True), ("2026-02-01", False), ("", False), (None, False)]
)
def test_a_review_is_overdue_on_the_day_after(review_by: str | None, *, told: bool) -> None:
    assert bool(overdue({"review_by": review_by}, TODAY)) is told


def test_who_has_to_review_is_named_where_it_is_known() -> None:
    assert overdue({"review_by": "2026-01-31"}, TODAY).endswith("Do: have its owner review it")


def test_only_what_is_known_of_a_runbook_is_told() -> None:
    assert about_text({"id": "OPS-1", "revised": "February 2024"}) == "Follows OPS-1, of February 2024"
    assert about_text({"title": None}) == ""
