# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.readiness import (
    current_pods_of,
    is_pod_ready,
    pods_of,
    ready_endpoints,
    restarts,
    selects,
    workload_ready,
)
from hypothesis import given
from hypothesis import strategies as st


def deployment(desired=3, updated=3, ready=3, available=3, total=3, generation=2, observed=2, kind="Deployment"):
    return {
        "kind": kind,
        "metadata": {
            "name": "web",
            "uid": "d",
            "generation": generation,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": desired, "selector": {"matchLabels": {"app": "web"}}},
        "status": {
            "observedGeneration": observed,
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": available,
        },
    }


counts = st.integers(0, 5)


@given(counts, counts, counts, counts, counts, st.integers(1, 3), st.integers(0, 3))
def test_ready_means_observed_and_everything_equals_desired(
    desired, updated, ready, available, total, generation, observed
):
    found = workload_ready(deployment(desired, updated, ready, available, total, generation, observed))
    as_desired = total <= desired and updated == desired and ready >= desired and available >= desired
    assert bool(found) == (observed >= generation and as_desired)


def test_what_is_missing_is_said():
    found = workload_ready(deployment(updated=3, ready=2, available=0, total=4, observed=1))
    assert found.missing == (
        "generation 2 is not observed yet (at 1)",
        "2 of 3 pods ready",
        "0 of 3 pods available",
        "1 surplus pods of an older version or scale are still there",
    )


def test_a_workload_without_status_is_not_ready():
    assert not workload_ready({"kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 0}})


def test_scaled_to_nothing_is_ready():
    assert workload_ready(deployment(0, 0, 0, 0, 0))


def test_daemonset():
    status = {
        "observedGeneration": 1,
        "desiredNumberScheduled": 2,
        "currentNumberScheduled": 2,
        "updatedNumberScheduled": 2,
        "numberReady": 2,
        "numberAvailable": 1,
    }
    found = workload_ready({"kind": "DaemonSet", "metadata": {"generation": 1}, "status": status})
    assert found.missing == ("1 of 2 pods available",)


def owned(name, owner, labels=None, annotations=None):
    metadata = {"name": name, "uid": name, "ownerReferences": [{"uid": owner}], "labels": labels or {}}
    return {"metadata": {**metadata, "annotations": annotations or {}}}


def names(objs):
    return [one["metadata"]["name"] for one in objs]


def test_pods_of_a_deployment_by_owner_and_by_selector():
    revision = "deployment.kubernetes.io/revision"
    sets = [
        owned("rs1", "d", annotations={revision: "1"}),
        owned("rs2", "d", annotations={revision: "2"}),
        owned("rs3", "other", annotations={revision: "2"}),
    ]
    web = {"app": "web"}
    pods = [owned("old", "rs1", web), owned("new", "rs2", web), owned("foreign", "rs3", web), owned("x", "rs2")]
    assert names(pods_of(deployment(), pods, sets)) == ["old", "new", "x"]
    assert names(pods_of(deployment(), pods)) == ["old", "new", "foreign"]
    assert names(current_pods_of(deployment(), pods, sets)) == ["new", "x"]


def test_pods_of_a_statefulset():
    workload = deployment(kind="StatefulSet")
    workload["status"]["updateRevision"] = "r2"
    hash_label = "controller-revision-hash"
    pods = [owned("web-0", "d", {hash_label: "r1"}), owned("web-1", "d", {hash_label: "r2"}), owned("x", "other")]
    assert names(pods_of(workload, pods)) == ["web-0", "web-1"]
    assert names(current_pods_of(workload, pods)) == ["web-1"]


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "x"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors(selector, matches):
    assert selects(selector, {"app": "web"}) is matches


def endpoint(name, kind="Pod", **conditions):
    return {"targetRef": {"kind": kind, "name": name}, "conditions": conditions}


def test_ready_endpoints_of_all_slices():
    one = {
        "endpoints": [
            endpoint("good", ready=True, serving=True, terminating=False),
            endpoint("unsaid"),
            endpoint("starting", ready=False, serving=False, terminating=False),
            endpoint("leaving", ready=False, serving=True, terminating=True),
            endpoint("publish-not-ready", ready=True, serving=False),
            endpoint("publish-not-ready-leaving", ready=True, serving=True, terminating=True),
            endpoint("not-a-pod", kind="Node", ready=True),
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
        ]
    }
    assert ready_endpoints([one, {"endpoints": None}, {"endpoints": [endpoint("more", ready=True)]}]) == {
        "good",
        "unsaid",
        "more",
    }


def test_pod_ready():
    pod = {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert is_pod_ready(pod)
    assert not is_pod_ready({"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    assert not is_pod_ready({"metadata": {"deletionTimestamp": "now"}, "status": pod["status"]})
    assert not is_pod_ready({"metadata": {}})


def test_restarts():
    assert restarts({"status": {"containerStatuses": [{"restartCount": 1}, {"restartCount": 2}]}}) == 3
    assert restarts({}) == 0
