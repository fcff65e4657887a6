# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger tells, wherever it stops."""

from __future__ import annotations

from ansible_collections.runbook.release.plugins.module_utils.release.machine import BACK, FORWARD, Path, Said
from ansible_collections.runbook.release.plugins.module_utils.release.story import Story
from hypothesis import given
from hypothesis import strategies as st

from .chained import chain, story

PATHS = st.builds(
    Path.of,
    st.lists(st.sampled_from(["api", "web", "worker-2"]), min_size=1, unique=True),
    st.lists(st.sampled_from([5, 25, 50]), unique=True).map(lambda steps: [*sorted(steps), 100]),
    st.booleans(),
) | st.builds(Path.rolling, st.just("shop"), st.sampled_from([(), ("orders",)]), st.sampled_from([(), ("0042",)]))


@st.composite
def journals(draw: st.DrawFn) -> list[str]:
    """A ledger that stops anywhere, of a release that goes through or turns back anywhere."""
    path = draw(PATHS)
    whats = path.whats(draw(st.sampled_from(["", *(leg.name for leg in path.legs())])))
    return whats[: draw(st.integers(0, len(whats)))]


@given(journals())
def test_the_story_knows_what_is_done_what_is_open_and_the_way(whats: list[str]) -> None:
    said = [one for one in map(Said.parse, whats) if one]
    told = story(*whats)
    assert list(told.done) == [one.step.text for one in said if one.moment == "done"]
    assert told.open == (said[-1].step.text if said and said[-1].moment == "begins" else "")
    assert told.way == (BACK if any(one.step.way == BACK for one in said) else FORWARD)
    assert told.highest == max([one.step.weight or 0 for one in said], default=0)
    assert (bool(told.begun), bool(told.verdict), told.sealed) == (
        "release begins" in whats,
        "release ends" in whats,
        "sealed" in whats,
    )


def test_no_ledger_is_no_release() -> None:
    assert not Story.of([]).begun


def test_a_step_that_failed_is_still_open() -> None:
    assert story("release begins", "stage api: begins", "stage api: failed").open == "stage api"


def test_a_step_that_begins_again_is_not_done_any_more() -> None:
    told = story("release begins", "stage api: begins", "stage api: done", "resumed", "stage api: begins")
    assert (told.done, told.open) == ((), "stage api")


def test_a_switch_that_began_may_have_happened() -> None:
    told = story("release begins", "switch api to 5: begins", "switch api to 5: done", "switch api to 25: begins")
    assert (told.weights, told.highest) == ({"api": 25}, 25)


def test_it_says_where_it_stands_and_who_knows_it() -> None:
    told = story("release begins", "switch api to 25: begins", "switch api to 25: done", "switch api back: begins")
    assert told.stands == (
        "in the middle of 'switch api back' on the way back (api 0 %); "
        "bob@laptop recorded last, at 2026-11-24T19:00:03Z"
    )
    assert story("release begins").stands.startswith("before its first step; ")
    assert story("release begins", "gate staged api").stands.startswith("after 'gate staged api'; ")


def test_a_story_knows_the_newest_backup_of_each_database() -> None:
    told = Story.of(
        chain(
            [
                ("release begins", None),
                ("back up shop: done", {"backup": "one"}),
                ("back up logs: done", {"job": "by-a-cronjob"}),
                ("resumed", None),
                ("back up shop: done", {"backup": "two"}),
            ]
        )
    )
    assert told.backups == {"shop": "two"}


def test_a_migration_that_began_is_remembered_whatever_came_after() -> None:
    before = ["release begins", "back up shop: begins", "back up shop: done"]
    assert not story(*before).migrated
    begun = [*before, "migrate orders: begins", "migrate orders: failed", "resumed", "back up shop: begins"]
    assert story(*begun).migrated


def test_a_unit_that_began_to_roll_may_be_taken_back_and_no_other() -> None:
    begun = ["release begins", "migrate 0042: begins", "migrate 0042: done"]
    assert story(*begun).rolled == ()
    assert story(*begun, "roll shop: begins").rolled == ("shop",)
    assert story(*begun, "roll shop: begins", "unroll shop: begins", "unroll shop: done").rolled == ("shop",)


def test_a_release_that_takes_another_back_knows_what_that_one_rolled() -> None:
    assert Story.of(chain([("release begins", {"version": "1.4.0", "rolled": ["shop"]})])).rolled == ("shop",)
