# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of simulated versions: what the gates of a release with the default witness make of their errors."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.chance import may_be_chance
from ansible_collections.runbook.release.plugins.module_utils.tor.grammar import parse
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.counts import Counts

LIMIT, EXPECT = 0.01, parse("< 1 %")
RATE, HOLD, PATIENCE, SAMPLES = 20, 300, 30, 20
STEPS = ((0.05, HOLD), (0.25, HOLD), (1.0, 0), (1.0, HOLD))
"""The traffic the new version has while a gate is held, and for how long; the last is the gate `live`."""

RELEASES = 10_000


def errors(share: float, answers: int, chance: random.Random) -> Iterator[int]:
    """The numbers of the answers that are errors, counted from 1."""
    number = 0
    while True:
        number += int(chance.expovariate(share)) + 1
        if number > answers:
            return
        yield number


def fails(share: float, weight: float, hold: int, chance: random.Random) -> int:
    """The answer after which the gate fails; 0 if it passes. Looked at after every answer, which is the strictest."""
    end, late = int(RATE * weight * hold), int(RATE * weight * (hold + PATIENCE))
    found = list(errors(share, late, chance))
    for failed, heard in enumerate(found, 1):
        if heard >= SAMPLES and failed >= LIMIT * heard and not may_be_chance(EXPECT, Counts(failed, heard)):
            return heard
        if heard > max(end, SAMPLES) and failed - 1 < LIMIT * (heard - 1):
            return 0
    return late if len(found) >= LIMIT * late else 0


def failed_releases(share: float) -> float:
    chance = random.Random(7)
    failed = sum(any(fails(share, *step, chance) for step in STEPS) for dummy in range(RELEASES))
    return failed / RELEASES


@pytest.mark.parametrize("share", [0.001, 0.002])
def test_of_a_hundred_releases_that_err_far_less_than_they_may_at_most_one_fails(share: float) -> None:
    assert failed_releases(share) <= 0.01


def test_five_times_the_limit_fails_within_seconds() -> None:
    chance = random.Random(8)
    seconds = sorted(fails(0.05, 1.0, HOLD, chance) / RATE for dummy in range(2000))
    assert seconds[0] > 0
    assert seconds[1000] < 8
    assert seconds[1900] < 20


def test_five_times_the_limit_never_leaves_the_first_step() -> None:
    chance = random.Random(9)
    assert sum(not fails(0.05, *STEPS[0], chance) for dummy in range(5000)) <= 5


def test_an_outage_is_beyond_chance_after_four_answers() -> None:
    assert [may_be_chance(EXPECT, Counts(lost, lost)) for lost in range(6)] == [True] * 4 + [False] * 2


def test_a_version_at_its_limit_is_called_worse_by_chance_in_one_of_a_hundred_releases() -> None:
    chance = random.Random(10)
    early = 0
    for dummy in range(3000):
        numbers = list(errors(LIMIT, RATE * HOLD, chance))
        early += any(not may_be_chance(EXPECT, Counts(failed, heard)) for failed, heard in enumerate(numbers, 1))
    assert early <= 45


@pytest.mark.parametrize("expect", ["== 0 %", "<= 0 %", "> 99 %", "< 500 ms", "< 100 %"])
def test_only_a_share_that_may_be_more_than_none_leaves_room_for_chance(expect: str) -> None:
    assert not may_be_chance(parse(expect), Counts(1, 20))


def test_more_evidence_never_makes_it_more_likely_to_be_chance() -> None:
    said = [may_be_chance(EXPECT, Counts(failed, 400)) for failed in range(60)]
    assert all(before or not after for before, after in pairwise(said))
