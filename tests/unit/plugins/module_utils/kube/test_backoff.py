# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.runbook.release.plugins.module_utils.kube.backoff import (
    FIRST_DELAY,
    LONGEST_DELAY,
    Backoff,
    Pacing,
    delay,
)
from hypothesis import given
from hypothesis import strategies as st

chances = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), chances)
def test_delays_are_bounded_and_jittered(attempt, chance):
    assert FIRST_DELAY / 2 <= delay(attempt, chance) <= LONGEST_DELAY


@given(st.integers(0, 100), chances, st.floats(0, 1000))
def test_never_sooner_than_the_server_asked(attempt, chance, retry_after):
    assert delay(attempt, chance, retry_after) >= retry_after


@given(st.integers(0, 100))
def test_delays_grow(attempt):
    assert delay(attempt, 0.5) <= delay(attempt + 1, 0.5)


@given(st.floats(0, 60), st.lists(st.tuples(chances, st.floats(0, 20)), max_size=50))
def test_the_waits_together_never_pass_the_patience(patience, steps):
    now = [0.0]
    chance = [0.0]
    backoff = Backoff(
        Pacing(
            clock=lambda: now[0],
            sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
            chance=lambda: chance[0],
        )
    )
    for value, retry_after in steps:
        chance[0] = value
        before = now[0]
        if not backoff.wait(patience, retry_after):
            assert now[0] == before
        assert now[0] <= patience
