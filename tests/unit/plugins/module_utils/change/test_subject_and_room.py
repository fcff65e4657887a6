# SPDX-License-Identifier: GPL-3.0-or-later
"""Which workload a name stands for, and whether what it grows to has room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.change import subject
from ansible_collections.runbook.release.plugins.module_utils.change.draft import Draft
from ansible_collections.runbook.release.plugins.module_utils.change.room import check, growth_of
from ansible_collections.runbook.release.plugins.module_utils.change.subject import Subject, resolve
from ansible_collections.runbook.release.plugins.module_utils.errors import Forbidden, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import DEPLOYMENT, HPA, Kind

from ..helm import scene
from .scene import deployment, scaler

Obj = dict[str, Any]
API = ("Deployment", "api")
SHOP = {"name": "shop", "entry": {"kind": "httproute", "name": "shop"}}
ROOM = "there is room for 5 more pods: ResourceQuota team and 1 node"
ROLLING = {"name": "backend", "workloads": [{"name": "api"}]}


@pytest.fixture
def coloured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The component shop, which is live on green."""

    def live(*more: Obj, weights: tuple[int, int] = (0, 100)) -> None:
        entry = scene.FakeEntry({"blue": weights[0], "green": weights[1]}, "green" if weights[1] == 100 else "")
        workloads = (scene.deployment("shop-green", {"app": "shop-green"}, 2), *more)
        blue, green = scene.running("blue", "1"), scene.running("green", "2", workloads=workloads)
        monkeypatch.setattr(subject, "observe_all", lambda client, targets: [scene.have(blue, green, entry)])

    return live


def found(name: str, *components: Obj, have: tuple[str, ...] = ("api", "other")) -> Subject:
    there = {("Deployment", one): deployment(one) for one in have}
    return resolve(None, "shop", ("Deployment", name), components, there)  # type: ignore[arg-type]


def test_a_component_is_the_workload_behind_its_live_colour(coloured: Callable[..., None]) -> None:
    coloured()
    assert found("shop", SHOP) == Subject("Deployment", "shop-green", "green", "shop")


def test_a_name_without_its_colour_is_the_live_one(coloured: Callable[..., None]) -> None:
    coloured(scene.deployment("shop-green-mailer", {"app": "mailer"}, 1))
    assert found("shop-mailer", SHOP) == Subject("Deployment", "shop-green-mailer", "green", "shop")


def test_a_component_without_a_live_colour_is_refused(coloured: Callable[..., None]) -> None:
    coloured(weights=(50, 50))
    with pytest.raises(Refused, match="No colour of shop is live"):
        found("shop", SHOP)


def test_a_component_that_rolls_is_its_only_workload() -> None:
    assert found("backend", ROLLING) == Subject("Deployment", "api", component="backend")
    with pytest.raises(Refused, match="has not one workload, but Deployment api, Deployment other"):
        found("backend", {**ROLLING, "workloads": [{"name": "api"}, {"name": "other"}]})


def test_a_name_of_nobody_is_refused_with_those_there_are() -> None:
    assert found("other", ROLLING) == Subject("Deployment", "other")
    with pytest.raises(Refused, match="There is no Deployment nobody; there are Deployment/api"):
        found("nobody", ROLLING)


class Cluster:
    """Quotas and nodes; one of them may be nobody's business."""

    def __init__(self, forbidden: str = "", **objects: list[Obj]) -> None:
        self.objects = objects
        self.forbidden = forbidden

    def list(self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "") -> list[Obj]:
        if kind.plural == self.forbidden:
            raise Forbidden("no")
        return self.objects.get(kind.plural, [])


def quota(memory: str, used: str) -> Obj:
    return {
        "metadata": {"name": "team"},
        "status": {"hard": {"requests.memory": memory}, "used": {"requests.memory": used}},
    }


def node(memory: str) -> Obj:
    status = {
        "allocatable": {"cpu": "4", "memory": memory, "pods": "100"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {"metadata": {"name": "node"}, "spec": {}, "status": status}


def room(cluster: Cluster, draft: Draft, would: Obj) -> tuple[str, tuple[str, ...]]:
    seen = check(cluster, "shop", growth_of(draft, deployment(), would), [])  # type: ignore[arg-type]
    return seen.sentence, seen.warnings


SCALED = Draft(DEPLOYMENT, deployment())


def test_what_does_not_fit_the_quota_is_refused_with_its_name() -> None:
    tight = Cluster(resourcequotas=[quota("512Mi", "192Mi")], nodes=[node("8Gi")])
    assert room(tight, SCALED, deployment(replicas=8)) == (ROOM, ())
    with pytest.raises(Refused, match=r"Deployment api does not fit the quota: it needs 384Mi more requests.memory"):
        room(tight, SCALED, deployment(replicas=9))


def test_what_no_node_can_take_is_refused() -> None:
    with pytest.raises(Refused, match="Deployment api needs 640Mi memory, the nodes have 512Mi left"):
        room(Cluster(nodes=[node("512Mi")]), SCALED, deployment(replicas=10))


def test_larger_pods_need_room_as_more_of_them_do() -> None:
    larger = deployment(resources={"requests": {"cpu": "100m", "memory": "1Gi"}})
    with pytest.raises(Refused, match="does not fit the quota"):
        room(Cluster(resourcequotas=[quota("512Mi", "192Mi")]), SCALED, larger)


def test_fewer_pods_need_none_and_nobody_is_asked() -> None:
    assert room(Cluster("resourcequotas"), SCALED, deployment(replicas=1)) == ("", ())


def test_what_may_not_be_read_is_told() -> None:
    _sentence, warnings = room(Cluster("resourcequotas", nodes=[node("8Gi")]), SCALED, deployment(replicas=5))
    assert warnings == ("The ResourceQuotas may not be read: whether Deployment api fits them is unknown",)


def test_the_most_an_autoscaler_may_reach_is_a_warning_and_the_least_is_not() -> None:
    tight = Cluster(resourcequotas=[quota("512Mi", "192Mi")], nodes=[node("8Gi")])
    bounds = Draft(HPA, scaler())
    assert "It cannot come to 20 pods" in room(tight, bounds, scaler(low=3, high=20))[1][0]
    with pytest.raises(Refused, match="does not fit the quota"):
        room(tight, bounds, scaler(low=20, high=20))


def test_demand_names_the_workload() -> None:
    assert growth_of(SCALED, deployment(), deployment(replicas=5)).demand(5).workload == " ".join(API)
