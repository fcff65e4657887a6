# SPDX-License-Identifier: GPL-3.0-or-later
"""When a colour is proven ready, and when it is certain that it will not be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target
from ansible_collections.runbook.release.plugins.module_utils.helm.ready import Judge, Proof
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    ENDPOINTSLICE,
    EVENT,
    POD,
    REPLICASET,
    SERVICE,
    STATEFULSET,
    Kind,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Snapshot
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry

from .scene import service

Obj = dict[str, Any]
LABELS = {"app": "shop-green"}
CAPACITY = {("Deployment", "shop-green"): 2}
REVISION = {"deployment.kubernetes.io/revision": "2"}


def workload(**status: int) -> Obj:
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 1}
    metadata = {"name": "shop-green", "uid": "d", "generation": 1, "annotations": REVISION}
    return {
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": 2, "selector": {"matchLabels": LABELS}},
        "status": counts | status,
    }


def pod(name: str, restarts: int = 0, owner: str = "rs", **state: Obj) -> Obj:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "labels": LABELS, "ownerReferences": [{"uid": owner}]},
        "spec": {},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "app", "ready": not state, "restartCount": restarts, "state": state}],
        },
    }


def replicaset(uid: str, revision: str) -> Obj:
    annotations = {"deployment.kubernetes.io/revision": revision}
    return {"metadata": {"name": uid, "uid": uid, "annotations": annotations, "ownerReferences": [{"uid": "d"}]}}


def endpoints(*names: str) -> Obj:
    return {"metadata": {"name": "s"}, "endpoints": [{"targetRef": {"kind": "Pod", "name": name}} for name in names]}


def snapshot(at: float = 0, live: bool = True, **changes: Any) -> Snapshot:
    parts: dict[Kind, list[Obj]] = {
        DEPLOYMENT: [changes.get("workload", workload())],
        STATEFULSET: [],
        REPLICASET: [replicaset("rs", "2"), replicaset("old", "1")],
        POD: changes.get("pods", [pod("a"), pod("b")]),
        SERVICE: [service("shop-green", LABELS)],
        EVENT: changes.get("events", []),
        ENDPOINTSLICE: [changes.get("slice", endpoints("a", "b"))],
    }
    objects = {kind: {one["metadata"]["name"]: one for one in them} for kind, them in parts.items()}
    return Snapshot(objects, True, live, at)


def judge(stable: float = 5) -> Judge:
    return Judge("shop-green", CAPACITY, stable)


def test_ready_for_long_enough_is_proven() -> None:
    one = judge()
    assert [one.look(snapshot(at)).proven for at in (0, 4.9, 5)] == [False, False, True]


def test_a_restart_starts_the_clock_anew() -> None:
    one = judge()
    one.look(snapshot(0))
    assert not one.look(snapshot(5, pods=[pod("a", 1), pod("b")])).proven
    assert one.look(snapshot(10, pods=[pod("a", 1), pod("b")])).proven


def test_another_pod_starts_the_clock_anew() -> None:
    one = judge()
    one.look(snapshot(0))
    assert not one.look(snapshot(5, pods=[pod("a"), pod("c")], slice=endpoints("a", "c"))).proven


def test_losing_readiness_starts_the_clock_anew() -> None:
    one = judge()
    one.look(snapshot(0))
    one.look(snapshot(2, slice=endpoints("a")))
    assert not one.look(snapshot(6)).proven


def test_what_may_be_old_proves_nothing() -> None:
    assert not judge(stable=0).look(snapshot(live=False)).proven


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"workload": workload(observedGeneration=0)}, "Deployment shop-green: generation 1 is not observed yet"),
        ({"workload": workload(updatedReplicas=1)}, "1 of 2 pods updated"),
        ({"workload": workload(readyReplicas=1)}, "1 of 2 pods ready"),
        ({"workload": workload(availableReplicas=0)}, "0 of 2 pods available"),
        ({"workload": workload(replicas=3)}, "1 surplus pods"),
        ({"slice": endpoints("a")}, "pod b is no endpoint of Service shop-green yet"),
        ({"slice": endpoints("a", "b", "x")}, "pod x is still an endpoint of Service shop-green"),
        ({"slice": endpoints()}, "Service shop-green has no ready endpoint"),
    ],
)
def test_what_is_missing_is_named(changes: Any, missing: str) -> None:
    verdict = judge(stable=0).look(snapshot(**changes))
    assert not verdict.proven
    assert missing in "; ".join(verdict.missing)


def test_too_small_a_workload_is_not_ready() -> None:
    verdict = Judge("shop-green", {("Deployment", "shop-green"): 3}, 0).look(snapshot())
    assert "2 of 3 replicas are asked for" in verdict.missing[0]


def test_a_workload_that_has_grown_is_ready() -> None:
    assert Judge("shop-green", {("Deployment", "shop-green"): 1}, 0).look(snapshot()).proven


CRASHING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


def test_a_crash_loop_is_certain_at_once() -> None:
    verdict = judge().look(snapshot(workload=workload(readyReplicas=1), pods=[pod("a"), pod("b", 2, **CRASHING)]))
    assert [problem.reason for problem in verdict.certain] == ["CrashLoopBackOff"]


def test_a_pod_that_is_being_replaced_cannot_fail_its_replacement() -> None:
    verdict = judge().look(snapshot(pods=[pod("a"), pod("b"), pod("z", 9, "old", **CRASHING)]))
    assert verdict.problems == []


def unschedulable() -> Obj:
    stuck = pod("b")
    stuck["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}],
    }
    return stuck


def test_a_pod_that_fits_nowhere_is_certain_unless_a_node_is_coming() -> None:
    one, two = judge(), judge()
    coming = {
        "metadata": {"name": "e"},
        "reason": "TriggeredScaleUp",
        "involvedObject": {"kind": "Pod", "name": "b", "uid": "b"},
    }
    for at in (0, 20):
        alone = one.look(snapshot(at, pods=[pod("a"), unschedulable()], workload=workload(readyReplicas=1)))
        awaited = two.look(
            snapshot(at, pods=[pod("a"), unschedulable()], workload=workload(readyReplicas=1), events=[coming])
        )
    assert [problem.reason for problem in alone.certain] == ["Unschedulable"]
    assert awaited.certain == []


class Client:
    """A client with a script of snapshots."""

    def __init__(self, *shots: Snapshot) -> None:
        self.shots = shots

    def watch(self, watches: Any, deadline: float, tick: float) -> Any:
        return iter(self.shots)

    def list(self, *args: Any) -> list[Obj]:
        return []

    def logs(self, *args: Any, **more: Any) -> str:
        return "one\nfatal: no such table\n"


def proof(*shots: Snapshot) -> Proof:
    target = Target("shop", "shop", Entry("httproute", "shop", "shop"), {"blue": "shop-blue", "green": "shop-green"})
    return Proof(Client(*shots), target, CAPACITY, 5)  # type: ignore[arg-type]


def test_the_proof_ends_as_soon_as_it_holds() -> None:
    proof(snapshot(0), snapshot(5), snapshot(6, pods=[]))("green", 10)


def test_a_certain_failure_ends_it_with_the_last_words() -> None:
    crashing = pod("b", 2, **CRASHING)
    crashing["metadata"]["namespace"] = "shop"
    crashing["status"]["containerStatuses"][0]["containerID"] = "x"
    with pytest.raises(NotReady, match=r"CrashLoopBackOff.*its last words: fatal: no such table") as caught:
        proof(snapshot(pods=[crashing], workload=workload(readyReplicas=1)))("green", 10)
    assert caught.value.details["evidence"]["pods"][0]["name"] == "b"
    assert caught.value.details["problems"][0]["reason"] == "CrashLoopBackOff"
    assert "the live colour was not touched" in str(caught.value)
    assert "CrashLoopBackOff" in caught.value.record
    assert "no such table" not in caught.value.record, "what an application logs may be secret"


def test_a_run_that_lost_its_lock_does_not_wait_any_longer() -> None:
    def lost() -> None:
        raise Refused("the lock is lost")

    waiting = replace(proof(snapshot(0, pods=[]), snapshot(5, pods=[])), check=lost)
    with pytest.raises(Refused, match="the lock is lost"):
        waiting("green", 10)


def test_time_running_out_says_what_was_missing() -> None:
    with pytest.raises(NotReady, match=r"it was given 0 s.*pod b is no endpoint") as caught:
        proof(snapshot(slice=endpoints("a")))("green", 10)
    assert caught.value.details["missing"] == ["pod b is no endpoint of Service shop-green yet"]


def test_seeing_nothing_at_all_is_a_failure_too() -> None:
    with pytest.raises(NotReady, match="nothing was seen of it"):
        proof()("green", 10)
