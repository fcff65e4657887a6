# SPDX-License-Identifier: GPL-3.0-or-later
"""A program runs in pods that are ready, and who was left out is told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.tasks.pods import Where, choose, find

API = {"app": "api"}


def pod(name: str, ready: bool = True, labels: dict[str, str] | None = None, **meta: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": name, "labels": labels or API, **meta},
        "spec": {"containers": [{"name": "proxy"}, {"name": "app"}]},
        "status": {"phase": "Running", "conditions": conditions},
    }


THERE = [pod("api-3"), pod("api-1", ready=False), pod("api-2"), pod("api-4", deletionTimestamp="now")]


def test_one_that_is_ready_and_its_first_container() -> None:
    chosen = choose(Where("shop", workload="api"), THERE)
    assert chosen.containers == {"api-2": "proxy"}
    assert chosen.sentence == "in api-2."


def test_everywhere_names_those_that_are_left_out() -> None:
    chosen = choose(Where("shop", workload="api", container="app", everywhere=True), THERE)
    assert chosen.containers == {"api-2": "app", "api-3": "app"}
    assert chosen.sentence == "in api-2, api-3. Not ready, and left out: api-1, api-4."


def test_without_one_that_is_ready_it_is_refused() -> None:
    with pytest.raises(Refused, match=r"No pod is ready, so nothing was run.*StatefulSet db in namespace shop"):
        choose(Where("shop", "StatefulSet", "db"), THERE[1:2])


class Cluster:
    """A Deployment `api`, its pods and those of others."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, kind: Any, name: str, namespace: str) -> dict[str, Any] | None:
        spec = {"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]}}
        return {"kind": "Deployment", "metadata": {"uid": "1"}, "spec": spec} if name == "api" else None

    def list(self, kind: Any, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        self.asked.append(labels)
        return [pod("api-2"), pod("web-1", labels={"app": "web"})]


def test_the_pods_of_a_workload_are_those_its_selector_means() -> None:
    cluster: Any = Cluster()
    assert list(find(cluster, Where("shop", workload="api", everywhere=True)).containers) == ["api-2"]
    find(cluster, Where("shop", labels={"app": "api", "tier": "1"}))
    assert cluster.asked == ["", "app=api,tier=1"]
    with pytest.raises(Refused, match=r"There is no Deployment apo in namespace shop"):
        find(cluster, Where("shop", workload="apo"))
