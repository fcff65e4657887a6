# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a colour has to be before traffic goes back to it."""

from __future__ import annotations

import math

import pytest
from ansible_collections.runbook.release.plugins.module_utils.helm.capacity import Autoscaler, Scale
from ansible_collections.runbook.release.plugins.module_utils.helm.room import Growth, Room, carried
from hypothesis import given
from hypothesis import strategies as st

BLUE, WORKER = ("Deployment", "shop-blue"), ("Deployment", "shop-blue-worker")


@pytest.mark.parametrize(("pods", "share", "needed"), [(10, 100, 10), (10, 25, 3), (10, 5, 1), (3, 0, 0), (0, 100, 0)])
def test_a_share_of_the_traffic_needs_that_share_of_the_pods(pods: int, share: int, needed: int) -> None:
    assert carried(pods, share) == needed


@pytest.mark.parametrize(
    ("room", "too_small"),
    [
        (Room(ready=10, load=10, desired=10), False),
        (Room(ready=2, load=10, desired=2), True),
        (Room(ready=9, load=10, desired=9), True),
        (Room(ready=1, load=0, desired=1, recorded=3), True),
        (Room(ready=3, load=1, desired=3), False),
        (Room(ready=4, load=10, desired=10), True),
    ],
)
def test_a_colour_is_too_small_below_the_load_and_below_what_it_was_scaled_down_from(
    room: Room, too_small: bool
) -> None:
    assert room.too_small is too_small


@pytest.mark.parametrize(("ready", "load"), [(9, 10), (7, 10), (2, 3), (1, 2)])
def test_a_pod_that_never_comes_does_not_keep_the_traffic_on_what_failed(ready: int, load: int) -> None:
    """The colour has its size already, so there is nothing to scale."""
    assert not Room(ready, load, desired=load).too_small
    assert Room(ready, load, desired=load - 1).too_small


def autoscaler(maximum: int, name: str = "shop-blue") -> Autoscaler:
    return Autoscaler(name, ("Deployment", name), 2, None, maximum)


def growth(*, idle: int = 2, live: int = 10, load: int = 10, remembered: int = 0, twin: str = "shop-green") -> Growth:
    return Growth(
        (Scale("Deployment", "shop-blue", idle, idle, remembered),),
        (Scale("Deployment", twin, live, live),),
        [BLUE],
        (),
        load,
    )


def test_a_colour_grows_to_what_serves_now_though_the_workloads_are_called_otherwise() -> None:
    assert growth().counts() == {BLUE: 10}
    assert growth(twin="shop-web-green").counts() == {BLUE: 10}


def test_a_colour_grows_to_what_is_asked_for_of_the_live_one_though_some_of_it_is_down() -> None:
    half = Growth((Scale("Deployment", "shop-blue", 2, 2),), (Scale("Deployment", "shop-green", 10, 5),), [BLUE], (), 5)
    assert half.counts() == {BLUE: 10}


def test_only_what_serves_grows_with_the_traffic() -> None:
    idle = (Scale("Deployment", "shop-blue", 2, 2), Scale("Deployment", "shop-blue-worker", 1, 1))
    live = (Scale("Deployment", "web-green", 6, 6),)
    assert Growth(idle, live, [BLUE], (), 6).counts() == {BLUE: 6, WORKER: 1}


def test_no_autoscaler_is_overruled_and_who_could_change_it_is_told() -> None:
    idle, live = (Scale("Deployment", "shop-blue", 2, 2),), (Scale("Deployment", "shop-green", 10, 10),)
    capped = Growth(idle, live, [BLUE], (autoscaler(4),), 10)
    assert capped.counts() == {BLUE: 4}
    (warning,) = capped.warnings()
    assert warning.startswith("HorizontalPodAutoscaler shop-blue allows no more than 4 pods, and 10 serve now")
    assert growth().warnings() == []


def test_what_one_autoscaler_does_not_allow_another_workload_takes() -> None:
    idle = (Scale("Deployment", "shop-blue", 2, 2), Scale("Deployment", "shop-blue-worker", 2, 2))
    both = Growth(idle, (), [BLUE, WORKER], (autoscaler(4),), 10)
    assert both.counts() == {BLUE: 4, WORKER: 6}
    assert both.warnings() == []


@given(
    idle=st.integers(0, 20), live=st.integers(1, 20), share=st.integers(0, 100), remembered=st.integers(0, 20),
    matched=st.booleans(),
)  # fmt: skip
def test_what_was_warmed_is_large_enough(idle: int, live: int, share: int, remembered: int, matched: bool) -> None:
    """The guard that asked for it does not refuse again."""
    needed = math.ceil(live * share / 100)
    twin = "shop-green" if matched else "web-green"
    brought = growth(idle=idle, live=live, load=needed, remembered=remembered, twin=twin).counts()[BLUE]
    assert not Room.of([Scale("Deployment", "shop-blue", brought, brought)], brought, carried(live, share)).too_small
