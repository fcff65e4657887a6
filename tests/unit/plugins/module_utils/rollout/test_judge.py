# SPDX-License-Identifier: GPL-3.0-or-later
"""When a wave is ready, and when it is certain that it will not be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import EVENT, POD, REPLICASET, kind_of
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Snapshot
from ansible_collections.runbook.release.plugins.module_utils.rollout.judge import Judge
from ansible_collections.runbook.release.plugins.module_utils.rollout.model import CONTROLLERREVISION, WORKLOADS, key_of

from .scene import revision, workload

Obj = dict[str, Any]


def ready(kind: str = "Deployment", name: str = "api") -> Obj:
    obj = workload(name, kind=kind)
    counts = ["updatedReplicas", "readyReplicas", "availableReplicas", "replicas"]
    if kind == "DaemonSet":
        counts = ["updatedNumberScheduled", "numberReady", "numberAvailable"]
    obj["status"] |= dict.fromkeys(counts, 2)
    if kind == "DaemonSet":
        obj["status"] |= {"desiredNumberScheduled": 2, "currentNumberScheduled": 2}
    if kind == "StatefulSet":
        obj["status"]["updateRevision"] = f"{name}-now"
    return obj


def kept(owner: Obj, name: str, number: int) -> Obj:
    made = revision(owner, name, number, "1")
    made["metadata"] |= {"uid": name, "labels": {"controller-revision-hash": name}}
    return made


def pod(owner: Obj, name: str, revised: str = "", waiting: str = "", restarts: int = 0) -> Obj:
    labels = {"controller-revision-hash": revised}
    uid = owner["metadata"]["uid"]
    state = {"waiting": {"reason": waiting, "message": "no"}} if waiting else {"running": {}}
    status = {"containerStatuses": [{"name": "app", "restartCount": restarts, "state": state}]}
    metadata = {"name": name, "uid": f"{name}-uid", "labels": labels, "ownerReferences": [{"uid": uid}]}
    return {"kind": "Pod", "metadata": metadata, "status": status}


def event(obj: Obj, reason: str, count: int = 1) -> Obj:
    about = {"uid": obj["metadata"]["uid"], "name": obj["metadata"]["name"], "kind": obj["kind"]}
    metadata = {"name": f"{reason}", "uid": reason}
    return {"metadata": metadata, "involvedObject": about, "reason": reason, "type": "Warning", "count": count}


def seen(*objects: Obj, at: float = 0.0, live: bool = True) -> Snapshot:
    kinds = [*WORKLOADS.values(), REPLICASET, CONTROLLERREVISION, POD, EVENT]
    found: dict[Any, dict[str, Obj]] = {kind: {} for kind in kinds}
    for obj in objects:
        name = obj["metadata"]["name"]
        found_kind = {"Pod": POD, "ReplicaSet": REPLICASET, "ControllerRevision": CONTROLLERREVISION}.get(
            obj.get("kind", ""), EVENT if "involvedObject" in obj else None
        )
        found[found_kind or kind_of(obj)][name] = obj
    return Snapshot(found, live=live, at=at)


def judge(*objects: Obj, written: int | None = 3, stable: float = 0.0) -> Judge:
    keys = [key_of(obj) for obj in objects]
    return Judge(keys, dict.fromkeys(keys, written) if written else {}, stable)


API = ready()
NOW, OLD = kept(API, "api-now", 3), kept(API, "api-old", 2)


def test_ready_is_what_is_observed_updated_available_and_alone() -> None:
    assert judge(API).look(seen(API, NOW, pod(NOW, "a"), pod(NOW, "b"))).proven


def test_what_was_seen_before_the_write_counts_for_nothing() -> None:
    verdict = judge(API, written=4).look(seen(API, NOW, pod(NOW, "a")))
    assert verdict.missing == ["Deployment api: its controller has not seen it yet"]


def test_a_pod_of_the_old_version_that_is_still_ending_is_waited_for() -> None:
    verdict = judge(API).look(seen(API, NOW, OLD, pod(NOW, "a"), pod(OLD, "b")))
    assert verdict.missing == ["Deployment api: pod b is not gone yet"]


def test_a_lost_connection_proves_nothing() -> None:
    assert not judge(API).look(seen(API, NOW, live=False)).proven


def test_a_workload_that_is_not_there_is_missing() -> None:
    assert judge(API).look(seen()).missing == ["Deployment api does not exist"]


def test_one_that_cannot_start_is_certain_while_the_others_come_up() -> None:
    web = ready(name="web") | {"status": {"observedGeneration": 3}}
    newest = kept(web, "web-now", 3)
    verdict = judge(API, web).look(seen(API, web, NOW, newest, pod(newest, "w", waiting="ImagePullBackOff")))
    assert [(one.pod, one.reason) for one in verdict.certain] == [("w", "ImagePullBackOff")]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_pod_of_the_version_that_is_left_cannot_fail_the_one_that_comes(kind: str) -> None:
    obj = ready(kind)
    now, old = kept(obj, "api-now", 3), kept(obj, "api-old", 2)
    owners = (now, old) if kind == "Deployment" else (obj, obj)
    pods = pod(owners[0], "a", "api-now"), pod(owners[1], "b", "api-old", waiting="CrashLoopBackOff")
    verdict = judge(obj).look(seen(obj, now, old, *pods))
    assert verdict.certain == []
    assert [one["metadata"]["name"] for one in verdict.stuck] == (["b"] if kind == "StatefulSet" else [])


def test_the_pod_of_a_set_that_this_run_did_not_write_is_not_deleted() -> None:
    obj = ready("StatefulSet")
    broken = pod(obj, "b", "api-old", waiting="CrashLoopBackOff")
    assert judge(obj, written=None).look(seen(obj, broken)).stuck == []


def test_it_has_to_stay_ready_without_a_restart() -> None:
    looks = judge(API, stable=5.0)
    assert not looks.look(seen(API, NOW, pod(NOW, "a"), at=0.0)).proven
    assert not looks.look(seen(API, NOW, pod(NOW, "a", restarts=1), at=4.0)).proven
    assert not looks.look(seen(API, NOW, pod(NOW, "a", restarts=1), at=8.0)).proven
    assert looks.look(seen(API, NOW, pod(NOW, "a", restarts=1), at=9.0)).proven


def gave_up(obj: Obj) -> Obj:
    said = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too long"}
    return {**obj, "status": {**obj["status"], "conditions": [said]}}


def test_having_given_up_on_another_version_is_no_failure_of_this_one() -> None:
    looks = judge(API)
    assert looks.look(seen(gave_up(API), NOW)).certain == []
    assert looks.look(seen(API, NOW)).certain == []
    assert looks.look(seen(gave_up(API), NOW)).certain != []


def test_a_quota_that_refuses_the_pods_of_a_set_shows_in_events_that_repeat() -> None:
    queue = ready("StatefulSet") | {"status": {"observedGeneration": 3}}
    looks = judge(queue)
    assert looks.look(seen(queue, event(queue, "FailedCreate"))).certain == []
    assert [one.reason for one in looks.look(seen(queue, event(queue, "FailedCreate", 2))).certain] == ["FailedCreate"]


def test_a_pod_for_which_a_node_is_on_its_way_is_waited_for() -> None:
    waits = pod(NOW, "a")
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}
    waits["status"]["conditions"] = [unschedulable]
    looks, coming = judge(API), event(waits, "TriggeredScaleUp")
    coming["involvedObject"]["name"] = "a"
    looks.look(seen(API, NOW, waits, at=0.0))
    assert looks.look(seen(API, NOW, waits, coming, at=60.0)).certain == []
    assert looks.look(seen(API, NOW, waits, at=61.0)).certain != []
