# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.problems import (
    UNSCHEDULABLE_GRACE,
    Watchdog,
    events_of,
    pod_problem,
    workload_problem,
)
from hypothesis import given
from hypothesis import strategies as st


def a_pod(*containers, uid="u1", phase="Running", conditions=(), **more):
    status = {"phase": phase, "containerStatuses": list(containers), "conditions": list(conditions)}
    return {"metadata": {"name": "web-1", "uid": uid}, "spec": {}, "status": status, **more}


def container(name="web", ready=False, restarts=0, waiting=None, terminated=None, last=None):
    state = {"waiting": waiting} if waiting else {"terminated": terminated} if terminated else {"running": {}}
    last_state = {"terminated": last} if last else {}
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last_state}


def an_event(reason, message, count=1, uid="u1", path="", last="2026-01-01T00:00:00Z"):
    about = {"kind": "Pod", "name": "web-1", "uid": uid, "fieldPath": path}
    return {
        "metadata": {"name": "e"},
        "reason": reason,
        "message": message,
        "count": count,
        "involvedObject": about,
        "lastTimestamp": last,
    }


HEALTHY = a_pod(container(ready=True))


def test_a_running_pod_has_no_problem():
    assert pod_problem(HEALTHY) is None


def test_a_crash_loop_says_container_exit_code_cause_and_restarts():
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
    last = {"exitCode": 137, "reason": "OOMKilled"}
    problem = pod_problem(a_pod(container(restarts=2, waiting=waiting, last=last)))
    assert (problem.reason, problem.container, problem.exit_code) == ("CrashLoopBackOff", "web", 137)
    assert (problem.cause, problem.restarts, problem.grace) == ("OOMKilled", 2, 0.0)
    assert str(problem) == (
        "container web of pod web-1: CrashLoopBackOff (exit code 137, OOMKilled, 2 restarts): "
        "back-off 10s restarting failed container"
    )
    assert "uid" not in problem.report()


def test_the_termination_message_explains_a_crash_loop_better_than_the_back_off():
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s"}
    last = {"exitCode": 1, "reason": "Error", "message": "no database\n"}
    assert pod_problem(a_pod(container(waiting=waiting, last=last))).message == "no database"


@pytest.mark.parametrize(
    "reason",
    [
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    ],
)
def test_what_keeps_a_container_from_starting(reason):
    problem = pod_problem(a_pod(container(waiting={"reason": reason, "message": "why"}), phase="Pending"))
    assert (problem.reason, problem.message, problem.container) == (reason, "why", "web")
    assert problem.grace is not None


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_container_that_is_being_created_is_no_problem(reason):
    assert pod_problem(a_pod(container(waiting={"reason": reason}), phase="Pending")) is None


def test_init_containers_count():
    pod = a_pod(container(waiting={"reason": "PodInitializing"}), phase="Pending")
    pod["status"]["initContainerStatuses"] = [container("migrate", waiting={"reason": "CrashLoopBackOff"})]
    assert pod_problem(pod).container == "migrate"


def test_one_crash_is_tolerated_the_next_is_not_even_between_back_offs():
    crashed = {"exitCode": 1, "reason": "Error"}
    assert pod_problem(a_pod(container(restarts=1, terminated=crashed))) is None
    assert pod_problem(a_pod(container(restarts=2, terminated=crashed))).exit_code == 1


def test_a_command_that_does_not_exist_is_certain_at_once():
    ended = {"exitCode": 128, "reason": "StartError", "message": "exec: no such file"}
    assert pod_problem(a_pod(container(terminated=ended))).reason == "StartError"


def test_a_finished_init_container_is_no_problem():
    pod = a_pod(container(ready=True))
    pod["status"]["initContainerStatuses"] = [container("init", terminated={"exitCode": 0, "reason": "Completed"})]
    assert pod_problem(pod) is None


def test_a_pod_that_is_being_deleted_has_no_problem():
    pod = a_pod(container(waiting={"reason": "CrashLoopBackOff"}))
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pod_problem(pod) is None


def test_unschedulable():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
    problem = pod_problem(a_pod(phase="Pending", conditions=[condition]))
    assert (problem.reason, problem.message, problem.grace) == ("Unschedulable", "0/1 nodes: cpu", UNSCHEDULABLE_GRACE)


def test_gated_pods_are_not_unschedulable():
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    assert pod_problem(a_pod(phase="Pending", conditions=[condition])) is None


@pytest.mark.parametrize(("reason", "grace"), [("Evicted", None), ("UnexpectedAdmissionError", 0.0)])
def test_failed_pods(reason, grace):
    pod = a_pod(phase="Failed")
    pod["status"]["reason"] = reason
    assert (pod_problem(pod).reason, pod_problem(pod).grace) == (reason, grace)


def test_a_volume_that_cannot_be_mounted_shows_in_events_only():
    pod = a_pod(container(waiting={"reason": "ContainerCreating"}), phase="Pending")
    message = 'MountVolume.SetUp failed for volume "tls": secret "web-tls" not found'
    assert pod_problem(pod, [an_event("FailedMount", message, count=2)]) is None
    assert pod_problem(pod, [an_event("FailedMount", message, count=3)]).message == message
    assert pod_problem(HEALTHY, [an_event("FailedMount", message, count=3)]) is None


@pytest.mark.parametrize(
    ("message", "grace"),
    [
        ("Readiness probe failed: HTTP probe failed with statuscode: 404", 0.0),
        ("Readiness probe failed: HTTP probe failed with statuscode: 401", 0.0),
        ("Readiness probe failed: HTTP probe failed with statuscode: 503", None),
        ("Readiness probe failed: HTTP probe failed with statuscode: 429", None),
        ("Readiness probe failed: dial tcp 10.0.0.1:80: connect: connection refused", None),
    ],
)
def test_probes_that_can_never_succeed_are_told_from_slow_starts(message, grace):
    event = an_event("Unhealthy", message, count=3, path="spec.containers{web}")
    problem = pod_problem(a_pod(container()), [event])
    assert (problem.reason, problem.container, problem.grace) == ("ReadinessProbeFailed", "web", grace)


def test_a_probe_that_failed_before_the_container_became_ready_is_history():
    event = an_event("Unhealthy", "Readiness probe failed: statuscode: 404", count=9, path="spec.containers{web}")
    assert pod_problem(HEALTHY, [event]) is None


def test_the_most_certain_problem_is_told():
    event = an_event("Unhealthy", "Readiness probe failed: connection refused", count=9)
    pod = a_pod(container(waiting={"reason": "CrashLoopBackOff"}))
    assert pod_problem(pod, [event]).reason == "CrashLoopBackOff"


def test_events_of_other_pods_do_not_count():
    event = an_event("Unhealthy", "Readiness probe failed: statuscode: 404", count=9, uid="another")
    assert pod_problem(a_pod(container()), [event]) is None


def test_events_are_sorted_by_when_they_were_last_seen():
    newer = an_event("B", "", last="2026-01-02T00:00:00Z")
    older = an_event("A", "", last=None) | {"eventTime": "2026-01-01T00:00:00.000000Z"}
    assert [one["reason"] for one in events_of(HEALTHY, [newer, older])] == ["A", "B"]


def test_a_quota_that_stops_a_workload():
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: q"}
    workload = {"metadata": {"name": "web", "uid": "w"}, "status": {"conditions": [condition]}}
    assert str(workload_problem(workload)) == "workload: FailedCreate: exceeded quota: q"
    assert workload_problem({"metadata": {"name": "web"}, "status": {}}) is None


def test_the_watchdog_waits_for_the_grace_and_forgets_what_passed():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    stuck, dog = a_pod(phase="Pending", conditions=[condition]), Watchdog()
    assert [len(some) for some in dog.judge([], [stuck], [], 100.0)] == [0, 1]
    assert [len(some) for some in dog.judge([], [stuck], [], 100.0 + UNSCHEDULABLE_GRACE)] == [1, 1]
    assert dog.judge([], [HEALTHY], [], 120.0) == ([], [])
    assert dog.judge([], [stuck], [], 121.0)[0] == []


def test_the_watchdog_counts_only_restarts_it_has_seen():
    dog = Watchdog()
    old = a_pod(container(ready=True, restarts=9))
    assert dog.judge([], [old], [], 0.0) == ([], [])
    once = a_pod(container(ready=True, restarts=10))
    assert dog.judge([], [once], [], 1.0) == ([], [])
    again = a_pod(container(ready=True, restarts=11, last={"exitCode": 3, "reason": "Error"}))
    (certain,), _all = dog.judge([], [again], [], 2.0)
    assert (certain.reason, certain.exit_code, certain.restarts) == ("Restarting", 3, 11)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 20)), max_size=30))
def test_unschedulable_is_certain_exactly_when_it_lasted_for_the_grace(steps):
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    stuck = a_pod(phase="Pending", conditions=[condition])
    dog, now, since = Watchdog(), 0.0, None
    for is_stuck, seconds in steps:
        now += seconds
        since = (now if since is None else since) if is_stuck else None
        certain, _all = dog.judge([], [stuck if is_stuck else HEALTHY], [], now)
        assert bool(certain) == (since is not None and now - since >= UNSCHEDULABLE_GRACE)
