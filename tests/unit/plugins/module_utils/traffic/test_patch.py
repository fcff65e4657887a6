# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import HTTPROUTE, SERVICE
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.observe import observe_entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.patch import Contested, apply, decide
from ansible_collections.runbook.release.plugins.module_utils.traffic.state import EntryState
from hypothesis import given
from hypothesis import strategies as st

from .world import NAMESPACE, SERVICES, World, ref, route, rule, weigh

ENTRY = Entry("httproute", "shop", NAMESPACE)
RECORD = "runbook.release/shift"
FENCE = "runbook.release/fence"
SHIFT = '{"from":"blue","to":"green","versions":{"blue":"1.0","green":"2.0"}}'


def world_of(*rules: Any, shift: str = "", annotations: Any = None) -> World:
    said = {**(annotations or {}), **({RECORD: shift} if shift else {})}
    return World(HTTPROUTE, route(*rules, annotations=said or annotations))


def observe(world: World) -> EntryState:
    return observe_entry(world, ENTRY, SERVICES)


def take(world: World, colour: str, weight: int = 100, from_version: str = "", fence: int = 0) -> EntryState:
    state = observe(world)
    return apply(world, state, decide(state, colour, weight, from_version, fence))


def said_on(world: World) -> dict[str, str]:
    return dict(world.objects[HTTPROUTE]["shop"]["metadata"]["annotations"])


def test_weights_and_record_are_one_patch_with_its_tests_first() -> None:
    world = world_of(rule(100, 0), annotations={"owner": "me"})
    take(world, "green", 5)
    (ops,) = world.patches
    kinds = [op["op"] for op in ops]
    assert kinds == sorted(kinds, key=lambda kind: kind != "test")
    entry = world.get(HTTPROUTE, "shop")
    assert entry["metadata"]["annotations"] == {"owner": "me", RECORD: SHIFT}
    assert [one["weight"] for one in entry["spec"]["rules"][0]["backendRefs"]] == [95, 5]


@pytest.mark.parametrize("annotations", [None, {"owner": "me"}])
def test_an_absent_record_is_guarded_by_the_resource_version(annotations: Any) -> None:
    plan = decide(observe(world_of(rule(100, 0), annotations=annotations)), "green", 5)
    assert {"op": "test", "path": "/metadata/resourceVersion", "value": "1"} in plan.ops


def test_a_record_is_guarded_by_its_value() -> None:
    plan = decide(observe(world_of(rule(95, 5), shift=SHIFT)), "green", 25)
    assert {"op": "test", "path": "/metadata/annotations/runbook.release~1shift", "value": SHIFT} in plan.ops
    assert [op["op"] for op in plan.ops if "annotations" in op["path"]] == ["test"]


def test_no_weight_for_one_colour_is_all_weight_for_the_other() -> None:
    plan = decide(observe(world_of(rule(95, 5), shift=SHIFT)), "green", 0)
    assert (plan.target, plan.wanted) == ("blue", {"blue": 100, "green": 0})


@pytest.mark.parametrize(
    ("blue", "shift", "colour", "weight", "recorded"),
    [
        (100, "", "green", 5, ("blue", "green")),
        (95, SHIFT, "green", 100, ("blue", "green")),
        (0, SHIFT, "blue", 100, ("green", "blue")),
        (0, SHIFT, "previous", 100, ("blue", "green")),
        (95, SHIFT, "previous", 100, ("blue", "green")),
        (95, SHIFT, "blue", 100, ("blue", "green")),
    ],
)
def test_a_shift_is_recorded_when_it_begins_and_kept_when_it_is_taken_back(
    blue: int, shift: str, colour: str, weight: int, recorded: tuple[str, str]
) -> None:
    after = take(world_of(rule(blue, 100 - blue), shift=shift), colour, weight)
    assert (after.shift.source, after.shift.target) == recorded


def test_going_back_twice_is_going_back_once() -> None:
    world = world_of(rule(0, 100), shift=SHIFT)
    assert take(world, "previous").weights == {"blue": 100, "green": 0}
    assert take(world, "previous").weights == {"blue": 100, "green": 0}
    assert len(world.patches) == 1


def test_going_back_without_a_recorded_shift_is_refused() -> None:
    with pytest.raises(Refused, match="records no shift"):
        decide(observe(world_of(rule(100, 0))), "previous", 100)


def test_going_back_to_a_colour_that_runs_something_else_by_now_is_refused() -> None:
    world = world_of(rule(0, 100), shift=SHIFT)
    world.objects[SERVICE]["shop-blue"]["metadata"]["annotations"]["runbook.release/version"] = "3.0"
    with pytest.raises(Refused, match=r"previous colour blue ran 1\.0 when it was live, but runs 3\.0 now"):
        take(world, "previous")
    assert not world.patches


@pytest.mark.parametrize(("from_version", "patches"), [("2.0", 1), ("3.0", 0)])
def test_only_a_shift_to_that_version_is_taken_back(from_version: str, patches: int) -> None:
    world = world_of(rule(0, 100), shift=SHIFT)
    take(world, "previous", from_version=from_version)
    assert len(world.patches) == patches


def test_with_nothing_to_take_back_and_no_live_colour_somebody_has_to_choose() -> None:
    with pytest.raises(Refused, match="no colour is live"):
        decide(observe(world_of(rule(100, 0), rule(0, 100))), "previous", 100, "2.0")


@given(
    weights=st.lists(st.integers(0, 100), min_size=1, max_size=3),
    shift=st.sampled_from(["", SHIFT, SHIFT.replace("blue", "x")]),
    annotations=st.sampled_from([None, {}, {"owner": "me"}]),
    colour=st.sampled_from(["blue", "green"]),
    weight=st.integers(0, 100),
)
def test_deciding_again_after_a_step_changes_nothing(
    weights: list[int], shift: str, annotations: Any, colour: str, weight: int
) -> None:
    world = world_of(*(rule(blue, 100 - blue) for blue in weights), shift=shift, annotations=annotations)
    after = take(world, colour, weight)
    assert after.weights[colour] == weight
    assert observe(world).weights == after.weights
    assert not decide(observe(world), colour, weight).changes
    assert len(world.patches) <= 1


def add_rule(world: World) -> None:
    """Somebody puts a rule of their own in front, so that every index moves."""
    entry = world.objects[HTTPROUTE]["shop"]
    entry["spec"]["rules"].insert(0, {"backendRefs": [ref("docs")]})
    entry["metadata"]["resourceVersion"] += "1"


def test_a_rule_somebody_adds_meanwhile_survives() -> None:
    world = world_of(rule(95, 5), shift=SHIFT)
    world.edits = [add_rule]
    after = take(world, "green", 25)
    assert after.weights == {"blue": 75, "green": 25}
    assert [len(one["backendRefs"]) for one in world.get(HTTPROUTE, "shop")["spec"]["rules"]] == [1, 2]
    assert len(world.patches) == 2


def test_a_rule_for_the_colours_that_slips_in_is_brought_along() -> None:
    def slip_in(world: World) -> None:
        world.objects[HTTPROUTE]["shop"]["spec"]["rules"].append(rule(95, 5))

    world = world_of(rule(95, 5), shift=SHIFT)
    world.edits = [slip_in]
    after = take(world, "green", 25)
    assert after.even
    assert after.weights == {"blue": 75, "green": 25}


def test_weights_somebody_changes_meanwhile_fail_the_step_with_their_name() -> None:
    world = world_of(rule(95, 5), shift=SHIFT)
    world.edits = [weigh(60)]
    with pytest.raises(Contested, match=r"kubectl-edit .*changed the weights.*blue 60/green 40") as contested:
        take(world, "green", 25)
    assert contested.value.details["weights"] == {"blue": 60, "green": 40}
    assert world.get(HTTPROUTE, "shop")["spec"]["rules"][0]["backendRefs"][0]["weight"] == 60


def test_a_shift_somebody_begins_meanwhile_fails_the_step() -> None:
    def begin(world: World) -> None:
        world.objects[HTTPROUTE]["shop"]["metadata"]["annotations"][RECORD] = json.dumps(
            {"from": "green", "to": "blue"}
        )

    world = world_of(rule(95, 5), shift=SHIFT)
    world.edits = [begin]
    with pytest.raises(Contested):
        take(world, "green", 25)


def test_colours_somebody_takes_out_of_the_entry_fail_the_step() -> None:
    def take_out(world: World) -> None:
        world.objects[HTTPROUTE]["shop"]["spec"]["rules"] = [{"backendRefs": [ref("docs")]}]

    world = world_of(rule(95, 5), shift=SHIFT)
    world.edits = [take_out]
    with pytest.raises(Contested, match="sends its traffic to Service docs"):
        take(world, "green", 25)


def test_a_patch_whose_answer_was_lost_is_not_somebody_else() -> None:
    world = world_of(rule(95, 5), shift=SHIFT)
    world.edits = [lambda here: here.put(HTTPROUTE, route(rule(75, 25), annotations={RECORD: SHIFT}))]
    assert take(world, "green", 25).weights == {"blue": 75, "green": 25}


def test_an_editor_who_never_stops_ends_the_attempts() -> None:
    world = world_of(rule(95, 5), shift=SHIFT)
    world.edits = [add_rule] * 3
    with pytest.raises(Contested, match="during each of 3 attempts"):
        take(world, "green", 25)


@pytest.mark.parametrize("annotations", [None, {"owner": "me"}, {"owner": "me", FENCE: "6"}, {FENCE: "not a token"}])
def test_the_patch_of_a_release_carries_its_token(annotations: Any) -> None:
    world = world_of(rule(100, 0), annotations=annotations)
    take(world, "green", 5, fence=7)
    assert said_on(world) == {**(annotations or {}), RECORD: SHIFT, FENCE: "7"}
    assert len(world.patches) == 1


def test_a_step_outside_of_a_release_leaves_the_token_as_it_is() -> None:
    world = world_of(rule(100, 0), annotations={FENCE: "7"})
    take(world, "green", 5)
    assert said_on(world) == {RECORD: SHIFT, FENCE: "7"}


@pytest.mark.parametrize(("colour", "blue"), [("green", 95), ("previous", 95), ("previous", 100)])
def test_an_entry_that_a_newer_release_changed_is_left_to_it(colour: str, blue: int) -> None:
    world = world_of(rule(blue, 100 - blue), shift=SHIFT, annotations={FENCE: "8"})
    with pytest.raises(Refused, match=r"under fencing token 8, so token 7 .* is stale.*stop this run"):
        take(world, colour, fence=7)
    assert not world.patches


@pytest.mark.parametrize("before", [None, "6"])
def test_a_newer_release_that_changes_the_entry_meanwhile_wins(before: str | None) -> None:
    """Even one that puts the same weights back, so that nothing but its token tells."""

    def overtake(world: World) -> None:
        entry = world.objects[HTTPROUTE]["shop"]
        entry["metadata"]["annotations"][FENCE] = "8"
        entry["metadata"]["resourceVersion"] += "1"

    world = world_of(rule(95, 5), shift=SHIFT, annotations={FENCE: before} if before else None)
    world.edits = [overtake]
    with pytest.raises(Refused, match="under fencing token 8"):
        take(world, "green", 25, fence=7)
    assert observe(world).weights == {"blue": 95, "green": 5}


def test_a_dry_run_shows_the_weights_and_keeps_them() -> None:
    world = world_of(rule(100, 0))
    world.dry_run = True
    assert take(world, "green", 5).weights == {"blue": 95, "green": 5}
    assert observe(world).weights == {"blue": 100, "green": 0}
