# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent for an object: its images, its strategy, and no replicas an autoscaler owns."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.rollout.budgets import (
    broken_by,
    check_budgets,
    check_rolls,
)
from ansible_collections.runbook.release.plugins.module_utils.rollout.differ import differences
from ansible_collections.runbook.release.plugins.module_utils.rollout.images import images_of, with_images
from ansible_collections.runbook.release.plugins.module_utils.rollout.model import Image, Strategy
from ansible_collections.runbook.release.plugins.module_utils.rollout.plan import Plan, Return, Step, Wave
from ansible_collections.runbook.release.plugins.module_utils.rollout.record import (
    BEGUN,
    PATCH,
    RELEASED,
    ROLLOUT,
    Record,
    Unit,
    record_of,
)
from ansible_collections.runbook.release.plugins.module_utils.rollout.shape import patch_of, shaped
from ansible_collections.runbook.release.plugins.module_utils.rollout.source import Source, digest_of, rendered

from ..traffic.world import apply_ops
from .scene import change, configmap, workload

Obj = dict[str, Any]
API = workload("api")
SCALED = frozenset({("Deployment", "api")})


def owned_by(operation: str, manager: str = "runbook.release") -> Obj:
    live = workload("api", replicas=7)
    entry = {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    live["metadata"]["managedFields"] = [entry]
    return live


def test_nothing_of_the_server_is_sent_back() -> None:
    body = shaped(API | {"status": {"replicas": 1}}, None, (), Strategy())
    assert body["metadata"].keys() == {"name", "annotations"}
    assert "status" not in body


@pytest.mark.parametrize(
    ("live", "sent"),
    [(None, None), (owned_by("Update"), None), (owned_by("Apply", "other"), None), (owned_by("Apply"), 7)],
)
def test_replicas_of_an_autoscaler_are_left_out_or_kept_if_that_would_reset_them(
    live: Obj | None, sent: int | None
) -> None:
    assert shaped(API, live, SCALED, Strategy())["spec"].get("replicas") == sent


def test_without_an_autoscaler_replicas_are_those_of_the_source() -> None:
    assert shaped(API, owned_by("Apply"), (), Strategy())["spec"]["replicas"] == 2


def test_the_strategy_is_for_deployments_and_keeps_what_is_not_given() -> None:
    strategy = Strategy.of({"max_unavailable": "1", "max_surge": None})
    live = workload("api", strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%"}})
    body = shaped(API, live, (), strategy)
    assert body["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "50%", "maxUnavailable": 1}
    assert "strategy" not in shaped(workload("queue", kind="StatefulSet"), None, (), strategy)["spec"]


def test_a_strategy_that_is_there_already_is_sent_again_for_what_is_left_out_of_an_apply_is_gone() -> None:
    there = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    body = shaped(API, workload("api", strategy=there), (), Strategy.of({"max_surge": 1, "max_unavailable": 0}))
    assert body["spec"]["strategy"] == there
    assert "strategy" not in shaped(API, workload("api", strategy=there), (), Strategy())["spec"]


@pytest.mark.parametrize("amount", ["one", "-1", True, 1.5, "25 %"])
def test_an_amount_that_is_none_is_refused(amount: Any) -> None:
    with pytest.raises(Refused, match=r"strategy\.max_surge"):
        Strategy.of({"max_surge": amount})


def test_a_patch_sets_images_and_record_and_fails_if_somebody_was_faster() -> None:
    live = copy.deepcopy(API)
    (wanted,) = with_images([live], [Image("Deployment", "api", "app:2")])
    record = Record("shop", "id", 1, PATCH, before={})
    ops = patch_of(change(live, wanted, PATCH), record.text())
    done = apply_ops(live, ops)
    assert done["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"
    assert record_of(done) == record
    assert {op["path"] for op in ops if op["op"] == "test"} >= {
        "/spec/template/spec/containers/0/name",
        "/spec/template/spec/containers/0/image",
    }
    assert patch_of(change(live, live, PATCH), record.text()) == [], "no record without a change"
    del live["metadata"]["annotations"]
    assert patch_of(change(live, wanted, PATCH), "record")[0]["value"] is None


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image("Deployment", "ghost", "app:2"), "There is no Deployment ghost"),
        (Image("Deployment", "api", "app:2", "sidecar"), "has no container sidecar; it has app"),
    ],
)
def test_an_image_for_what_is_not_there_is_refused(image: Image, said: str) -> None:
    with pytest.raises(Refused, match=said):
        with_images([API], [image])


def test_one_of_several_containers_has_to_be_named() -> None:
    both = copy.deepcopy(API)
    both["spec"]["template"]["spec"]["containers"].append({"name": "log", "image": "log:1"})
    with pytest.raises(Refused, match="several containers"):
        with_images([both], [Image("Deployment", "api", "other:2")])
    (done,) = with_images([both], [Image("Deployment", "api", "log:2", "log")])
    assert [one["image"] for one in done["spec"]["template"]["spec"]["containers"]] == ["app:1", "log:2"]


def test_the_container_that_runs_another_tag_of_the_image_need_not_be_named() -> None:
    both = copy.deepcopy(API)
    both["spec"]["template"]["spec"]["containers"].append({"name": "log", "image": "r.example:5000/log@sha256:1"})
    (done,) = with_images([both], [Image("Deployment", "api", "r.example:5000/log:2")])
    assert images_of(done) == {"app": "app:1", "log": "r.example:5000/log:2"}


def test_the_digest_is_of_what_is_asked_for_and_of_nothing_else() -> None:
    images = Source("image", (Image("Deployment", "api", "app:2"),))
    manifests = Source("manifests", (Image("Deployment", "web", "app:2"),), objects=(workload("web"),))
    one, same = (digest_of(rendered([images, manifests], "shop")) for _time in range(2))
    other = digest_of(rendered([images, replace(manifests, images=())], "shop"))
    assert one == same != other
    assert images_of(rendered([manifests], "shop")[0].objects[0]) == {"app": "app:2"}


def test_a_source_is_rendered_once_for_its_namespace() -> None:
    source = Source("manifests", (Image("Deployment", "api", "app:2"),), objects=(API, configmap("settings")))
    assert [obj["kind"] for obj in source.rendered("shop")] == ["Deployment", "ConfigMap"]
    with pytest.raises(Refused, match="another namespace than bank: Deployment api in shop"):
        source.rendered("bank")
    with pytest.raises(Refused, match="Deployment api is there twice"):
        replace(source, objects=(API, API)).rendered("shop")
    with pytest.raises(ReleaseError, match="not a Kubernetes object"):
        Source("manifests", objects=({"kind": "Deployment"},)).rendered("shop")


def budget(**spec: Any) -> Obj:
    return {"metadata": {"name": "budget"}, "spec": {"selector": {"matchLabels": {"app": "api"}}, **spec}}


@pytest.mark.parametrize(
    ("kind", "spec", "rule", "broken"),
    [
        ("Deployment", {"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}, {"minAvailable": 2}, True),
        ("Deployment", {"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}, {"minAvailable": 1}, False),
        (
            "Deployment",
            {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}},
            {"minAvailable": 2},
            False,
        ),
        ("Deployment", {"strategy": {"type": "Recreate"}}, {"maxUnavailable": 1}, True),
        ("Deployment", {}, {"minAvailable": "100%"}, False),
        ("Deployment", {"replicas": 8}, {"maxUnavailable": 1}, True),
        ("StatefulSet", {}, {"minAvailable": "50%"}, False),
        ("StatefulSet", {}, {"maxUnavailable": 0}, True),
    ],
)
def test_a_budget_the_rollout_would_break_is_named(kind: str, spec: Obj, rule: Obj, broken: bool) -> None:
    live, would = workload("api", "1", kind, **spec), workload("api", "2", kind, **spec)
    told = broken_by([change(live, would)], [budget(**rule)])
    assert bool(told) is broken
    if broken:
        with pytest.raises(Refused, match=f"budget lets . of . pods of {kind} api be away"):
            check_budgets(told)


def test_a_budget_of_other_pods_or_without_a_rollout_says_nothing() -> None:
    recreate = workload("web", strategy={"type": "Recreate"})
    assert broken_by([change(recreate, workload("web", "2"))], [budget(maxUnavailable=0)]) == []
    assert broken_by([change(API, workload("api", replicas=9))], [budget(maxUnavailable=0)]) == []


@pytest.mark.parametrize(
    ("kind", "spec", "said"),
    [
        ("Deployment", {"paused": True}, "it is paused"),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, "its partition is 1"),
    ],
)
def test_a_workload_that_would_keep_its_pods_is_refused(kind: str, spec: Obj, said: str) -> None:
    live, would = workload("api", "1", kind, **spec), workload("api", "2", kind, **spec)
    with pytest.raises(Refused, match=said):
        check_rolls([change(live, would)])
    check_rolls([change(live, live)])


def test_a_set_that_is_created_may_keep_its_pods_from_then_on() -> None:
    check_rolls([change(None, workload("queue", kind="StatefulSet", updateStrategy={"type": "OnDelete"}))])
    with pytest.raises(Refused, match="it is paused"):
        check_rolls([change(None, workload("api", paused=True))])


def test_a_diff_shows_what_is_written_without_record_and_secrets() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "data": {"a": "c2VjcmV0"}}
    record = Record("shop", "id", 1, "apply", before={"spec": {"old": "spec"}})
    marked = workload("api", "2")
    marked["metadata"]["annotations"][ROLLOUT] = record.text()
    steps = [Step(change(API, marked), record), Step(change(None, secret), record)]
    back = Return(steps[0].kind, marked, {"spec": {"template": API["spec"]["template"]}}, PATCH)
    unit = Unit("id", "2", BEGUN)
    api, token, again = differences(Plan(None, unit, RELEASED, (Wave((*steps, back)),)))
    assert ("app:1" in api["before"], "app:2" in api["after"], "app:1" in again["after"]) == (True, True, True)
    assert (token["before"], "c2VjcmV0" in token["after"], "hmac:" in token["after"]) == ("", False, True)
    assert ROLLOUT not in json_of(api, again)


def json_of(*diffs: dict[str, str]) -> str:
    return "".join(text for diff in diffs for text in diff.values())
