# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release.index import Index, mend

from .chained import begun, chain, ended, lifted, restoring, story


def index(*said: tuple[str, Any]) -> Index:
    return Index.of(chain(said))


def test_the_newest_release_without_an_end_is_unfinished() -> None:
    assert index().unfinished is None
    assert index(begun("r1"), ended("r1")).unfinished is None
    unfinished = index(begun("r1"), ended("r1"), begun("r2", "1.5.0")).unfinished
    assert unfinished
    assert (unfinished.number, unfinished.release, unfinished.version) == (2, "r2", "1.5.0")


def test_a_release_keeps_when_and_how_it_ended() -> None:
    (first,) = index(begun("r1"), ended("r1", "rolled back", seconds=12.5)).attempts
    assert (first.began, first.ended) == ("2026-11-24T19:00:00Z", "2026-11-24T19:00:01Z")
    assert (first.verdict, first.seconds, first.who, first.plan) == ("rolled back", 12.5, "bob@laptop", "5f1d")


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ([ended("r1", "rolled back")], True),
        ([ended("r1", "failed")], True),
        ([ended("r1", "released")], False),
        ([ended("r1", "stopped")], False),
        ([ended("r1", "rolled back"), lifted()], False),
        ([ended("r1", "rolled back"), lifted("1.5.0")], True),
        ([ended("r1", "rolled back"), lifted(), begun("r2"), ended("r2", "rolled back")], True),
        ([ended("r1", "rolled back"), lifted(), begun("r2"), ended("r2")], False),
        ([ended("r1", "rolled back"), begun("r2", "1.5.0"), ended("r2", version="1.5.0")], True),
    ],
)
def test_a_version_that_failed_is_held_until_somebody_lifts_it_or_it_goes_well(
    said: list[tuple[str, Any]], held: bool
) -> None:
    assert bool(index(begun("r1"), *said).hold("1.4.0")) is held


@pytest.mark.parametrize(
    ("said", "standing"),
    [
        ([], []),
        ([begun("r1")], ["r1"]),
        ([begun("r1"), ended("r1"), begun("r2"), ended("r2")], ["r2"]),
        ([begun("r1"), ended("r1"), begun("r2"), ended("r2", "failed"), begun("r3")], ["r1", "r2", "r3"]),
    ],
)
def test_people_go_back_from_what_was_released_last_and_from_what_came_after(
    said: list[tuple[str, Any]], standing: list[str]
) -> None:
    assert [one.release for one in index(*said).standing] == standing


def test_what_is_typical_leaves_out_the_slowest_and_what_did_not_go_well() -> None:
    assert index(begun("r1"), ended("r1", "rolled back", seconds=9000)).typical_seconds == 0
    took = [5000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 900]
    said = [one for second in took for one in (begun(f"r{second}"), ended(f"r{second}", seconds=second))]
    assert index(*said).typical_seconds == 9
    assert index(begun("r1"), ended("r1", seconds=7.5)).typical_seconds == 7.5


def test_the_index_is_mended_with_the_end_it_did_not_hear_of() -> None:
    (attempt,) = index(begun("r1")).attempts
    assert mend(attempt, story("release begins", "stage api: begins")) is None
    never = mend(attempt, story())
    assert never
    assert (never["verdict"], never["head"]["number"]) == ("stopped", 0)
    sealed = story("release begins", "release ends", "sealed")
    heard = mend(attempt, sealed)
    assert heard
    assert (heard["verdict"], heard["seconds"]) == ("released", 12.5)
    assert sealed.last
    assert heard["head"] == {"number": 3, "sha256": sealed.last.sha256}


def test_a_head_that_is_not_sealed_yet_is_nothing_to_sign() -> None:
    (attempt,) = index(begun("r1")).attempts
    heads = [mend(attempt, story("release begins", "release ends", *more)) for more in ([], ["sealed"])]
    assert [bool(lacking and lacking["head"]) for lacking in heads] == [False, True]


def test_a_restore_stands_among_the_releases_and_is_none_of_them() -> None:
    known = index(begun("r1"), ended("r1"), restoring(), ended("s1", "restored", version="", seconds=9000))
    assert [(one.number, one.kind) for one in known.attempts] == [(1, "release"), (2, "restore")]
    assert known.newest
    assert known.last
    assert (known.newest.release, known.last.release, known.unfinished) == ("r1", "s1", None)
    assert known.typical_seconds == 10


def test_a_restore_that_failed_holds_no_version() -> None:
    known = index(restoring(), ended("s1", "failed", version=""))
    assert (known.holds, known.hold("")) == ((), None)


def test_an_unfinished_restore_is_unfinished() -> None:
    unfinished = index(begun("r1"), ended("r1"), restoring()).unfinished
    assert unfinished
    assert (unfinished.release, unfinished.title) == ("s1", "Restore s1")
