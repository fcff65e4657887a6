# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

from ansible_collections.runbook.release.plugins.module_utils.kube.evidence import (
    MOST_EVENTS,
    MOST_PODS,
    collect,
    last_words,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.problems import pod_problem
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.scripted_api import Reply, failure

EVENTS = "/api/v1/namespaces/shop/events"


def a_pod(name, crashing=True):
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    status = {
        "name": "web",
        "image": "web:2",
        "ready": not crashing,
        "restartCount": 2 if crashing else 0,
        "containerID": "containerd://1",
        "state": waiting if crashing else {"running": {}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}} if crashing else {},
    }
    spec = {"containers": [{"name": "web", "env": [{"name": "PASSWORD", "value": "hunter2"}]}]}
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": spec,
        "status": {"phase": "Running", "containerStatuses": [status], "conditions": []},
    }


def an_event(number, uid="web-1"):
    return {
        "metadata": {"name": f"e{number}"},
        "type": "Warning",
        "reason": "BackOff",
        "message": f"event {number}",
        "lastTimestamp": f"2026-01-01T00:00:{number:02}Z",
        "involvedObject": {"kind": "Pod", "name": uid, "uid": uid},
    }


def logs_of(api, name, *replies):
    api.on("GET", f"/api/v1/namespaces/shop/pods/{name}/log", *replies)


def test_logs_of_this_run_and_the_one_before_events_and_conditions(api, client):
    condition = {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}
    workload = {
        "kind": "Deployment",
        "metadata": {"name": "web", "uid": "d"},
        "spec": {"replicas": 2},
        "status": {"conditions": [condition, {"type": "Progressing", "status": "True"}]},
    }
    api.on("GET", EVENTS, Reply(body={"metadata": {}, "items": [an_event(2), an_event(1), an_event(3, "other")]}))
    logs_of(api, "web-1", Reply(body=b"starting"), Reply(body=b"starting\nno database\n"))
    found = collect(client, "shop", [a_pod("web-1")], [workload])
    (pod,) = found["pods"]
    assert pod["problem"].startswith("container web of pod web-1: CrashLoopBackOff (exit code 1, 2 restarts)")
    assert pod["containers"][0]["log"] == "starting"
    assert pod["containers"][0]["previous_log"] == "starting\nno database\n"
    assert [one["message"] for one in found["events"]] == ["event 1", "event 2"]
    assert found["workloads"][0]["conditions"] == [condition]
    assert found["unreadable"] == []
    assert "hunter2" not in json.dumps(found)
    assert {heard.query.get("previous", [""])[0] for heard in api.heard[1:]} == {"", "true"}


def test_what_cannot_be_read_does_not_hide_the_rest(api, client):
    api.on("GET", EVENTS, failure(403, "events is forbidden"))
    logs_of(api, "web-1", failure(403, "pods/log is forbidden"), Reply(body=b"previous"))
    found = collect(client, "shop", [a_pod("web-1")])
    assert found["pods"][0]["containers"][0]["previous_log"] == "previous"
    assert ["forbidden" in one for one in found["unreadable"]] == [True, True]


def test_it_is_bounded_and_the_broken_pods_come_first(api, client):
    api.on("GET", EVENTS, Reply(body={"metadata": {}, "items": [an_event(n, "z-broken") for n in range(60)]}))
    logs_of(api, "z-broken", Reply(body=b"this run"), Reply(body=b"run before"))
    healthy = [a_pod(f"a-{number}", crashing=False) for number in range(9)]
    for number in range(MOST_PODS - 1):
        logs_of(api, f"a-{number}", Reply(body=b"fine"))
    found = collect(client, "shop", [*healthy, a_pod("z-broken")])
    assert [one["name"] for one in found["pods"]] == ["z-broken", "a-0", "a-1", "a-2", "a-3"]
    assert found["pods_left_out"] == 10 - MOST_PODS
    assert len(found["events"]) == MOST_EVENTS
    assert found["events"][-1]["message"] == "event 59"


def test_with_everything_no_pod_is_left_out_and_logs_are_whole(api, client):
    pods = [a_pod(f"web-{number}", crashing=False) for number in range(MOST_PODS + 2)]
    api.on("GET", EVENTS, Reply(body={"metadata": {}, "items": []}))
    for pod in pods:
        logs_of(api, pod["metadata"]["name"], Reply(body=b"said"))
    found = collect(client, "shop", pods, everything=True)
    assert (len(found["pods"]), found["pods_left_out"]) == (MOST_PODS + 2, 0)
    asked = [heard.query for heard in api.heard if heard.path.endswith("/log")]
    assert {query["limitBytes"][0] for query in asked} == {str(10 * 1024 * 1024)}


def test_last_words_are_of_the_run_that_said_something(api, client):
    pod = a_pod("web-1")
    api.on("GET", EVENTS, Reply(body={"metadata": {}, "items": []}))
    logs_of(api, "web-1", Reply(body=b"\n"), Reply(body=b"1\n2\n3\n4\n5\n6\n"))
    found = collect(client, "shop", [pod])
    assert last_words(found, pod_problem(pod)) == ["2", "3", "4", "5", "6"]
