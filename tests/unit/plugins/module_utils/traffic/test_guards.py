# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import ENDPOINTSLICE, HTTPROUTE, SERVICE
from ansible_collections.runbook.release.plugins.module_utils.traffic import guards
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.observe import observe_entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.patch import decide
from ansible_collections.runbook.release.plugins.module_utils.traffic.prober import Terms

from .world import NAMESPACE, SERVICES, World, route, rule, service


def without_green_service(world: World) -> None:
    del world.objects[SERVICE]["shop-green"]


def without_green_selector(world: World) -> None:
    world.put(SERVICE, service("shop-green", None, "2.0"))


def without_green_endpoints(world: World) -> None:
    del world.objects[ENDPOINTSLICE]["shop-green-x"]


def without_blue_endpoints(world: World) -> None:
    del world.objects[ENDPOINTSLICE]["shop-blue-x"]


def without_green_version(world: World) -> None:
    world.put(SERVICE, service("shop-green", {"app": "shop", "colour": "green"}))


def with_overlap(world: World) -> None:
    world.put(SERVICE, service("shop-green", {"app": "shop"}, "2.0"))


def check(change: Callable[[World], None], colour: str, weight: int, with_urls: bool = True) -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    change(world)
    state = observe_entry(world, Entry("httproute", "shop", NAMESPACE), SERVICES)
    guards.check(state, decide(state, colour, weight), with_urls=with_urls)


@pytest.mark.parametrize(
    ("change", "colour", "weight", "said"),
    [
        (without_green_service, "green", 5, "green cannot get 5 % of the traffic: Service shop-green does not exist"),
        (without_green_selector, "green", 5, "selects no pods"),
        (without_green_endpoints, "green", 100, "no endpoint of Service shop-green is ready"),
        (without_blue_endpoints, "green", 5, "blue cannot get 95 % of the traffic: no endpoint of Service shop-blue"),
        (without_green_version, "green", 5, "does not say which version it runs"),
        (with_overlap, "green", 5, "Services shop-blue and shop-green can select the same pods"),
        (with_overlap, "blue", 100, "can select the same pods"),
    ],
)
def test_refused(change: Callable[[World], None], colour: str, weight: int, said: str) -> None:
    with pytest.raises(Refused) as refused:
        check(change, colour, weight)
    assert said in refused.value.what
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("change", "colour", "weight", "with_urls"),
    [
        (without_blue_endpoints, "green", 100, True),
        (without_green_endpoints, "green", 0, True),
        (without_green_service, "blue", 100, True),
        (without_green_version, "green", 100, False),
        (lambda world: None, "green", 5, True),
    ],
)
def test_a_side_that_gets_nothing_is_not_in_the_way(
    change: Callable[[World], None], colour: str, weight: int, with_urls: bool
) -> None:
    check(change, colour, weight, with_urls)


@pytest.mark.parametrize(
    ("kind", "colour", "weight", "from_version", "said"),
    [
        ("httproute", "green", 101, "", "not a percentage"),
        ("httproute", "green", -1, "", "not a percentage"),
        ("service", "green", 5, "", "gives its traffic to one colour"),
        ("httproute", "previous", 50, "", "Going back is whole"),
        ("httproute", "green", 100, "1.0", "does not go back"),
    ],
)
def test_requests_that_make_no_sense(kind: str, colour: str, weight: int, from_version: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        guards.check_request(kind, colour, weight, from_version)


@pytest.mark.parametrize(
    ("kind", "colour", "weight"), [("service", "green", 0), ("httproute", "green", 5), ("service", "previous", 100)]
)
def test_requests_that_do(kind: str, colour: str, weight: int) -> None:
    guards.check_request(kind, colour, weight)


@pytest.mark.parametrize("terms", [Terms(0, 0.5, 30), Terms(50, -1, 30), Terms(50, 5, 5)])
def test_terms_that_prove_nothing(terms: Terms) -> None:
    with pytest.raises(Refused, match="is no proof"):
        guards.check_terms(terms)


def test_a_witness_that_is_not_there(tmp_path: Path) -> None:
    assert guards.check_witness("") == ""
    with pytest.raises(ReleaseError, match="no witness"):
        guards.check_witness(str(tmp_path / "nothing"))
