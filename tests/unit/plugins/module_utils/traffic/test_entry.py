# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotFound, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import HTTPROUTE, SERVICE
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry, Shift, colour_services
from ansible_collections.runbook.release.plugins.module_utils.traffic.observe import observe_entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.routers import router_for
from ansible_collections.runbook.release.plugins.module_utils.traffic.state import EntryState

from .world import NAMESPACE, SELECTORS, SERVICES, World, endpoint_slice, route, rule, service

SHIFT = '{"from":"blue","to":"green","versions":{"blue":"1.0","green":"2.0"}}'


def observed(*rules: Any, shift: str | None = None) -> EntryState:
    annotations = {"runbook.release/shift": shift} if shift else None
    world = World(HTTPROUTE, route(*rules, annotations=annotations))
    return observe_entry(world, Entry("httproute", "shop", NAMESPACE), SERVICES)


@pytest.mark.parametrize(
    ("rules", "shift", "live", "shifting", "previous"),
    [
        ([rule(100, 0)], None, "blue", False, ""),
        ([rule(0, 100)], SHIFT, "green", False, "blue"),
        ([rule(95, 5)], SHIFT, "blue", True, "blue"),
        ([rule(5, 95)], SHIFT, "blue", True, "blue"),
        ([rule(95, 5)], None, "blue", True, ""),
        ([rule(5, 95)], None, "green", True, ""),
        ([rule(50, 50)], None, "", True, ""),
        ([rule(0, 0)], None, "", True, ""),
        ([rule(100, 0), rule(0, 100)], SHIFT, "blue", True, "blue"),
        ([rule(100, 0), rule(0, 100)], None, "", True, ""),
        ([rule(100, 0)], "not JSON", "blue", False, ""),
        ([rule(100, 0)], '{"from":"red","to":"green"}', "blue", False, ""),
        ([rule(100, 0)], '{"from":"blue","to":"blue"}', "blue", False, ""),
        ([rule(100, 0)], '["blue"]', "blue", False, ""),
    ],
)
def test_live_is_read_from_the_entry(rules: Any, shift: Any, live: str, shifting: bool, previous: str) -> None:
    state = observed(*rules, shift=shift)
    assert (state.live, state.shifting, state.previous) == (live, shifting, previous)


def test_a_state_reports_itself() -> None:
    assert observed(rule(95, 5), shift=SHIFT).report() == {
        "live": "blue",
        "shifting": True,
        "previous": "blue",
        "weights": {"blue": 95, "green": 5},
        "even": True,
        "shift": {"from": "blue", "to": "green", "versions": {"blue": "1.0", "green": "2.0"}},
        "accepted": True,
        "colours": {
            "blue": {"service": "shop-blue", "exists": True, "version": "1.0", "endpoints": ["blue-1"]},
            "green": {"service": "shop-green", "exists": True, "version": "2.0", "endpoints": ["green-1"]},
        },
    }


def test_a_service_entry_is_observed_alike() -> None:
    world = World(SERVICE, service("shop", SELECTORS["green"]))
    state = observe_entry(world, Entry("service", "shop", NAMESPACE), SERVICES)
    assert (state.live, state.sides["green"].ready) == ("green", {"green-1"})


def test_terminating_and_unready_endpoints_do_not_count() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    dying = endpoint_slice("shop-green", "green-1", "green-2", "green-3")
    dying["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    dying["endpoints"][1]["conditions"] = {"ready": False}
    world.objects[next(kind for kind in world.objects if kind.kind == "EndpointSlice")]["shop-green-x"] = dying
    state = observe_entry(world, Entry("httproute", "shop", NAMESPACE), SERVICES)
    assert state.sides["green"].ready == {"green-3"}


def test_a_colour_that_is_not_there_yet_is_a_side_without_anything() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    del world.objects[SERVICE]["shop-green"]
    side = observe_entry(world, Entry("httproute", "shop", NAMESPACE), SERVICES).sides["green"]
    assert (side.obj, side.selector, side.version) == (None, {}, "")


def test_a_missing_entry_says_what_to_create() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    with pytest.raises(NotFound, match=r"HTTPRoute shop/docs does not exist.*create it"):
        observe_entry(world, Entry("httproute", "docs", NAMESPACE), SERVICES)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Refused, match="no router for entries of kind ingress"):
        router_for("ingress")


def test_an_entry_is_where_the_module_is_unless_it_says_otherwise() -> None:
    assert Entry.of({"kind": "service", "name": "shop", "namespace": None}, "here", 80).namespace == "here"
    assert Entry.of({"kind": "service", "name": "shop", "namespace": "there"}, "here").namespace == "there"


def test_colour_services_have_names_of_their_own_or_the_usual_ones() -> None:
    assert colour_services("shop", None) == {"blue": "shop-blue", "green": "shop-green"}
    assert colour_services("shop", {"blue": "a", "green": "b"}) == {"blue": "a", "green": "b"}


def test_a_shift_survives_being_written_down() -> None:
    shift = Shift("green", "blue", {"green": "2.0"})
    assert Shift.parse(shift.dump()) == shift
    assert Shift.parse(Shift().dump()) == Shift()
