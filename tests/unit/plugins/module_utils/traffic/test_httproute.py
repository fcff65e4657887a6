# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry, Side
from ansible_collections.runbook.release.plugins.module_utils.traffic.httproute import HttpRouteRouter
from hypothesis import given
from hypothesis import strategies as st

from .world import NAMESPACE, SELECTORS, SERVICES, apply_ops, parent, ref, route, rule, service

ROUTER = HttpRouteRouter()
ENTRY = Entry("httproute", "shop", NAMESPACE)
SIDES = {colour: Side(colour, name, service(name, SELECTORS[colour])) for colour, name in SERVICES.items()}


def shares(obj: dict[str, Any], entry: Entry = ENTRY) -> list[tuple[int, int]]:
    return [(share["blue"], share["green"]) for share in ROUTER.shares(entry, (obj,), SIDES)]


def ops_to(obj: dict[str, Any], blue: int, entry: Entry = ENTRY) -> list[dict[str, Any]]:
    return ROUTER.mutation(entry, (obj,), SIDES, {"blue": blue, "green": 100 - blue}).ops


@pytest.mark.parametrize(
    ("blue", "green", "expected"),
    [
        (100, 0, (100, 0)),
        (1, 0, (100, 0)),
        (95, 5, (95, 5)),
        (None, None, (50, 50)),
        (1, 2, (33, 67)),
        (999999, 1, (99, 1)),
        (1, 999999, (1, 99)),
        (0, 0, (0, 0)),
    ],
)
def test_weights_are_normalised(blue: int | None, green: int | None, expected: tuple[int, int]) -> None:
    assert shares(route(rule(blue, green))) == [expected]


def test_every_rule_that_names_the_colours_is_a_place() -> None:
    elsewhere = {"backendRefs": [ref("docs", 1)]}
    assert shares(route(rule(100, 0), elsewhere, {"filters": []}, rule(50, 50))) == [(100, 0), (50, 50)]


@pytest.mark.parametrize(
    ("refs", "said"),
    [
        ([ref("docs"), ref("api")], "sends its traffic to api, docs"),
        ([], "sends its traffic to nothing"),
        ([ref("shop-blue"), ref("docs")], "names shop-green 0 times"),
        ([ref("shop-blue"), ref("shop-blue", port=81), ref("shop-green")], "names shop-blue 2 times"),
        ([ref("shop-blue", namespace="other"), ref("shop-green", namespace="other")], "sends its traffic to"),
        ([ref("shop-blue", kind="Bucket"), ref("shop-green", kind="Bucket")], "sends its traffic to Bucket shop-blue"),
    ],
)
def test_an_entry_that_points_elsewhere_is_refused_with_what_it_points_at(refs: list[Any], said: str) -> None:
    obj = route({"backendRefs": refs})
    with pytest.raises(Refused) as refused:
        shares(obj)
    assert said.replace("api, docs", "Service api, Service docs") in refused.value.what


def test_a_port_chooses_among_several_back_ends_of_a_colour() -> None:
    both = {"backendRefs": [ref("shop-blue", 7, port=81), ref("shop-blue", 100), ref("shop-green", 0)]}
    entry = Entry("httproute", "shop", NAMESPACE, port=80)
    assert shares(route(both), entry) == [(100, 0)]
    patched = apply_ops(route(both), ops_to(route(both), 0, entry))
    assert [one["weight"] for one in patched["spec"]["rules"][0]["backendRefs"]] == [7, 0, 100]


def test_beside_others_the_colours_keep_their_common_weight() -> None:
    obj = route(rule(300, 0, ref("docs", 100)))
    patched = apply_ops(obj, ops_to(obj, 75))
    assert [one["weight"] for one in patched["spec"]["rules"][0]["backendRefs"]] == [225, 75, 100]


@pytest.mark.parametrize(("blue", "green"), [(1, 0), (0, 0)])
def test_a_common_weight_that_cannot_be_split_is_refused(blue: int, green: int) -> None:
    with pytest.raises(Refused, match="cannot be split"):
        ops_to(route(rule(blue, green, ref("docs", 1))), 95)


def test_every_change_is_guarded_by_name_and_weight() -> None:
    assert ops_to(route(rule(100, 0)), 95) == [
        {"op": "test", "path": "/spec/rules/0/backendRefs/0/name", "value": "shop-blue"},
        {"op": "test", "path": "/spec/rules/0/backendRefs/0/weight", "value": 100},
        {"op": "add", "path": "/spec/rules/0/backendRefs/0/weight", "value": 95},
        {"op": "test", "path": "/spec/rules/0/backendRefs/1/name", "value": "shop-green"},
        {"op": "test", "path": "/spec/rules/0/backendRefs/1/weight", "value": 0},
        {"op": "add", "path": "/spec/rules/0/backendRefs/1/weight", "value": 5},
    ]


def test_a_weight_that_is_absent_is_guarded_by_the_resource_version() -> None:
    guards = [op["path"] for op in ops_to(route(rule(None, None)), 0) if op["op"] == "test"]
    assert guards.count("/metadata/resourceVersion") == 2


WEIGHT = st.one_of(st.none(), st.integers(0, 1_000_000))
FOREIGN = st.builds(lambda name, weight: {"backendRefs": [ref(name, weight)]}, st.sampled_from(["docs", "api"]), WEIGHT)
OURS = st.builds(rule, WEIGHT, WEIGHT, filters=st.just([{"type": "URLRewrite"}]), matches=st.just([{"path": "/"}]))
ROUTES = st.lists(st.one_of(OURS, FOREIGN), min_size=1, max_size=5).filter(
    lambda rules: any(len(one["backendRefs"]) == 2 for one in rules)
)


@given(rules=ROUTES, blue=st.integers(0, 100))
def test_the_patch_yields_the_weights_and_leaves_the_rest_alone(rules: list[Any], blue: int) -> None:
    obj = route(*rules)
    patched = apply_ops(obj, ops_to(obj, blue))
    assert set(shares(patched)) == {(blue, 100 - blue)}
    assert ops_to(patched, blue) == []
    assert _without_our_weights(patched) == _without_our_weights(obj)


def _without_our_weights(obj: dict[str, Any]) -> dict[str, Any]:
    bare = copy.deepcopy(obj)
    for one in bare["spec"]["rules"]:
        for back_end in one["backendRefs"]:
            if back_end["name"] in SERVICES.values():
                back_end.pop("weight", None)
    return bare


@pytest.mark.parametrize(
    ("parents", "missing"),
    [
        ([parent()], []),
        ([], ["Gateway shop/public has not answered"]),
        ([parent("another")], ["Gateway shop/public has not answered"]),
        (
            [parent(generation=0)],
            [
                "Gateway shop/public has not looked at this generation (Accepted)",
                "Gateway shop/public has not looked at this generation (ResolvedRefs)",
            ],
        ),
        ([parent(ResolvedRefs="False")], ["Gateway shop/public says ResolvedRefs=False: said so"]),
        ([parent(), parent(Accepted="False")], ["Gateway shop/public says Accepted=False: said so"]),
    ],
)
def test_acceptance_is_of_this_generation_and_of_every_parent(parents: list[Any], missing: list[str]) -> None:
    obj = route(rule(100, 0))
    obj["status"]["parents"] = parents
    assert ROUTER.unaccepted((obj,), SIDES) == missing


def test_a_second_parent_has_to_accept_too() -> None:
    obj = route(rule(100, 0))
    obj["spec"]["parentRefs"].append({"name": "public", "sectionName": "web"})
    assert ROUTER.unaccepted((obj,), SIDES) == ["Gateway shop/public has not answered"]


def test_before_the_second_colour_exists_its_missing_service_is_no_objection() -> None:
    obj = route(rule(100, 0))
    obj["status"]["parents"] = [parent(ResolvedRefs="False")]
    obj["status"]["parents"][0]["conditions"][1]["reason"] = "BackendNotFound"
    alone = {**SIDES, "green": Side("green", SERVICES["green"], None)}
    assert ROUTER.unaccepted((obj,), alone) == []
    assert ROUTER.unaccepted((obj,), SIDES) == ["Gateway shop/public says ResolvedRefs=False: said so"]
