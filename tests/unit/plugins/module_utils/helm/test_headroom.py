# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a second colour fits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.helm.headroom import (
    Demand,
    defaults_of,
    demands_of,
    pod_amounts,
    quantity,
    refuse_over_nodes,
    refuse_over_quota,
)

from .scene import deployment

NOTHING: dict[str, Any] = {"requests": {}, "limits": {}}


def container(name: str = "app", requests: Any = None, limits: Any = None) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}}


def pod(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"containers": list(containers), **more}


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "team"}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used or {}}}


def node(cpu: str = "2", memory: str = "4Gi", pods: str = "110", ready: str = "True", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "n1", "labels": labels},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": pods},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


SMALL = pod(container(requests={"cpu": "500m", "memory": "256Mi"}))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"),
        ("2", "2"),
        ("1Gi", "1073741824"),
        ("1.5k", "1500"),
        ("1e3", "1000"),
        (4, "4"),
        ("100M", "100000000"),
    ],
)
def test_quantities(text: Any, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "1GiB", "much", "1 Gi x"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is not a quantity"):
        quantity(text)


def test_a_pod_takes_its_containers_or_its_largest_init_container() -> None:
    amounts = pod_amounts(
        pod(
            container("a", {"cpu": "100m"}),
            container("b", {"cpu": "200m"}),
            initContainers=[container("i", {"cpu": "1", "memory": "1Mi"})],
            overhead={"cpu": "50m"},
        ),
        NOTHING,
    )
    assert (amounts["requests.cpu"], amounts["requests.memory"], amounts["pods"]) == (Decimal("1.05"), 2**20, 1)


def test_limits_stand_in_for_requests_and_a_limit_range_for_both() -> None:
    ranges = [
        {"spec": {"limits": [{"type": "Container", "default": {"memory": "2Mi"}, "defaultRequest": {"memory": "1Mi"}}]}}
    ]
    amounts = pod_amounts(pod(container(limits={"cpu": "1"})), defaults_of(ranges))
    assert {key: int(value) for key, value in amounts.items()} == {
        "pods": 1,
        "requests.cpu": 1,
        "limits.cpu": 1,
        "requests.memory": 2**20,
        "limits.memory": 2**21,
    }


@pytest.mark.parametrize(
    ("hard", "used", "needed"),
    [
        ({"pods": "5"}, {"pods": "3"}, "needs 3 more pods, 3 of 5 are used"),
        ({"count/pods": "5"}, {"count/pods": "3"}, "needs 3 more count/pods"),
        ({"cpu": "2"}, {"cpu": "1"}, "needs 1.5 more cpu, 1 of 2 are used"),
        ({"requests.cpu": "2"}, {"requests.cpu": "1"}, "needs 1.5 more requests.cpu"),
        ({"requests.memory": "1Gi"}, {"requests.memory": "512Mi"}, "needs 768Mi more requests.memory, 512Mi of 1Gi"),
    ],
)
def test_what_exceeds_a_quota_is_refused_with_the_numbers(hard: Any, used: Any, needed: str) -> None:
    with pytest.raises(Refused, match=needed):
        refuse_over_quota([quota(hard, used)], [Demand("Deployment shop", 3, SMALL)], NOTHING)


def test_what_fits_exactly_passes() -> None:
    refuse_over_quota([quota({"cpu": "2", "pods": "4"}, {"cpu": "0.5", "pods": "1"})], [Demand("d", 3, SMALL)], NOTHING)


def test_pods_that_are_replaced_are_not_counted_twice() -> None:
    full = quota({"cpu": "3"}, {"cpu": "3"})
    refuse_over_quota([full], [Demand("d", 3, SMALL, 3, SMALL)], NOTHING)
    with pytest.raises(Refused, match=r"needs 0.5 more cpu"):
        refuse_over_quota([full], [Demand("d", 4, SMALL, 3, SMALL)], NOTHING)


def test_a_container_must_state_what_the_quota_counts() -> None:
    counted = quota({"limits.cpu": "10"})
    with pytest.raises(Refused, match=r"counts limits.cpu, and container app of Deployment shop states none"):
        refuse_over_quota([counted], [Demand("Deployment shop", 1, SMALL)], NOTHING)
    refuse_over_quota([counted], [Demand("Deployment shop", 1, SMALL)], {"requests": {}, "limits": {"cpu": "1"}})


@pytest.mark.parametrize(
    ("spec", "applies"),
    [
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["NotBestEffort"]}, True),
        ({"scopes": ["Terminating"]}, False),
        ({"scopes": ["NotTerminating"]}, True),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["hi"]}]
                }
            },
            True,
        ),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}}, False),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "CrossNamespacePodAffinity", "operator": "Exists"}]}},
            False,
        ),
    ],
)
def test_a_quota_counts_only_the_pods_in_its_scope(spec: Any, applies: bool) -> None:
    demand = Demand("d", 1, {**SMALL, "priorityClassName": "hi"})
    scoped = quota({"pods": "0"}, **spec)
    if applies:
        with pytest.raises(Refused):
            refuse_over_quota([scoped], [demand], NOTHING)
    else:
        refuse_over_quota([scoped], [demand], NOTHING)


def placed(spec: dict[str, Any], phase: str = "Running") -> dict[str, Any]:
    return {"spec": {**spec, "nodeName": "n1"}, "status": {"phase": phase}}


def test_nodes_with_room_pass() -> None:
    assert refuse_over_nodes([node()], [placed(SMALL)], [Demand("d", 3, SMALL)], NOTHING) == ""


def test_a_pod_no_node_can_take_is_refused() -> None:
    with pytest.raises(Refused, match=r"No node has room for one pod of d: it asks for 100 cpu"):
        refuse_over_nodes([node()], [], [Demand("d", 1, pod(container(requests={"cpu": "100"})))], NOTHING)


def test_more_than_is_left_is_refused_and_ended_pods_do_not_count() -> None:
    demand = [Demand("d", 4, SMALL)]
    assert refuse_over_nodes([node()], [placed(SMALL, "Succeeded")], demand, NOTHING) == ""
    with pytest.raises(Refused, match=r"needs 2 cpu, the nodes have 1.5 left"):
        refuse_over_nodes([node()], [placed(SMALL)], demand, NOTHING)
    with pytest.raises(Refused, match="needs 4 pods, the nodes have 3 left"):
        refuse_over_nodes([node(pods="3")], [], demand, NOTHING)


def test_a_pool_that_may_grow_is_a_warning() -> None:
    pool = node(**{"karpenter.sh/nodepool": "default"})
    assert "the node pool has to grow" in refuse_over_nodes([pool], [], [Demand("d", 9, SMALL)], NOTHING)


def test_nodes_that_take_no_pods_do_not_count() -> None:
    cordoned = node()
    cordoned["spec"] = {"unschedulable": True}
    assert "No node is ready" in refuse_over_nodes(
        [cordoned, node(ready="False")], [], [Demand("d", 1, SMALL)], NOTHING
    )


def test_demand_is_what_is_to_be_and_what_is_there_now() -> None:
    new, old = deployment("shop-green", {}, 1), deployment("shop-green", {}, 1, status=2)
    (demand,) = demands_of([new], {("Deployment", "shop-green"): 5}, [old])
    assert (demand.workload, demand.count, demand.present) == ("Deployment shop-green", 5, 2)
