# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime

from ansible_collections.runbook.release.plugins.module_utils.ledger.store import RELEASE_ID
from ansible_collections.runbook.release.plugins.module_utils.release.naming import release_id
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 24, 19, 0, 0, tzinfo=UTC)


def test_it_reads_as_system_version_and_time() -> None:
    assert release_id("shop-prod", "v1.4.0+build_7", AT, ()) == "shop-prod-v1-4-0-build-7-20261124t190000z"


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_the_names_it_is_an_id_and_unlike_all_others(lease: str, version: str) -> None:
    taken: set[str] = set()
    for _time in range(12):
        found = release_id(lease, version, AT, taken)
        assert RELEASE_ID.fullmatch(found)
        assert found not in taken
        taken.add(found)
