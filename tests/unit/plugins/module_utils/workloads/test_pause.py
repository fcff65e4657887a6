# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads are brought to zero and back exactly, wherever a run is killed in between."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import JOB, POD, REPLICASET
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Snapshot
from ansible_collections.runbook.release.plugins.module_utils.workloads.decide import Plan, Step, pause, resume
from ansible_collections.runbook.release.plugins.module_utils.workloads.observe import (
    KINDS,
    Selection,
    Workload,
    not_ready,
    remains,
)
from ansible_collections.runbook.release.plugins.module_utils.workloads.record import PAUSED, Scaler, record_of

from ..traffic.world import apply_ops

Obj = dict[str, Any]
ALL = Selection((("StatefulSet", "queue"),), (), True)
HPA = Scaler("api", 2, 9)


def scalable(kind: str, name: str, replicas: int, **metadata: Any) -> Obj:
    meta = {"name": name, "namespace": "shop", "uid": f"{kind}-{name}", "resourceVersion": "1", **metadata}
    return {"kind": kind, "metadata": meta, "spec": {"replicas": replicas}}


def cronjob(name: str, suspend: bool = False) -> Obj:
    meta = {"name": name, "namespace": "shop", "uid": f"cron-{name}", "resourceVersion": "1"}
    return {"kind": "CronJob", "metadata": meta, "spec": {"suspend": suspend}}


class Cluster:
    """Objects, and what patches make of them."""

    def __init__(self, *objects: Obj) -> None:
        self.objects = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
        self.scalers = {("Deployment", "api"): (HPA,)}

    def found(self) -> list[Workload]:
        objects = copy.deepcopy(self.objects)
        return [Workload(obj, record_of(obj), self.scalers.get(key, ())) for key, obj in objects.items()]

    def take(self, steps: Any) -> None:
        for step in steps:
            patch, now = step.patch(), self.objects[step.workload.key]
            absent = {"op": "test", "path": "/metadata/annotations", "value": None}
            if absent in patch:
                assert "annotations" not in now["metadata"]
            changed = apply_ops(now, [op for op in patch if op["op"] != "remove" and op != absent])
            if any(op["op"] == "remove" for op in patch):
                del changed["metadata"]["annotations"][PAUSED]
            self.objects[step.workload.key] = changed

    def pause(self, name: str = "restore", selection: Selection = ALL) -> Plan:
        return pause(self.found(), selection, name, "namespace shop")

    def resume(self, name: str = "restore", selection: Selection | None = None) -> Plan:
        return resume(self.found(), selection or Selection(), name)

    def sizes(self) -> dict[str, int]:
        return {workload.title: workload.size for workload in self.found()}


@pytest.fixture
def shop() -> Cluster:
    return Cluster(
        scalable("Deployment", "api", 3, annotations={"team": "shop"}),
        scalable("Deployment", "worker", 2),
        scalable("Deployment", "spare", 0),
        scalable("StatefulSet", "queue", 1),
        scalable("StatefulSet", "postgres", 1),
        cronjob("cleanup"),
        cronjob("asleep", suspend=True),
    )


def test_everything_but_unnamed_stateful_sets_goes_to_zero_and_comes_back(shop: Cluster) -> None:
    before = copy.deepcopy(shop.sizes())
    shop.take(shop.pause().steps)
    assert {title for title, size in shop.sizes().items() if size} == {"StatefulSet postgres"}
    shop.take(shop.resume().steps)
    assert shop.sizes() == before
    assert not any(PAUSED in (obj["metadata"].get("annotations") or {}) for obj in shop.objects.values())


@pytest.mark.parametrize("killed_pausing", range(5))
@pytest.mark.parametrize("killed_resuming", range(5))
def test_a_killed_run_is_finished_by_the_next_with_nothing_lost(
    shop: Cluster, killed_pausing: int, killed_resuming: int
) -> None:
    before = copy.deepcopy(shop.sizes())
    shop.take(shop.pause().steps[:killed_pausing])
    shop.take(shop.pause().steps)
    assert sum(shop.sizes().values()) == 1
    shop.take(shop.resume().steps[:killed_resuming])
    shop.take(shop.resume().steps)
    assert shop.sizes() == before


def test_a_second_pause_changes_nothing_and_forgets_nothing(shop: Cluster) -> None:
    shop.take(shop.pause().steps)
    assert shop.pause().steps == ()
    assert record_of(shop.objects["Deployment", "api"]).replicas == 3


def test_other_annotations_stay(shop: Cluster) -> None:
    shop.take(shop.pause().steps)
    shop.take(shop.resume().steps)
    assert shop.objects["Deployment", "api"]["metadata"]["annotations"] == {"team": "shop"}


def test_what_was_scaled_up_during_the_pause_goes_to_zero_again_and_comes_back_as_first_recorded(shop: Cluster) -> None:
    shop.take(shop.pause().steps)
    shop.objects["Deployment", "api"]["spec"]["replicas"] = 7
    assert shop.pause().sentences() == ["scale Deployment api from 7 to 0"]
    shop.take(shop.pause().steps)
    shop.take(shop.resume().steps)
    assert shop.sizes()["Deployment api"] == 3


def test_what_somebody_else_scaled_up_is_left_alone_with_a_warning(shop: Cluster) -> None:
    shop.take(shop.pause().steps)
    shop.objects["Deployment", "api"]["spec"]["replicas"] = 7
    plan = shop.resume()
    assert plan.warnings == ("Deployment api had 3 replicas, has 7 now, and is left at that",)
    shop.take(plan.steps)
    assert (shop.sizes()["Deployment api"], shop.resume().steps) == (7, ())


def test_an_autoscaler_that_was_changed_meanwhile_is_told(shop: Cluster) -> None:
    shop.take(shop.pause().steps)
    shop.scalers["Deployment", "api"] = (Scaler("api", 4, 9),)
    told = "The autoscaler of Deployment api was api 2 to 9, is api 4 to 9 now, and is left as it is"
    assert shop.resume().warnings == (told,)


def test_another_pause_does_not_take_over_and_does_not_resume(shop: Cluster) -> None:
    shop.take(shop.pause().steps)
    with pytest.raises(Refused, match="Deployment api is paused for restore already"):
        shop.pause("maintenance")
    assert shop.resume("maintenance").steps == ()


def test_a_workload_that_does_not_exist_is_refused_before_anything_is_scaled(shop: Cluster) -> None:
    with pytest.raises(Refused, match="There is no Deployment gone"):
        shop.pause(selection=Selection((("Deployment", "api"), ("Deployment", "gone"))))


def test_an_autoscaler_that_would_scale_up_from_zero_is_refused(shop: Cluster) -> None:
    shop.scalers["Deployment", "api"] = (Scaler("api", 0, 9),)
    with pytest.raises(Refused, match="Autoscaler api may scale Deployment api up from 0"):
        shop.pause()


def test_labels_select_what_has_all_of_them(shop: Cluster) -> None:
    shop.objects["Deployment", "api"]["metadata"]["labels"] = {"app": "shop", "tier": "api"}
    shop.objects["Deployment", "worker"]["metadata"]["labels"] = {"app": "shop"}
    chosen = shop.pause(selection=Selection(labels=(("app", "shop"), ("tier", "api")))).concerned
    assert chosen == (("Deployment", "api"),)


@pytest.mark.parametrize("names", [(), (("Deployment", "api"),)])
def test_labels_that_no_workload_has_are_refused_before_anything_is_scaled(
    shop: Cluster, names: tuple[tuple[str, str], ...]
) -> None:
    shop.objects["Deployment", "worker"]["metadata"]["labels"] = {"app": "shop"}
    with pytest.raises(Refused, match=r"There is no workload with the labels app=shop,tier=api\. Nothing was changed"):
        shop.pause(selection=Selection(names, (("app", "shop"), ("tier", "api"))))


def test_a_size_that_changed_since_it_was_read_fails_the_patch(shop: Cluster) -> None:
    (step, *_rest) = shop.pause().steps
    shop.objects[step.workload.key]["spec"]["replicas"] = 4
    with pytest.raises(ValueError, match="replicas"):
        shop.take([step])


def test_an_annotation_nobody_can_read_is_not_guessed(shop: Cluster) -> None:
    shop.objects["Deployment", "api"]["metadata"]["annotations"][PAUSED] = "3"
    with pytest.raises(ReleaseError, match=r"annotation runbook\.release/paused that nobody can read: 3"):
        shop.found()


def owned(kind: str, name: str, owner: str, **more: Any) -> Obj:
    return {"kind": kind, "metadata": {"name": name, "uid": name, "ownerReferences": [{"uid": owner}]}, **more}


def shown(cluster: Cluster, *objects: Obj) -> Snapshot:
    kinds = {kind.kind: kind for kind in (POD, JOB, REPLICASET)} | KINDS
    state: dict[Any, dict[str, Obj]] = {kind: {} for kind in kinds.values()}
    for obj in [*cluster.objects.values(), *objects]:
        state[kinds[obj["kind"]]][obj["metadata"]["name"]] = obj
    return Snapshot(state)


def test_a_pod_that_is_still_ending_is_still_there(shop: Cluster) -> None:
    replicaset = owned("ReplicaSet", "api-1", "Deployment-api")
    ending = owned("Pod", "api-1-x", "api-1")
    ending["metadata"]["deletionTimestamp"] = "2026-11-24T19:00:00Z"
    other = owned("Pod", "postgres-0", "StatefulSet-postgres")
    assert remains([("Deployment", "api")], shown(shop, replicaset, ending, other)) == ["pod api-1-x"]
    assert remains([("Deployment", "api")], shown(shop, replicaset, other)) == []


def test_a_job_of_a_suspended_cronjob_is_waited_for_until_it_ended(shop: Cluster) -> None:
    job = owned("Job", "cleanup-1", "cron-cleanup", status={})
    assert remains([("CronJob", "cleanup")], shown(shop, job)) == ["Job cleanup-1"]
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert remains([("CronJob", "cleanup")], shown(shop, job)) == []


def test_what_comes_back_has_to_be_ready(shop: Cluster) -> None:
    shop.objects["Deployment", "api"]["status"] = {"updatedReplicas": 3, "readyReplicas": 2, "availableReplicas": 2}
    missing = not_ready([("Deployment", "api"), ("CronJob", "cleanup")], shown(shop))
    assert missing == ["Deployment api: 2 of 3 pods ready", "Deployment api: 2 of 3 pods available"]


def test_a_step_says_what_it_does(shop: Cluster) -> None:
    assert "suspend CronJob cleanup" in shop.pause().sentences()
    shop.take(shop.pause().steps)
    assert {"resume CronJob cleanup", "scale Deployment api from 0 to 3"} <= set(shop.resume().sentences())
    assert isinstance(shop.resume().steps[0], Step)
