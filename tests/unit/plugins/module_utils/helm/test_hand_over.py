# SPDX-License-Identifier: GPL-3.0-or-later
"""The work goes to the live colour, wherever a run dies, and the other states leave it there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.helm.capacity import Autoscaler
from ansible_collections.runbook.release.plugins.module_utils.helm.decide import Want, decide
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Colour, Have
from ansible_collections.runbook.release.plugins.module_utils.helm.patch_stream import merged
from ansible_collections.runbook.release.plugins.module_utils.helm.plan import (
    AwaitRest,
    Certify,
    Disavow,
    Install,
    Prove,
    Rest,
    Scale,
    Work,
)
from ansible_collections.runbook.release.plugins.module_utils.helm.workers import (
    Worker,
    resting,
    workers_in,
    working,
)
from hypothesis import given
from hypothesis import strategies as st

from .scene import NOW, FakeEntry, Obj, both, deployment, empty, have, running, shop
from .test_workers import cron_job

COLOURS = ("blue", "green")
GREEN_LIVE = FakeEntry(weights={"blue": 0, "green": 100}, live="green", previous="blue")
HANDED_OVER = Want("handed_over", now=NOW)


def mailer(colour: str, size: int = 2, *, rests: bool = False, called: bool = True, **status: int) -> Obj:
    name = f"mailer-{colour}"
    obj = deployment(name, {"app": name}, size, status=status.get("ready", 0 if rests else size))
    if rests:
        return merged(obj, resting("Deployment", size))
    return merged(obj, resting("Deployment", 0)) if called else obj


def nightly(colour: str, *, rests: bool = False) -> Obj:
    return merged(cron_job(f"nightly-{colour}"), resting("CronJob", 1) if rests else {})


def side(colour: str, *works: Obj, **more: Any) -> Colour:
    """A colour that runs a version, with these beside what serves."""
    found = running(colour, "1" if colour == "blue" else "2", **more)
    jobs = tuple(one for one in works if one["kind"] == "CronJob")
    return replace(found, workloads=(*found.workloads, *(one for one in works if one not in jobs)), cronjobs=jobs)


def moved(entry: FakeEntry | None = None) -> Have:
    """Green got the traffic; blue still works."""
    blue = side("blue", mailer("blue", 3), nightly("blue"))
    green = side("green", mailer("green", 2, rests=True), nightly("green", rests=True), weight=100)
    return have(blue, green, entry or GREEN_LIVE)


def test_the_old_version_stops_before_the_new_one_starts_with_as_many() -> None:
    plan = decide(moved(), HANDED_OVER, {})
    idle = (("Deployment", "mailer-blue"), ("CronJob", "nightly-blue"))
    assert plan.steps == (
        Rest(idle[0], 3),
        Rest(idle[1], 1),
        AwaitRest("blue", idle),
        Work(("Deployment", "mailer-green"), 3),
        Work(("CronJob", "nightly-green"), 1),
        Prove("green"),
    )
    assert (plan.target, plan.capacity) == ("green", {("Deployment", "mailer-green"): 3})


def test_both_may_work_for_a_while_if_that_is_asked_for() -> None:
    plan = decide(moved(), replace(HANDED_OVER, overlap=True), {})
    assert not any(isinstance(step, AwaitRest) for step in plan.steps)
    assert len(plan.steps) == 5


def test_while_the_traffic_is_shared_the_work_stays_where_it_was() -> None:
    shared = FakeEntry(weights={"blue": 75, "green": 25}, live="blue", previous="blue")
    assert decide(moved(shared), HANDED_OVER, {}).steps == ()


def test_nothing_is_handed_over_twice() -> None:
    done = have(
        side("blue", mailer("blue", 3, rests=True), nightly("blue", rests=True)),
        side("green", mailer("green", 3), nightly("green"), weight=100),
        GREEN_LIVE,
    )
    assert decide(done, HANDED_OVER, {}).steps == ()


def test_what_was_started_and_is_not_ready_yet_is_waited_for() -> None:
    late = have(side("blue"), side("green", mailer("green", 3, ready=1), weight=100), GREEN_LIVE)
    plan = decide(late, HANDED_OVER, {})
    assert (plan.steps, plan.changes) == ((Prove("green"),), False)


def test_before_anything_is_live_nothing_is_handed_over() -> None:
    assert decide(have(empty("blue", weight=100), empty("green")), HANDED_OVER, {}).steps == ()


def test_a_version_from_before_it_was_called_a_worker_stops_too() -> None:
    old = have(
        side("blue", mailer("blue", called=False)),
        side("green", mailer("green", rests=True), weight=100),
        GREEN_LIVE,
    )
    assert decide(old, HANDED_OVER, {}).steps[0] == Rest(("Deployment", "mailer-blue"), 2)


def test_what_serves_is_never_stopped_even_if_its_twin_was_a_worker() -> None:
    twin = merged(deployment("shop-green", {"app": "other"}, 1), resting("Deployment", 1))
    now = have(running("blue", "1"), running("green", "2", weight=100, workloads=(twin,)), GREEN_LIVE)
    assert not any(isinstance(step, Rest) for step in decide(now, HANDED_OVER, {}).steps)


def test_an_autoscaler_bounds_what_starts_and_what_has_to_be_ready() -> None:
    world = moved()
    scaler = Autoscaler("mailer", ("Deployment", "mailer-green"), 1, None, 2)
    green = replace(world.colours["green"], autoscalers=(scaler,))
    plan = decide(have(world.colours["blue"], green, GREEN_LIVE), HANDED_OVER, {})
    assert Work(("Deployment", "mailer-green"), 2) in plan.steps
    assert plan.capacity == {("Deployment", "mailer-green"): 1}


def rendered(colour: str) -> Any:
    found = shop(colour, "2", mailer(colour, called=False), nightly(colour))
    named = (("Deployment", "mailer"),)
    return replace(found, workers=workers_in(found.objects, named, found.release, found.release))


RENDERED = {colour: rendered(colour) for colour in COLOURS}
STAGED = Want("staged", "2", now=NOW)


def test_a_version_is_staged_without_its_workers() -> None:
    old = have(side("blue", mailer("blue", 5), nightly("blue"), weight=100), running("green", "0"))
    plan = decide(old, STAGED, RENDERED)
    assert [type(step) for step in plan.steps] == [Disavow, Install, Scale, Prove, Certify]
    assert plan.capacity == {("Deployment", "shop-green"): 2, ("Deployment", "mailer-green"): 0}
    assert "at rest: Deployment mailer-green, CronJob nightly-green" in plan.sentences()[1]


def staged(*works: Obj) -> Colour:
    digest = {"runbook.release/digest": RENDERED["green"].digest}
    return side("green", *works, annotations=digest)


def test_what_is_staged_and_at_rest_is_left_so() -> None:
    world = have(
        side("blue", mailer("blue", 5), nightly("blue"), weight=100),
        staged(mailer("green", rests=True), nightly("green", rests=True)),
    )
    assert decide(world, STAGED, RENDERED).steps == ()


def test_what_works_although_only_staged_is_stopped() -> None:
    blue = side("blue", mailer("blue", called=False), weight=100)
    world = have(blue, staged(mailer("green", called=False), nightly("green")))
    assert decide(world, STAGED, RENDERED).steps == (
        Rest(("Deployment", "mailer-green"), 2),
        Rest(("CronJob", "nightly-green"), 1),
    )


def test_it_is_left_at_work_while_nobody_else_works_and_that_is_told() -> None:
    world = have(side("blue", mailer("blue", rests=True), weight=100), staged(mailer("green"), nightly("green")))
    plan = decide(world, STAGED, RENDERED)
    assert plan.steps == ()
    assert plan.warnings[0].startswith("Deployment mailer-blue of blue, which is live, rests")
    retired = decide(world, Want("retired", now=NOW), {})
    assert not any(isinstance(step, Rest) for step in retired.steps)
    assert retired.warnings == plan.warnings


def test_warming_up_leaves_the_work_to_the_hand_over() -> None:
    world = have(
        side("blue", mailer("blue", 3, rests=True), nightly("blue", rests=True), ready=2),
        side("green", mailer("green", 3), nightly("green"), weight=100),
        GREEN_LIVE,
    )
    assert decide(world, Want("warm", now=NOW), {}).steps == ()


def test_nothing_of_a_retired_colour_works_also_if_it_keeps_some_pods() -> None:
    world = have(side("blue", weight=100), side("green", mailer("green", 3), nightly("green")))
    assert decide(world, Want("retired", floor=1, now=NOW), {}).steps == (
        Rest(("Deployment", "mailer-green"), 3),
        Rest(("CronJob", "nightly-green"), 1),
        Scale(("Deployment", "shop-green"), 1, remember=2),
    )


def test_a_system_without_any_work_of_its_own_is_released_as_ever() -> None:
    plan = decide(have(running("blue", "1", weight=100), empty("green")), STAGED, both())
    assert [type(step) for step in plan.steps] == [Install, Prove, Certify]
    assert plan.warnings == ()


class World:
    """Two colours whose workers change as the steps say; pods are gone, or ready, the moment somebody waits for it."""

    def __init__(self, sizes: dict[str, int], live: str, working_colour: str) -> None:
        self.live = live
        self.objects = {
            (colour, kind): mailer(colour, size, rests=colour != working_colour)
            if kind == "Deployment"
            else nightly(colour, rests=colour != working_colour)
            for colour, size in sizes.items()
            for kind in ("Deployment", "CronJob")
        }

    def have(self) -> Have:
        sides = {
            colour: side(
                colour,
                *(obj for (of, _kind), obj in self.objects.items() if of == colour),
                weight=100 * (colour == self.live),
            )
            for colour in COLOURS
        }
        entry = FakeEntry(weights={one: 100 * (one == self.live) for one in COLOURS}, live=self.live)
        return have(sides["blue"], sides["green"], entry)

    def take(self, step: Any) -> None:
        if isinstance(step, Rest | Work):
            kind, name = step.worker
            change = resting if isinstance(step, Rest) else working
            key = name.rpartition("-")[2], kind
            self.objects[key] = merged(self.objects[key], change(kind, step.size))

    def workers(self, colour: str) -> tuple[Worker, ...]:
        return self.have().workers(colour)

    def at_work(self) -> set[str]:
        return {colour for colour in COLOURS if any(one.works for one in self.workers(colour))}


SIZES = st.fixed_dictionaries({colour: st.integers(1, 5) for colour in COLOURS})
RUNS = st.lists(st.tuples(st.sampled_from(COLOURS), st.integers(0, 6)), min_size=1, max_size=6)


@given(sizes=SIZES, worked=st.sampled_from(COLOURS), runs=RUNS)
def test_wherever_runs_die_and_traffic_goes_no_two_versions_work_and_the_last_run_ends_it(
    sizes: dict[str, int], worked: str, runs: list[tuple[str, int]]
) -> None:
    world = World(sizes, worked, worked)
    size = sizes[worked]
    for live, died_after in [*runs, (runs[-1][0], 99)]:
        world.live = live
        for step in decide(world.have(), HANDED_OVER, {}).steps[:died_after]:
            world.take(step)
            assert len(world.at_work()) <= 1
    assert world.at_work() == {world.live}
    assert all(one.works for one in world.workers(world.live))
    assert world.workers(world.live)[0].size >= size
    assert not decide(world.have(), HANDED_OVER, {}).changes
