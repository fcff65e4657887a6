# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry, Side
from ansible_collections.runbook.release.plugins.module_utils.traffic.service import ServiceRouter, disjoint
from hypothesis import given
from hypothesis import strategies as st

from .world import NAMESPACE, SELECTORS, SERVICES, apply_ops, service

ROUTER = ServiceRouter()
ENTRY = Entry("service", "shop", NAMESPACE)


def sides(blue: Any = SELECTORS["blue"], green: Any = SELECTORS["green"]) -> dict[str, Side]:
    return {
        colour: Side(colour, SERVICES[colour], service(SERVICES[colour], selector) if selector else None)
        for colour, selector in (("blue", blue), ("green", green))
    }


def blue_share(selector: Any, there: dict[str, Side]) -> int:
    (share,) = ROUTER.shares(ENTRY, (service("shop", selector),), there)
    return share["blue"]


@pytest.mark.parametrize(
    ("selector", "there", "blue"),
    [
        (SELECTORS["blue"], sides(), 100),
        (SELECTORS["green"], sides(), 0),
        ({"colour": "green"}, sides(), 0),
        ({**SELECTORS["blue"], "tier": "web"}, sides(), 100),
        (SELECTORS["blue"], sides(green=None), 100),
        (SELECTORS["green"], sides(green=None), 0),
        ({"instance": "shop-green"}, sides({"instance": "shop-blue"}, None), 0),
        (SELECTORS["green"], sides(None, None), 0),
        ({"instance": "shop-blue"}, sides(None, None), 100),
    ],
)
def test_the_colour_an_entry_selects(selector: Any, there: dict[str, Side], blue: int) -> None:
    assert blue_share(selector, there) == blue


@pytest.mark.parametrize(
    ("selector", "there", "said"),
    [
        ({"app": "docs"}, sides(), "selects app=docs, which is neither colour"),
        ({"app": "shop"}, sides(), "the pods of both colours"),
        ({"app": "shop"}, sides(green=None), "the pods of both colours"),
        ({"app": "shop"}, sides(None, None), "neither colour"),
        ({}, sides(), "no selector to switch"),
        (None, sides(), "no selector to switch"),
    ],
)
def test_an_entry_that_selects_no_single_colour_is_refused(selector: Any, there: dict[str, Side], said: str) -> None:
    with pytest.raises(Refused, match=said):
        blue_share(selector, there)


@pytest.mark.parametrize(
    ("spec", "said"), [({"clusterIP": "None"}, "headless"), ({"type": "ExternalName"}, "selector")]
)
def test_services_without_a_virtual_address_are_refused(spec: dict[str, str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        ROUTER.shares(ENTRY, (service("shop", SELECTORS["blue"], **spec),), sides())


def test_the_whole_selector_is_replaced_guarded_by_the_old_one() -> None:
    old = {**SELECTORS["blue"], "tier": "web"}
    assert ROUTER.mutation(ENTRY, (service("shop", old),), sides(), {"blue": 0, "green": 100}).ops == [
        {"op": "test", "path": "/spec/selector", "value": old},
        {"op": "replace", "path": "/spec/selector", "value": SELECTORS["green"]},
    ]


@given(start=st.sampled_from(["blue", "green"]), target=st.sampled_from(["blue", "green"]))
def test_the_patch_yields_the_selector_and_leaves_the_rest_alone(start: str, target: str) -> None:
    wanted = {"blue": 0, "green": 0} | {target: 100}
    before = service("shop", SELECTORS[start], sessionAffinity="ClientIP")
    after = apply_ops(before, ROUTER.mutation(ENTRY, (before,), sides(), wanted).ops)
    assert ROUTER.shares(ENTRY, (after,), sides()) == (wanted,)
    assert not ROUTER.mutation(ENTRY, (after,), sides(), wanted).ops
    assert {**after["spec"], "selector": None} == {**before["spec"], "selector": None}


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=3)


@given(first=LABELS, second=LABELS)
def test_selectors_are_disjoint_when_no_pod_can_match_both(first: dict[str, str], second: dict[str, str]) -> None:
    pod = first | second
    matches_both = first.items() <= pod.items() and second.items() <= pod.items()
    assert disjoint(first, second) == (not matches_both)
    assert disjoint(second, first) == (not matches_both)
