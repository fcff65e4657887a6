# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done in which situation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.helm.capacity import Autoscaler
from ansible_collections.runbook.release.plugins.module_utils.helm.decide import Want, decide
from ansible_collections.runbook.release.plugins.module_utils.helm.plan import (
    Certify,
    CreateShared,
    Disavow,
    Hold,
    Install,
    Prove,
    Quarantine,
    Recover,
    Release,
    Scale,
    Uninstall,
)
from ansible_collections.runbook.release.plugins.module_utils.helm.record import Revision
from hypothesis import given
from hypothesis import strategies as st

from .scene import NOW, FakeEntry, both, deployment, empty, have, hpa, running, service, shop


def staged(version: str = "2", **more: Any) -> Want:
    return Want("staged", version, now=NOW, **more)


def kinds(steps: tuple[Any, ...]) -> list[type]:
    return [type(step) for step in steps]


def test_the_first_version_goes_where_the_entry_points() -> None:
    plan = decide(have(empty("blue", weight=100), empty("green")), staged(), both())
    assert plan.target == "blue"
    assert kinds(plan.steps) == [Install, Prove, Certify]


def test_a_first_version_that_failed_is_tried_again_at_the_same_place() -> None:
    failed = empty(
        "blue", weight=100, revision=Revision("shop-blue", 1, "deployed", 0, "s"), front=service("shop-blue", {})
    )
    plan = decide(have(failed, empty("green")), staged(), both())
    assert (plan.target, kinds(plan.steps)) == ("blue", [Install, Scale, Prove, Certify])


def test_what_serves_without_proof_is_live_and_not_written() -> None:
    unproven = empty("blue", weight=100, endpoints=1, front=service("shop-blue", {}))
    assert decide(have(unproven, empty("green")), staged(), both()).target == "green"


def test_a_live_side_that_is_down_stays_live() -> None:
    down = running("blue", "1", ready=0, weight=100)
    assert decide(have(down, empty("green")), staged(), both()).target == "green"


def test_what_is_scaled_for_a_time_is_not_copied_for_good() -> None:
    larger = deployment("shop-blue", {"app": "shop-blue"}, 10, status=10)
    fields = [{"field": "replicas", "was": 3, "set": 10}]
    record = {"scaled": {"until": "2026-11-21T18:00:00Z", "fields": fields}}
    larger["metadata"]["annotations"] = {"runbook.release/temporary": json.dumps(record)}
    live = running("blue", "1", weight=100, workloads=(larger,))
    with pytest.raises(Refused, match="is scaled only until 2026-11-21T18:00:00Z, and the other colour would keep"):
        decide(have(live, empty("green")), staged(), both())
    with pytest.raises(Refused, match="is scaled only until"):
        decide(have(live, empty("green")), replace(staged(), due="2026-11-21T17:59:59Z"), both())
    overdue = replace(staged(), due="2026-11-21T18:00:00Z")
    assert decide(have(live, empty("green")), overdue, both()).changes, "it is put back before this is done"
    there = running("green", "2")
    plan = decide(have(live, there), staged(), both())
    assert plan.capacity == {("Deployment", "shop-green"): 10}
    assert "Deployment shop-blue is scaled only until 2026-11-21T18:00:00Z" in plan.warnings[0]
    assert not decide(have(running("blue", "1", weight=100), empty("green")), staged(), both()).warnings


def test_the_next_version_goes_to_the_idle_side() -> None:
    plan = decide(have(running("blue", "1", weight=100), empty("green")), staged(), both())
    assert plan.target == "green"
    assert kinds(plan.steps) == [Install, Prove, Certify]
    assert not any("blue" in sentence for sentence in plan.sentences())


def test_an_older_version_is_taken_back_before_it_is_overwritten() -> None:
    plan = decide(have(running("blue", "1", weight=100), running("green", "0")), staged(), both())
    assert kinds(plan.steps) == [Disavow, Install, Scale, Prove, Certify]


def test_nothing_is_done_for_what_is_live() -> None:
    plan = decide(have(running("blue", "2", weight=100), empty("green")), staged(), both())
    assert (plan.target, plan.steps, plan.changes) == ("blue", (), False)


def test_nothing_is_done_for_what_is_staged_and_ready() -> None:
    plan = decide(have(running("blue", "1", weight=100), running("green", "2")), staged(), both())
    assert (plan.target, plan.steps) == ("green", ())


def test_what_is_staged_but_too_small_is_only_scaled() -> None:
    small = running("green", "2", ready=1)
    plan = decide(have(running("blue", "1", ready=4, weight=100), small), staged(), both())
    assert plan.steps == (Scale(("Deployment", "shop-green"), 4), Prove("green"))


def test_what_is_staged_but_not_ready_is_proven() -> None:
    broken = running("green", "2", workloads=(deployment("shop-green", {"app": "shop-green"}, 2, status=1),))
    plan = decide(have(running("blue", "1", weight=100), broken), staged(), both())
    assert (plan.steps, plan.changes) == ((Prove("green"),), False)


def test_what_is_quarantined_is_installed_anew() -> None:
    bad = running("green", "2", annotations={"runbook.release/quarantined": "2026-11-21T10:00:00Z"})
    assert decide(have(running("blue", "1", weight=100), bad), staged(), both()).installs


def test_a_claim_of_an_older_revision_is_no_proof() -> None:
    stale = running("green", "2", revision=Revision("shop-green", 4, "deployed", 0, "s"))
    assert decide(have(running("blue", "1", weight=100), stale), staged(), both()).installs


def test_a_claim_on_a_failed_revision_is_no_proof() -> None:
    failed = running("green", "2", revision=Revision("shop-green", 3, "failed", 0, "s"))
    assert decide(have(running("blue", "1", weight=100), failed), staged(), both()).installs


def test_the_live_version_with_other_content_is_refused() -> None:
    renderings = both() | {"blue": shop("blue", "2", service("extra", {}))}
    with pytest.raises(Refused, match="2 is live already with other content"):
        decide(have(running("blue", "2", weight=100), empty("green")), staged(), renderings)


def test_a_colour_with_traffic_is_not_written() -> None:
    entry = FakeEntry({"blue": 95, "green": 5}, previous="blue")
    with pytest.raises(Refused, match="green carries 5 % of the traffic"):
        decide(have(running("blue", "1", weight=95), running("green", "2", weight=5), entry), staged("3"), both("3"))


def test_an_entry_that_is_split_evenly_is_refused() -> None:
    entry = FakeEntry({"blue": 50, "green": 50}, live="")
    with pytest.raises(Refused, match="does not say which colour is live"):
        decide(have(empty("blue", weight=50), empty("green", weight=50), entry), staged(), both())


def test_a_source_without_the_colour_service_is_refused() -> None:
    green = shop("green")
    renderings = both() | {"green": replace(green, objects=[service("web", {"app": "shop-green"}), green.objects[1]])}
    with pytest.raises(Refused, match=r"renders no Service shop-green .* it renders web"):
        decide(have(running("blue", "1", weight=100), empty("green")), staged(), renderings)


def test_a_colour_service_that_selects_nothing_is_refused() -> None:
    green = shop("green")
    renderings = both() | {"green": replace(green, objects=[service("shop-green", {"app": "x"}), green.objects[1]])}
    with pytest.raises(Refused, match="selects no Deployment"):
        decide(have(running("blue", "1", weight=100), empty("green")), staged(), renderings)


def test_an_abandoned_operation_is_recovered_and_the_installation_goes_on() -> None:
    stuck = Revision("shop-green", 4, "pending-upgrade", NOW - 301, "s")
    plan = decide(have(running("blue", "1", weight=100), running("green", "0", revision=stuck)), staged(), both())
    assert kinds(plan.steps)[:3] == [Recover, Disavow, Install]


def test_an_operation_somebody_may_work_on_is_refused() -> None:
    stuck = Revision("shop-green", 4, "pending-upgrade", NOW - 20, "s")
    with pytest.raises(Refused, match="pending-upgrade since 20 s"):
        decide(have(running("blue", "1", weight=100), running("green", "0", revision=stuck)), staged(), both())


def test_who_holds_the_lock_of_a_release_waits_for_nobody() -> None:
    stuck = Revision("shop-green", 4, "pending-upgrade", NOW - 20, "s")
    scene = have(running("blue", "1", weight=100), running("green", "0", revision=stuck))
    assert kinds(decide(scene, staged(alone=True), both()).steps)[:3] == [Recover, Disavow, Install]


def test_a_pending_operation_of_the_live_side_is_left_alone() -> None:
    stuck = Revision("shop-blue", 4, "pending-upgrade", NOW - 20, "s")
    live = running("blue", "1", weight=100, revision=stuck)
    plan = decide(have(live, empty("green")), staged(), both())
    assert kinds(plan.steps) == [Install, Prove, Certify]


def test_capacity_follows_what_is_live_now() -> None:
    plan = decide(have(running("blue", "1", ready=7, weight=100), empty("green")), staged(), both())
    assert plan.capacity == {("Deployment", "shop-green"): 7}
    assert Scale(("Deployment", "shop-green"), 7) in plan.steps


def test_the_floor_counts_for_what_serves_only() -> None:
    worker = deployment("shop-green-worker", {"app": "worker-green"}, 1)
    renderings = both() | {"green": shop("green", "2", worker)}
    plan = decide(have(running("blue", "1", weight=100), empty("green")), staged(replicas=3), renderings)
    assert plan.capacity == {("Deployment", "shop-green"): 3, ("Deployment", "shop-green-worker"): 1}


def test_an_autoscaler_is_held_at_the_capacity() -> None:
    renderings = {
        colour: shop(colour, "2", hpa(f"shop-{colour}", f"shop-{colour}", 2), replicas=None)
        for colour in ("blue", "green")
    }
    plan = decide(have(running("blue", "1", ready=6, weight=100), empty("green")), staged(), renderings)
    assert Hold("shop-green", 6, 2) in plan.steps
    assert Scale(("Deployment", "shop-green"), 6) in plan.steps


def test_an_autoscaler_is_not_held_above_its_maximum() -> None:
    renderings = both() | {"green": shop("green", "2", hpa("shop-green", "shop-green", 2, 4))}
    plan = decide(have(running("blue", "1", ready=6, weight=100), empty("green")), staged(), renderings)
    assert Hold("shop-green", 4, 2) in plan.steps


def test_shared_objects_come_before_the_release() -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop"}}
    renderings = both() | {"green": replace(shop("green"), shared=[account])}
    plan = decide(have(running("blue", "1", weight=100), empty("green")), staged(), renderings)
    assert kinds(plan.steps)[:2] == [CreateShared, Install]


def retired_side(remembered: int = 3, **more: Any) -> Any:
    workload = deployment("shop-blue", {"app": "shop-blue"}, 0, status=0)
    workload["metadata"]["annotations"] = {"runbook.release/replicas": str(remembered)}
    return running("blue", "1", ready=0, workloads=(workload,), **more)


AFTER_SHIFT = FakeEntry({"blue": 0, "green": 100}, live="green", previous="blue")


def test_warming_brings_the_remembered_size_back() -> None:
    plan = decide(have(retired_side(), running("green", "2", weight=100), AFTER_SHIFT), Want("warm"), {})
    assert plan.target == "blue"
    assert plan.steps == (Scale(("Deployment", "shop-blue"), 3), Prove("blue"))


def test_warming_follows_a_live_side_that_has_grown() -> None:
    plan = decide(have(retired_side(), running("green", "2", ready=8, weight=100), AFTER_SHIFT), Want("warm"), {})
    assert plan.capacity == {("Deployment", "shop-blue"): 8}


def test_warming_follows_a_live_side_whose_workload_is_called_otherwise() -> None:
    web = deployment("shop-web-green", {"app": "shop-green"}, 8, status=8)
    live = running("green", "2", ready=8, weight=100, workloads=(web,))
    plan = decide(have(running("blue", "1"), live, AFTER_SHIFT), Want("warm"), {})
    assert plan.steps == (Scale(("Deployment", "shop-blue"), 8), Prove("blue"))


def test_warming_goes_as_far_as_the_autoscaler_allows_and_says_so() -> None:
    blue = running("blue", "1", autoscalers=(Autoscaler("shop-blue", ("Deployment", "shop-blue"), 2, None, 4),))
    plan = decide(have(blue, running("green", "2", ready=8, weight=100), AFTER_SHIFT), Want("warm"), {})
    assert plan.steps == (Hold("shop-blue", 4, 2), Scale(("Deployment", "shop-blue"), 4), Prove("blue"))
    assert "HorizontalPodAutoscaler shop-blue allows no more than 4 pods" in plan.warnings[0]


def test_a_warm_side_is_left_alone() -> None:
    plan = decide(have(running("blue", "1"), running("green", "2", weight=100), AFTER_SHIFT), Want("warm"), {})
    assert plan.steps == ()


def test_during_a_shift_the_side_it_began_from_is_the_one_to_go_back_to() -> None:
    entry = FakeEntry({"blue": 75, "green": 25}, live="blue", previous="blue")
    plan = decide(have(running("blue", "1", weight=75), running("green", "2", weight=25), entry), Want("warm"), {})
    assert (plan.target, plan.steps) == ("blue", ())


def test_nobody_goes_back_to_a_quarantined_side() -> None:
    bad = running("blue", "1", annotations={"runbook.release/quarantined": "2026-11-21T10:00:00Z"})
    with pytest.raises(Refused, match="blue with version 1 failed and is quarantined"):
        decide(have(bad, running("green", "2", weight=100), AFTER_SHIFT), Want("warm"), {})


def test_nobody_goes_back_to_nothing() -> None:
    with pytest.raises(Refused, match="no previous version"):
        decide(have(empty("blue"), running("green", "2", weight=100), AFTER_SHIFT), Want("warm"), {})


def test_retiring_scales_down_and_remembers() -> None:
    plan = decide(
        have(running("blue", "1", ready=3), running("green", "2", weight=100), AFTER_SHIFT), Want("retired"), {}
    )
    assert plan.steps == (Scale(("Deployment", "shop-blue"), 0, remember=3),)


def test_retiring_twice_changes_nothing() -> None:
    plan = decide(have(retired_side(), running("green", "2", weight=100), AFTER_SHIFT), Want("retired"), {})
    assert plan.steps == ()


def test_retiring_lowers_the_autoscaler_first_and_frees_the_live_one() -> None:
    idle = running("blue", "1", ready=5, autoscalers=(Autoscaler("shop-blue", ("Deployment", "shop-blue"), 5, 2, 9),))
    held = Autoscaler("shop-green", ("Deployment", "shop-green"), 5, 2, 9)
    live = running("green", "2", ready=5, weight=100, autoscalers=(held,))
    plan = decide(have(idle, live, AFTER_SHIFT), Want("retired", floor=1), {})
    assert kinds(plan.steps) == [Hold, Scale, Release]
    assert plan.steps[0] == Hold("shop-blue", 1, 2)
    assert plan.steps[2] == Release("shop-green", 2)


def grown(colour: str, minimum: int = 5, original: int | None = 2, maximum: int = 9) -> Autoscaler:
    """An autoscaler that a release held at its capacity."""
    return Autoscaler(f"shop-{colour}", ("Deployment", f"shop-{colour}"), minimum, original, maximum)


def test_what_is_live_gets_its_own_minimum_back_and_the_previous_side_stays_warm() -> None:
    live = running("green", "2", ready=5, weight=100, autoscalers=(grown("green"),))
    plan = decide(have(running("blue", "1", ready=5), live, AFTER_SHIFT), Want("settled"), {})
    assert (plan.target, plan.steps) == ("green", (Release("shop-green", 2),))
    settled = replace(live, autoscalers=(grown("green", 2, None),))
    assert not decide(have(running("blue", "1"), settled, AFTER_SHIFT), Want("settled"), {}).changes


def test_nothing_is_settled_while_the_traffic_is_shared() -> None:
    entry = FakeEntry({"blue": 75, "green": 25}, live="blue", previous="blue")
    blue = running("blue", "1", weight=75, autoscalers=(grown("blue"),))
    green = running("green", "2", weight=25, autoscalers=(grown("green"),))
    assert decide(have(blue, green, entry), Want("settled"), {}).steps == ()


def test_nothing_is_settled_before_anything_is_live() -> None:
    assert decide(have(empty("blue", weight=100), empty("green")), Want("settled"), {}).steps == ()


def test_removing_the_previous_side_settles_the_live_one() -> None:
    live = running("green", "2", weight=100, autoscalers=(grown("green"),))
    steps = decide(have(running("blue", "1"), live, AFTER_SHIFT), Want("absent"), {}).steps
    assert steps == (Uninstall("shop-blue"), Release("shop-green", 2))


def test_an_installation_forgets_the_minimum_that_an_earlier_one_remembered() -> None:
    """Helm writes the minimum of the chart again, but not the annotation it knows nothing of."""
    renderings = both() | {"green": shop("green", "2", hpa("shop-green", "shop-green", 3))}
    idle = running("green", "0", autoscalers=(grown("green"),))
    plan = decide(have(running("blue", "1", weight=100), idle), staged(), renderings)
    assert Release("shop-green", 3) in plan.steps
    held = decide(have(running("blue", "1", ready=6, weight=100), idle), staged(), renderings)
    assert Hold("shop-green", 6, 3) in held.steps
    assert Release not in kinds(held.steps)


def test_a_failed_side_is_quarantined_once() -> None:
    want = Want("retired", quarantine=True)
    plan = decide(have(running("blue", "1"), running("green", "2", weight=100), AFTER_SHIFT), want, {})
    assert kinds(plan.steps) == [Scale, Quarantine]
    marked = running("blue", "1", ready=0, annotations={"runbook.release/quarantined": "then"})
    assert decide(have(marked, running("green", "2", weight=100), AFTER_SHIFT), want, {}).steps == ()


def test_a_good_version_is_not_quarantined_in_place_of_another() -> None:
    want = Want("retired", version="3", quarantine=True)
    assert decide(have(running("blue", "1"), running("green", "2", weight=100), AFTER_SHIFT), want, {}).steps == ()


def test_a_side_with_traffic_is_neither_retired_nor_removed() -> None:
    entry = FakeEntry({"blue": 95, "green": 5}, previous="blue")
    shifting = have(running("blue", "1", weight=95), running("green", "2", weight=5), entry)
    for state in ("retired", "absent"):
        with pytest.raises(Refused, match="green carries 5 %"):
            decide(shifting, Want(state), {})


def test_removing_uninstalls_the_idle_release_once() -> None:
    live = running("green", "2", weight=100)
    assert decide(have(running("blue", "1"), live, AFTER_SHIFT), Want("absent"), {}).steps == (Uninstall("shop-blue"),)
    assert decide(have(empty("blue"), live, AFTER_SHIFT), Want("absent"), {}).steps == ()


def test_removing_is_refused_while_nothing_is_live() -> None:
    with pytest.raises(Refused, match="no colour is idle"):
        decide(have(empty("blue", weight=100), empty("green")), Want("absent"), {})


@given(
    live=st.sampled_from(["blue", "green"]),
    state=st.sampled_from(["staged", "warm", "retired", "settled", "absent"]),
    sizes=st.tuples(st.integers(1, 9), st.integers(0, 9)),
    versions=st.tuples(st.sampled_from("123"), st.sampled_from("123")),
    floor=st.integers(0, 2),
)
def test_no_plan_ever_touches_the_live_side(
    live: str, state: str, sizes: tuple[int, int], versions: tuple[str, str], floor: int
) -> None:
    idle = "green" if live == "blue" else "blue"
    entry = FakeEntry({live: 100, idle: 0}, live=live, previous=idle)
    colours = {
        live: running(live, versions[0], ready=sizes[0], weight=100),
        idle: running(idle, versions[1], ready=sizes[1]),
    }
    plan = decide(have(colours["blue"], colours["green"], entry), Want(state, "3", floor=floor, now=NOW), both("3"))
    assert not any(live in sentence for sentence in plan.sentences())
    if state in ("staged", "warm") and plan.target != live:
        assert plan.capacity["Deployment", f"shop-{idle}"] >= sizes[0]
