# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to a colour that is smaller than what serves now."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Forbidden, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    ENDPOINTSLICE,
    HTTPROUTE,
    POD,
    Kind,
)
from ansible_collections.runbook.release.plugins.module_utils.traffic.guards import check_request

from .test_step import Remembering, run, step
from .world import SELECTORS, World, endpoint_slice, meta, pod, route, rule

SHIFT = {
    "runbook.release/shift": '{"from":"blue","to":"green","versions":{"blue":"1.0","green":"2.0"}}',
}
Obj = dict[str, Any]


class Unreadable(World):
    """An account that may not list workloads."""

    def list(self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "") -> list[Obj]:
        if kind == DEPLOYMENT:
            raise Forbidden("The account may not list deployments")
        return super().list(kind, namespace, labels, fields)


def shifted(weight: int = 100, *, blue: int, green: int, world: type[World] = World, **deployment: Any) -> World:
    """``weight`` of the traffic is on green; the colours have as many ready pods as said."""
    made = world(HTTPROUTE, route(rule(100 - weight, weight), annotations=SHIFT))
    for colour, count in (("blue", blue), ("green", green)):
        names = [f"{colour}-{number}" for number in range(1, count + 1)]
        made.put(ENDPOINTSLICE, endpoint_slice(f"shop-{colour}", *names))
        for name in names:
            made.put(POD, pod(name, SELECTORS[colour]))
    if deployment:
        made.put(DEPLOYMENT, workload(**deployment))
    return made


def workload(replicas: int, recorded: int = 0, colour: str = "blue") -> Obj:
    annotations = {"runbook.release/replicas": str(recorded)} if recorded else {}
    return {
        "kind": "Deployment",
        "metadata": meta(f"shop-{colour}", annotations=annotations),
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"labels": SELECTORS[colour]}, "spec": {"containers": []}},
        },
    }


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (shifted(blue=2, green=10), "2 of 10 pods are ready"),
        (shifted(blue=2, green=10, replicas=2), "2 of 10 pods are ready"),
        (shifted(75, blue=1, green=4, replicas=1), "1 of 3 pods are ready"),
        (shifted(blue=1, green=0, replicas=1, recorded=3), "1 of 3 pods are ready"),
        (shifted(blue=4, green=10, replicas=10), "4 of 10 pods are ready"),
        (shifted(blue=2, green=3, world=Unreadable), "2 of 3 pods are ready"),
    ],
)
def test_nothing_goes_back_to_fewer_pods_than_serve_now(world: World, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        run(world, step("previous"))
    assert not world.patches
    assert "release_force" in refused.value.remedy


@pytest.mark.parametrize(
    "world",
    [
        shifted(blue=10, green=10),
        shifted(25, blue=2, green=8, replicas=2),
        shifted(5, blue=1, green=10, replicas=4),
        shifted(blue=8, green=10, replicas=10),
        shifted(blue=1, green=0, replicas=1),
        shifted(blue=3, green=3, world=Unreadable),
    ],
)
def test_what_is_large_enough_gets_it_back_at_once(world: World) -> None:
    outcome = run(world, step("previous"))
    assert (outcome.after.weights["blue"], outcome.report()["forced"]) == (100, "")


def test_workloads_of_others_do_not_count() -> None:
    world = shifted(blue=10, green=10, replicas=50, recorded=50, colour="green")
    assert run(world, step("previous")).report()["changed"]


def test_a_reason_overrules_it_and_the_ledger_keeps_the_reason() -> None:
    world = shifted(blue=2, green=10)
    book = Remembering(world)
    report = run(world, step("previous", force="the quota is full"), book).report()
    assert (report["changed"], report["forced"]) == (True, "the quota is full")
    assert book.steps[0][1]["forced"] == "the quota is full"


def test_a_reason_that_was_not_needed_is_not_kept() -> None:
    world = shifted(blue=10, green=10)
    book = Remembering(world)
    assert run(world, step("previous", force="to be sure"), book).report()["forced"] == ""
    assert "forced" not in book.steps[0][1]


def test_what_is_back_already_is_not_measured_again() -> None:
    world = shifted(0, blue=1, green=10, replicas=1, recorded=3)
    assert not run(world, step("previous")).report()["changed"]


def test_a_colour_by_its_name_may_be_any_size() -> None:
    assert run(shifted(blue=1, green=10), step("blue")).report()["changed"]


def test_a_reason_to_go_back_is_for_going_back() -> None:
    with pytest.raises(Refused, match="does not go back"):
        check_request("httproute", "green", 100, force="why")
