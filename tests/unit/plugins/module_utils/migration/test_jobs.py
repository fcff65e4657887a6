# SPDX-License-Identifier: GPL-3.0-or-later
"""The Job of a migration, and the pod it must run in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused
from ansible_collections.runbook.release.plugins.module_utils.migration.job_runner import by_digest
from ansible_collections.runbook.release.plugins.module_utils.migration.job_spec import Task, job_of, outcome, slug
from ansible_collections.runbook.release.plugins.module_utils.migration.pod_runner import Place, choose
from ansible_collections.runbook.release.plugins.module_utils.migration.progress import Progress

APP = {
    "name": "app",
    "image": "shop:1",
    "command": ["shop", "serve"],
    "args": ["--port=80"],
    "ports": [{"containerPort": 80}],
    "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
    "env": [{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}],
}
POD = {
    "serviceAccountName": "shop",
    "initContainers": [{"name": "wait", "image": "busybox"}],
    "containers": [{"name": "proxy", "image": "envoy"}, APP],
    "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
}
TASK = Task("shop", "Add notes!", "shop", "r-1", "shop:2", POD, "app", 600, "-c lock_timeout=5000")
UP = ["shop", "migrate"]


def test_a_job_runs_the_command_in_the_new_image_with_what_the_workload_has():
    spec = job_of(TASK, UP, 1)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert (container["image"], container["command"], container["args"]) == ("shop:2", UP, [])
    assert container["env"][0] == APP["env"][0]
    assert spec["volumes"] == POD["volumes"]
    assert spec["serviceAccountName"] == "shop"


def test_a_job_has_nothing_that_would_keep_it_from_ending():
    spec = job_of(TASK, UP, 1)["spec"]["template"]["spec"]
    assert "initContainers" not in spec
    assert not {"ports", "readinessProbe"} & spec["containers"][0].keys()
    assert spec["restartPolicy"] == "Never"


def test_a_job_is_one_attempt_with_a_name_of_its_own():
    first, second = job_of(TASK, UP, 1), job_of(TASK, UP, 2)
    assert first["spec"]["backoffLimit"] == 0
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert len(first["metadata"]["name"]) <= 63


def test_a_job_does_not_carry_the_labels_a_service_selects_by():
    assert "app" not in job_of(TASK, UP, 1)["spec"]["template"]["metadata"]["labels"]


def test_readers_do_not_queue_behind_a_job_for_long():
    env = job_of(TASK, UP, 1)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "PGOPTIONS", "value": "-c lock_timeout=5000"} in env


def test_a_job_keeps_the_options_its_sessions_have_already():
    app = {**APP, "env": [{"name": "PGOPTIONS", "value": "-c search_path=app"}]}
    container = job_of(replace(TASK, pod={"containers": [app]}), UP, 1)["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "PGOPTIONS", "value": "-c search_path=app -c lock_timeout=5000"}]


def test_another_release_image_or_command_is_another_job():
    others = [replace(TASK, release="r-2").digest(UP), replace(TASK, image="shop:3").digest(UP), TASK.digest(["x"])]
    assert len({TASK.digest(UP), *others}) == 4


def test_a_container_that_is_not_there_is_refused():
    with pytest.raises(Refused, match="no container web, only proxy, app"):
        job_of(replace(TASK, container="web"), UP, 1)


def test_names_that_look_alike_as_labels_stay_apart():
    assert slug("orders") == "orders"
    assert slug("Orders") != slug("orders")
    assert slug("a b") != slug("a_b")


@pytest.mark.parametrize(
    ("conditions", "ended"),
    [
        ([], None),
        ([{"type": "Complete", "status": "True"}], "Complete"),
        ([{"type": "FailureTarget", "status": "True"}], None),
        ([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}], "Failed"),
    ],
)
def test_a_job_has_ended_either_way(conditions: Any, ended: str | None):
    found = outcome({"status": {"conditions": conditions}})
    assert (found and found[0]) == ended


def test_a_job_that_still_runs_is_found_again():
    done = job_of(TASK, UP, 1) | {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    running = job_of(TASK, UP, 2)
    other = job_of(TASK, ["else"], 1)
    mine, found = by_digest([done, other, running], TASK.digest(UP))
    assert (len(mine), found) == (2, running)


PLACE = Place("shop", "", "app=shop", "", "shop:2")


def pod(image: str, ready: str = "True", name: str = "shop-1") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "app", "image": image}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_a_command_runs_in_a_pod_of_the_new_image_only():
    assert choose([pod("shop:1", name="old"), pod("shop:2", name="new")], PLACE) == ("new", "app")


@pytest.mark.parametrize("found", [[pod("shop:1")], [pod("shop:2", ready="False")], []])
def test_no_pod_of_the_new_image_is_a_refusal(found: Any):
    with pytest.raises(Refused, match="No container runs shop:2") as refused:
        choose(found, PLACE)
    assert "kind=job" in refused.value.remedy


def test_a_migration_that_stands_still_is_found_out():
    now, answers = [0.0], [[{"done": 1}], [{"done": 2}], [{"done": 2}], [{"done": 2}]]
    progress = Progress(lambda: answers.pop(0), 10, lambda: now[0])
    for now[0] in (0.0, 1.0, 6.0, 12.0):
        progress.look()
    assert (progress.last, len(answers)) == ([{"done": 2}], 1)
    now[0] = 17.0
    with pytest.raises(NotReady, match=r'no progress for 11 s: \[{"done": 2}\]'):
        progress.look()
