# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release import machine
from ansible_collections.runbook.release.plugins.module_utils.release.machine import Path, Point, Said, Step, points
from hypothesis import given
from hypothesis import strategies as st

SHOP = Path(("api", "web"), (25, 100))
NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


def test_everything_a_release_of_two_components_records() -> None:
    assert SHOP.whats() == [
        "release begins",
        *("stage api: begins", "stage api: done", "stage web: begins", "stage web: done"),
        *("gate staged api", "gate staged web"),
        *("switch api to 25: begins", "switch api to 25: done", "switch web to 25: begins", "switch web to 25: done"),
        *("gate step api", "gate step web"),
        *("switch api to 100: begins", "switch api to 100: done"),
        *("switch web to 100: begins", "switch web to 100: done"),
        *("gate step api", "gate step web", "gate live api", "gate live web"),
        *("release ends", "sealed"),
    ]


def test_databases_are_backed_up_and_then_migrated_before_anything_is_staged() -> None:
    way = Path(("api",), (100,), databases=("shop",), migrations=("0042",))
    assert way.whats()[1:6] == [
        *("back up shop: begins", "back up shop: done", "migrate 0042: begins", "migrate 0042: done"),
        "stage api: begins",
    ]
    assert [leg.name for leg in way.back(shifted=False)] == ["retire"], "a migration is not taken back by itself"


def test_the_way_back_begins_with_the_component_that_was_moved_last() -> None:
    assert SHOP.whats("gate step at 25")[13:] == [
        *("switch web back: begins", "switch web back: done", "switch api back: begins", "switch api back: done"),
        *("retire api: begins", "retire api: done", "retire web: begins", "retire web: done"),
        *("release ends", "sealed"),
    ]


def test_what_got_no_traffic_is_only_retired() -> None:
    back = ["retire api: begins", "retire api: done", "retire web: begins", "retire web: done"]
    assert SHOP.whats("gate staged")[-6:-2] == back
    assert not any("back" in what for what in SHOP.whats("gate staged"))


def test_what_works_by_itself_follows_the_traffic_forward_and_back() -> None:
    way = Path(("api", "web"), (25, 100), gates=("live",), workers=("api", "web"))
    handed = ["hand over api: begins", "hand over api: done", "hand over web: begins", "hand over web: done"]
    assert way.whats()[-8:-2] == [*handed, "gate live api", "gate live web"]
    back = way.whats("gate live")
    assert back[back.index("switch api back: done") + 1 :][:4] == [*handed[2:], *handed[:2]]
    assert not any("hand over" in what for what in way.whats("switch to 25"))
    turned = next(point for point in points(way, "gate live") if point.way == "back")
    assert turned.what == "switch web back: begins", "a hand-over goes with the traffic, whichever way that goes"


def test_a_first_release_gets_all_traffic_at_once_and_cannot_give_it_back() -> None:
    first = Path.of(["api"], [5, 25, 100], first=True)
    assert [leg.name for leg in first.legs()] == [
        *("stage", "gate staged", "switch to 100", "gate step at 100", "gate live")
    ]
    assert not any("back" in what for what in first.whats("gate live"))


def test_a_gate_nobody_holds_is_not_recorded() -> None:
    assert not any("gate" in what for what in Path(("api",), (100,), gates=()).whats())


def test_a_release_may_die_after_each_entry_of_both_ledgers() -> None:
    found = points(Path(("api",), (100,), gates=("step",)), fails="gate step at 100")
    assert found[:2] == [Point("index", 1, "begun"), Point("release", 1, "release begins")]
    assert found[5:8] == [
        Point("release", 5, "switch api to 100: done"),
        Point("release", 6, "gate step api"),
        Point("release", 7, "switch api back: begins", "back"),
    ]
    assert found[-1] == Point("index", 2, "ended", "back")


def test_a_release_in_place_rolls_its_unit_and_holds_one_gate() -> None:
    way = Path.rolling("shop", databases=("orders",), migrations=("0042",))
    assert way.whats() == [
        "release begins",
        *("back up orders: begins", "back up orders: done", "migrate 0042: begins", "migrate 0042: done"),
        *("roll shop: begins", "roll shop: done", "gate live shop", "release ends", "sealed"),
    ]


def test_only_what_rolled_goes_back() -> None:
    way = Path.rolling("shop", migrations=("0042",))
    assert way.whats("gate live")[-4:] == ["unroll shop: begins", "unroll shop: done", "release ends", "sealed"]
    assert not any("roll" in what for what in way.whats("migrate"))
    assert [point.way for point in points(way, "roll")][-6:] == ["forward", "back", "back", "back", "back", "back"]


@given(NAMES, st.integers(0, 100))
def test_every_text_is_read_as_what_it_was_made_of(component: str, weight: int) -> None:
    made = {
        ("stage", None): machine.stage(component),
        ("switch", weight): machine.switch(component, weight),
        ("switch back", None): machine.switch_back(component),
        ("warm", None): machine.warm(component),
        ("retire", None): machine.retire(component),
        ("settle", None): machine.settle(component),
        ("remove", None): machine.remove(component),
    }
    for (verb, to), text in made.items():
        step = Step(text, verb, component, to)
        moments = (machine.begins(text), machine.done(text), machine.failed(text))
        assert [Said.parse(what) for what in moments] == [
            Said(step, "begins"),
            Said(step, "done"),
            Said(step, "failed"),
        ]
    assert machine.gate_of(machine.gate("step", component)) == ("step", component)


@pytest.mark.parametrize("what", ["release begins", "stage: begins", "switch api to: done", "gate step api", "sealed"])
def test_what_is_about_no_step_is_not_taken_for_one(what: str) -> None:
    assert Said.parse(what) is None


def test_what_was_rolled_in_place_is_a_step_forward_and_its_return_a_step_back() -> None:
    forward, back = Step.parse(machine.roll("shop")), Step.parse(machine.unroll("shop"))
    assert forward
    assert back
    assert (forward.component, forward.way, back.component, back.way) == ("shop", "forward", "shop", "back")
