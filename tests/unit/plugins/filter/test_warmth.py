# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.warmth import warmth
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.warmth import Keep, keep_text

DAY = {"until": "24h", "removed": "25h"}
HOUR = 3600


@pytest.mark.parametrize(
    ("hours", "state", "changes"),
    [
        (0, ("warm", 0), 1),
        (0.99, ("warm", 0), 1),
        (1, ("retired", 1), 24),
        (23.99, ("retired", 1), 24),
        (24, ("retired", 0), 25),
        (25, ("absent", 0), None),
        (9999, ("absent", 0), None),
    ],
)
def test_the_version_before_is_full_for_an_hour_then_small_then_gone(hours, state, changes):
    found = Keep.of(DAY).at(hours * HOUR)
    assert found == (*state, changes and changes * HOUR)


def test_without_a_time_to_remove_it_stays_without_pods():
    assert Keep.of({"until": "24h"}).at(9999 * HOUR) == ("retired", 0, None)


def test_it_may_give_its_pods_up_at_once_or_keep_more_than_one():
    assert Keep.of({"full": 0, "until": "2h"}).at(HOUR)[:2] == ("retired", 1)
    assert Keep.of({"full": "1h", "floor": 3, "until": "2h"}).at(HOUR)[:2] == ("retired", 3)
    assert Keep.of({"floor": 0, "until": "2h"}).at(HOUR)[:2] == ("retired", 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "keep_warm.until: missing"),
        ({"until": "24h", "ful": "1h"}, "did you mean full"),
        ({"until": "soon"}, "keep_warm.until"),
        ({"until": "30m"}, "in no order of time"),
        ({"until": "24h", "removed": "1h"}, "in no order of time"),
        ({"until": "24h", "floor": -1}, "in no order of time"),
    ],
)
def test_what_makes_no_sense_is_refused(given, said):
    with pytest.raises(ReleaseError, match=said):
        Keep.of(given)
    with pytest.raises(AnsibleFilterError, match=said):
        warmth(given, "2026-11-24T19:06:52Z", 0)


def test_the_filter_counts_from_the_end_of_the_release():
    ended = 1_795_547_212
    assert warmth(DAY, "2026-11-24T19:06:52Z", ended + HOUR - 1) == {"state": "warm", "floor": 0}
    assert warmth(DAY, "2026-11-24T19:06:52Z", ended + HOUR) == {"state": "retired", "floor": 1}
    assert warmth(DAY, "2026-11-24T19:06:52Z", ended + 25 * HOUR) == {"state": "absent", "floor": 0}


def test_whoever_approves_reads_it_in_one_line():
    assert keep_text(DAY) == (
        "keeps all its pods for 1h, 1 of each workload until 24h, then none, and is removed after 25h"
    )
    assert keep_text({"full": "2h", "floor": 0, "until": "3h"}).endswith("0 of each workload until 3h, then none")
