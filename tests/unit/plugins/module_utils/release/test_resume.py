# SPDX-License-Identifier: GPL-3.0-or-later
"""There is a decision for whatever a dead run left, and it is the right one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.release.index import Index
from ansible_collections.runbook.release.plugins.module_utils.release.machine import BACK
from ansible_collections.runbook.release.plugins.module_utils.release.resume import Decision, Want, decide
from ansible_collections.runbook.release.plugins.module_utils.release.story import Story
from hypothesis import given
from hypothesis import strategies as st

from .chained import BEGINS, begun, chain, ended, lifted, restoring, story
from .test_story import journals

WANT = Want("1.4.0", inputs=BEGINS["inputs"])  # type: ignore[arg-type]
SHIFTING = ("release begins", "stage api: begins", "stage api: done", "switch api to 25: begins")


def index(*said: tuple[str, Any]) -> Index:
    return Index.of(chain(said))


UNFINISHED = index(begun("r1"))


def kind(known: Index, told: Story, want: Want) -> str:
    try:
        return decide(known, told, want).kind
    except Refused as refused:
        return "refused" if refused.remedy else "refused without a way on"


@given(journals(), st.sampled_from(["continue", "rollback", "ask"]), st.booleans())
def test_every_ledger_and_every_policy_has_its_decision(whats: list[str], policy: str, changes: bool) -> None:
    told = story(*whats)
    found = kind(UNFINISHED, told, replace(WANT, policy=policy, changes=changes, inputs=told.begun.get("inputs", {})))
    if policy == "ask":
        assert found == "refused"
    elif told.way == BACK or policy == "rollback":
        assert found == "back"
    else:
        assert found == "continue"


@pytest.mark.parametrize("policy", ["continue", "rollback", "ask"])
def test_with_nothing_unfinished_a_release_starts_if_there_is_something_to_do(policy: str) -> None:
    for known in (
        index(),
        index(begun("r0"), ended("r0", version="1.3.0")),
        index(begun("r0"), ended("r0", "stopped")),
    ):
        assert kind(known, Story(), replace(WANT, policy=policy)) == "start"
        assert kind(known, Story(), replace(WANT, policy=policy, changes=False)) == "nothing"


def test_an_unfinished_release_of_another_version_names_both_ways_on() -> None:
    with pytest.raises(Refused) as refused:
        decide(UNFINISHED, story(*SHIFTING), replace(WANT, version="1.5.0"))
    assert "Release r1 of 1.4.0, begun by bob@laptop" in str(refused.value)
    assert "-e release_version=1.4.0 -e release_resume=continue" in str(refused.value)
    assert "-e release_version=1.4.0 -e release_resume=rollback" in str(refused.value)
    assert "then release 1.5.0" in str(refused.value)


def test_ask_says_where_it_stands_and_both_commands() -> None:
    with pytest.raises(Refused) as refused:
        decide(UNFINISHED, story(*SHIFTING), replace(WANT, policy="ask"))
    for part in (
        "Release r1 of 1.4.0, begun by bob@laptop at 2026-11-24T19:00:00Z",
        "in the middle of 'switch api to 25' (api 25 %); bob@laptop recorded last, at 2026-11-24T19:00:03Z",
        "-e release_version=1.4.0 -e release_resume=continue",
        "-e release_version=1.4.0 -e release_resume=rollback",
    ):
        assert part in str(refused.value)


def test_ask_offers_no_way_forward_to_what_was_going_back() -> None:
    with pytest.raises(Refused) as refused:
        decide(UNFINISHED, story(*SHIFTING, "switch api back: begins"), replace(WANT, policy="ask"))
    assert "release_resume=continue" not in str(refused.value)
    assert "release_resume=rollback" in str(refused.value)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"chart of api": "other", "live api": "bb"}, ["chart of api"]),
        ({"live api": "bb"}, ["chart of api"]),
        ({"chart of api": "aa", "live api": "bb", "values of api": "cc"}, ["values of api"]),
        ({"chart of api": "aa", "live api": "other"}, []),
        ({"chart of api": "aa"}, []),
    ],
)
def test_only_the_same_inputs_are_continued_and_what_is_live_may_change(
    inputs: dict[str, str], named: list[str]
) -> None:
    want = replace(WANT, inputs=inputs)
    if not named:
        assert kind(UNFINISHED, story(*SHIFTING), want) == "continue"
        return
    with pytest.raises(Refused) as refused:
        decide(UNFINISHED, story(*SHIFTING), want)
    assert refused.value.details["changed_inputs"] == named
    assert named[0] in str(refused.value)
    assert kind(UNFINISHED, story(*SHIFTING), replace(want, policy="rollback")) == "back"


def test_who_skipped_windows_and_approvals_to_go_on_does_not_begin() -> None:
    """Another run ended the release in between: there is nothing to go on with, and nobody approved a new one."""
    resumed, over = replace(WANT, resumed=True), index(begun("r1"), ended("r1", "stopped"))
    assert kind(UNFINISHED, story(*SHIFTING), resumed) == "continue"
    with pytest.raises(Refused, match="somebody else ended the unfinished release meanwhile") as refused:
        decide(over, Story(), resumed)
    assert "run this again" in refused.value.remedy
    assert kind(over, Story(), replace(resumed, changes=False)) == "nothing"


def test_forward_goes_on_with_a_release_of_the_same_version() -> None:
    assert kind(UNFINISHED, story(*SHIFTING), replace(WANT, policy="forward")) == "continue"


def test_a_held_version_needs_a_reason() -> None:
    held = index(begun("r1"), ended("r1", "rolled back"))
    with pytest.raises(Refused, match=r"1\.4\.0 is on hold: release r1 ended rolled back at .*"):
        decide(held, Story(), WANT)
    started = decide(held, Story(), replace(WANT, lift="the database was full"))
    assert started == Decision(
        "start", "1.4.0 begins, no release is unfinished; its hold is lifted: the database was full"
    )
    assert kind(held, Story(), replace(WANT, version="1.4.1")) == "start"
    assert kind(index(begun("r1"), ended("r1", "rolled back"), lifted()), Story(), WANT) == "start"


def test_without_a_version_the_newest_release_is_taken_back_unless_it_was_already() -> None:
    nameless = replace(WANT, version="")
    assert kind(UNFINISHED, story(*SHIFTING), nameless) == "back"
    assert kind(index(begun("r1"), ended("r1")), Story(), nameless) == "back"
    assert kind(index(begun("r1"), ended("r1", "rolled back")), Story(), nameless) == "nothing"
    assert kind(index(), Story(), nameless) == "nothing"


RESTORE = Want("", inputs=BEGINS["inputs"], kind="restore")  # type: ignore[arg-type]
RESTORING = ("release begins", "pause shop: begins", "pause shop: done", "restore shop: begins")


@pytest.mark.parametrize(
    "known", [index(), index(begun("r1"), ended("r1", "rolled back")), index(begun("r1"), ended("r1"))]
)
def test_a_restore_begins_whatever_became_of_the_releases(known: Index) -> None:
    assert decide(known, Story(), RESTORE) == Decision("start", "a restore begins, nothing is unfinished")


def test_an_interrupted_restore_is_continued_and_says_where_it_stands() -> None:
    decision = decide(index(begun("r1"), ended("r1"), restoring()), story(*RESTORING), RESTORE)
    assert decision.kind == "continue"
    assert decision.sentence.startswith("Restore s1, begun by bob@laptop at ")
    assert "in the middle of 'restore shop'" in decision.sentence


@pytest.mark.parametrize("now", [{"shop": "b7"}, {"shop": "b7", "crm": "b8", "web": "b9"}, {"web": "b9"}])
def test_an_interrupted_restore_goes_on_with_the_databases_it_began_with_and_no_others(now: dict[str, str]) -> None:
    known, began = index(restoring()), Story.of(chain([("release begins", {"inputs": {"shop": "b1", "crm": "b2"}})]))
    assert decide(known, began, replace(RESTORE, inputs={"shop": "b7", "crm": "b8"})).kind == "continue"
    with pytest.raises(Refused, match=f"began with crm, shop, and now it is {', '.join(sorted(now))}") as refused:
        decide(known, began, replace(RESTORE, inputs=now))
    assert "restore_databases" in refused.value.remedy


@pytest.mark.parametrize("policy", ["continue", "rollback", "ask", "forward"])
@pytest.mark.parametrize("version", ["1.4.0", ""])
def test_no_release_begins_or_is_taken_back_beside_an_unfinished_restore(policy: str, version: str) -> None:
    with pytest.raises(Refused, match=r"Restore s1, begun by .* has to wait for it") as refused:
        decide(index(restoring()), story(*RESTORING), replace(WANT, version=version, policy=policy))
    assert "run restore.yml" in refused.value.remedy


@pytest.mark.parametrize("policy", ["rollback", "ask"])
def test_an_interrupted_restore_is_only_continued_when_that_is_wanted(policy: str) -> None:
    with pytest.raises(Refused, match="in the middle of 'restore shop'"):
        decide(index(restoring()), story(*RESTORING), replace(RESTORE, policy=policy))


def test_a_restore_waits_for_an_unfinished_release_unless_that_is_given_up() -> None:
    with pytest.raises(Refused, match="a restore has to wait for it") as refused:
        decide(UNFINISHED, story(*SHIFTING), RESTORE)
    assert "-e release_resume=forward" in refused.value.remedy
    assert "-e release_resume=rollback" in refused.value.remedy
    given_up = decide(UNFINISHED, story(*SHIFTING), replace(RESTORE, policy="forward"))
    assert given_up.kind == "start"
    assert "it is given up, and a restore begins" in given_up.sentence


def test_the_newest_release_can_be_taken_back_after_a_restore() -> None:
    known = index(begun("r1"), ended("r1"), restoring(), ended("s1", "restored", version=""))
    assert kind(known, Story(), Want("")) == "back"


def part(release: str, *names: str, of: str = "r1") -> tuple[str, Any]:
    """The begin of a release that takes components of another back alone."""
    what, after = begun(release)
    return what, {**after, "takes_back": of, "alone": list(names)}


ALONE = Want("", alone=("api",))


def test_a_component_of_the_newest_release_goes_back_alone_once() -> None:
    released = (begun("r1"), ended("r1"))
    decision = decide(index(*released), Story(), ALONE)
    assert decision.kind == "back"
    assert decision.sentence.startswith("api of 1.4.0, which was released at ")
    gone = (*released, part("r2", "api"), ended("r2", "rolled back"))
    assert decide(index(*gone), Story(), ALONE) == Decision("nothing", "api of 1.4.0 was taken back already")
    assert kind(index(*gone), Story(), replace(ALONE, alone=("api", "web"))) == "back"
    assert kind(index(*released, part("r2", "api"), ended("r2", "stopped")), Story(), ALONE) == "back"
    assert kind(index(*gone, begun("r3"), ended("r3")), Story(), ALONE) == "back", "it came forward again"


def test_what_is_left_of_a_release_can_be_taken_back_after_a_part_of_it_was() -> None:
    gone = index(begun("r1"), ended("r1"), part("r2", "api"), ended("r2", "rolled back"))
    decision = decide(gone, Story(), Want(""))
    assert (decision.kind, "1.4.0, which was released" in decision.sentence) == ("back", True)


def test_a_version_of_which_a_part_was_taken_back_needs_a_reason_to_be_released_again() -> None:
    gone = index(begun("r1"), ended("r1"), part("r2", "api"), ended("r2", "rolled back"))
    with pytest.raises(Refused, match=r"1\.4\.0 is on hold: release r2 took api back alone at "):
        decide(gone, Story(), WANT)
    assert kind(gone, Story(), replace(WANT, lift="it was the network")) == "start"


@pytest.mark.parametrize("verdict", ["rolled back", "failed", "stopped"])
def test_of_what_was_not_released_nothing_goes_back_alone(verdict: str) -> None:
    assert kind(index(begun("r1"), ended("r1", verdict)), Story(), ALONE) == "nothing"
    assert kind(index(), Story(), ALONE) == "nothing"


def test_an_unfinished_release_goes_back_as_a_whole() -> None:
    with pytest.raises(Refused, match="api alone has to wait for it") as refused:
        decide(UNFINISHED, story(*SHIFTING), ALONE)
    assert "without rollback_components" in refused.value.remedy


@pytest.mark.parametrize(("names", "rest"), [(("api",), False), ((), True)])
def test_an_interrupted_part_goes_on_going_back(names: tuple[str, ...], rest: bool) -> None:
    half = index(begun("r1"), ended("r1"), part("r2", "api"))
    told = story("release begins", "unroll shop: begins")
    decision = decide(half, told, Want("", alone=names))
    assert decision.kind == "back"
    assert decision.sentence.startswith("Release r2, which takes api of 1.4.0 back alone, begun by bob@laptop")
    assert ("run this again for the rest" in decision.sentence) == rest
    assert kind(half, told, WANT) == "back"
    with pytest.raises(Refused, match="web alone has to wait for it"):
        decide(half, told, replace(ALONE, alone=("web",)))


def test_tasks_leave_a_release_where_it_stands_only_when_told_and_a_restore_never() -> None:
    pinning = Want("", kind="tasks", policy="forward")
    assert "is given up, and what is to be done begins" in decide(UNFINISHED, story(*SHIFTING), pinning).sentence
    with pytest.raises(Refused, match="Restore s1"):
        decide(index(restoring()), story(*RESTORING), pinning)


@pytest.mark.parametrize("policy", ["continue", "rollback", "ask"])
def test_tasks_wait_for_an_unfinished_release_or_restore(policy: str) -> None:
    tasks = Want("", kind="tasks", policy=policy)
    with pytest.raises(Refused, match=r"Release r1 of 1\.4\.0.*what is to be done has to wait") as refused:
        decide(UNFINISHED, story(*SHIFTING), tasks)
    assert refused.value.remedy.endswith("then run this again")
    with pytest.raises(Refused, match="Restore s1") as refused:
        decide(index(restoring()), story(*RESTORING), tasks)
    assert "run restore.yml" in refused.value.remedy
