# SPDX-License-Identifier: GPL-3.0-or-later
"""Exactly what a release changed goes back, to what its record says and no further."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import kind_of
from ansible_collections.runbook.release.plugins.module_utils.rollout.model import Want, key_of
from ansible_collections.runbook.release.plugins.module_utils.rollout.observe import Have, Marked
from ansible_collections.runbook.release.plugins.module_utils.rollout.plan import Plan, Return
from ansible_collections.runbook.release.plugins.module_utils.rollout.record import (
    APPLY,
    BEGUN,
    PATCH,
    RELEASED,
    RESTORED,
    RETURNING,
    Record,
    Unit,
)
from ansible_collections.runbook.release.plugins.module_utils.rollout.restore import decide

from .scene import WANT, change, configmap, have, recorded, revision, workload

Obj = dict[str, Any]


def marked(obj: Obj, before: Obj | None, wave: int = 1, how: str = APPLY, revision: str = "") -> Marked:
    record = Record("shop", "id", wave, how, revision, before)
    told = recorded(obj, record)
    return Marked(kind_of(told), told, record)


def there(*found: Marked, state: str = RELEASED, version: str = "2", revisions: tuple[Obj, ...] = ()) -> Have:
    objects = tuple((one.kind.api_version, *one.key) for one in found)
    return have(*(one.obj for one in found), unit=Unit("id", version, state, objects), revisions=revisions)


def bodies(plan: Plan) -> dict[str, Obj | None]:
    return {write.key[1]: write.body for write in plan.writes if isinstance(write, Return)}


BEFORE = {"spec": {"template": {"old": 1}}, "metadata": {"labels": {"a": "b"}}}


@pytest.mark.parametrize("state", [BEGUN, RELEASED, RETURNING])
def test_a_release_goes_back_wherever_it_stands(state: str) -> None:
    one = marked(workload("api", "2"), BEFORE)
    plan = decide(WANT, there(one, state=state), [one], "manifests")
    body = bodies(plan)["api"]
    assert body
    assert (body["spec"], body["metadata"]) == ({"template": {"old": 1}}, {"labels": {"a": "b"}, "name": "api"})
    assert (plan.unit.state, plan.ends) == (RETURNING, RESTORED)


@pytest.mark.parametrize(("version", "state"), [("1", RELEASED), ("2", RESTORED), ("1", BEGUN)])
def test_another_version_or_one_that_went_back_already_is_left_alone(version: str, state: str) -> None:
    one = marked(workload("api", "2"), BEFORE)
    plan = decide(WANT, there(one, version=version, state=state), [one], "manifests")
    assert (plan.changes, plan.writes) == (False, [])


def test_without_any_release_there_is_nothing_to_take_back() -> None:
    assert not decide(WANT, have(workload("api")), [], "manifests").changes


def test_waves_go_back_in_reverse_after_everything_else() -> None:
    found = [
        marked(workload("proxy"), BEFORE, 1),
        marked(workload("api"), BEFORE, 2),
        marked(configmap("c"), {"data": {}}, 0),
    ]
    plan = decide(WANT, there(*found), found, "manifests")
    assert [[write.key[1] for write in wave.writes] for wave in plan.waves] == [["c"], ["api"], ["proxy"]]
    assert [wave.keys for wave in plan.waves] == [(), (("Deployment", "api"),), (("Deployment", "proxy"),)]


def test_what_a_killed_run_gave_back_already_is_still_waited_for() -> None:
    done, rest = workload("proxy"), marked(workload("api"), BEFORE, 2)
    state = there(rest, state=RETURNING)
    unit = Unit("id", "2", RETURNING, (("apps/v1", "Deployment", "proxy"), ("apps/v1", "Deployment", "api")))
    plan = decide(WANT, Have(unit, {**state.workloads, key_of(done): done}, (), (), ()), [rest], "manifests")
    assert [wave.keys for wave in plan.waves][-1] == (("Deployment", "proxy"),)


def test_a_created_workload_is_deleted_and_anything_else_that_was_created_stays() -> None:
    found = [marked(workload("new"), None), marked(configmap("extra"), None, 0)]
    plan = decide(WANT, there(*found), found, "manifests")
    assert (bodies(plan), plan.left) == ({"new": None}, ("ConfigMap extra",))
    assert plan.waves[-1].keys == ()


def test_replicas_the_release_did_not_change_stay_as_they_are_now() -> None:
    scaled = workload("api", "2", replicas=7)
    applied = {"manager": "runbook.release", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    scaled["metadata"]["managedFields"] = [applied]
    ours, theirs = marked(scaled, BEFORE), marked(workload("web", "2", replicas=7), BEFORE)
    kept = marked(workload("queue", "2"), {"spec": {"template": {}, "replicas": 3}})
    found = [ours, theirs, kept]
    specs = {
        name: (body or {})["spec"].get("replicas")
        for name, body in bodies(decide(WANT, there(*found), found, "manifests")).items()
    }
    assert specs == {"api": 7, "web": None, "queue": 3}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("how", [APPLY, PATCH])
def test_by_revision_the_template_comes_from_the_recorded_one_and_no_other(kind: str, how: str) -> None:
    obj = workload("api", "9", kind)
    kept = tuple(revision(obj, f"api-{number}", number, str(number)) for number in (1, 2, 3))
    one = marked(obj, BEFORE, how=how, revision="api-2")
    body = bodies(decide(WANT, there(one, revisions=kept), [one], "revision"))["api"]
    assert body
    assert body["spec"]["template"] == workload("api", "2", kind)["spec"]["template"]
    assert ("selector" in body["spec"]) is (how == APPLY)


@pytest.mark.parametrize("name", ["api-gone", ""])
def test_a_revision_that_is_not_kept_any_more_is_refused(name: str) -> None:
    one = marked(workload("api", "2"), BEFORE, revision=name)
    with pytest.raises(Refused, match="cannot go back to its revision"):
        decide(WANT, there(one), [one], "revision")


def test_by_redeploy_only_what_was_changed_is_taken_from_the_previous_source() -> None:
    one = marked(workload("api", "2"), BEFORE)
    previous = [change(None, workload("api", "1")), change(workload("web"), workload("web", "0"))]
    lost = change(None, configmap("settings-hash"))
    plan = decide(WANT, there(one), [one], "redeploy", [*previous, lost])
    assert bodies(plan) == {"settings-hash": lost.body, "api": previous[0].body}
    with pytest.raises(Refused, match="does not have it"):
        decide(WANT, there(one), [one], "redeploy", previous[1:])


def test_a_redeploy_of_images_writes_the_pod_template_and_nothing_else() -> None:
    one = marked(workload("api", "2"), BEFORE)
    plan = decide(WANT, there(one), [one], "redeploy", [change(one.obj, workload("api", "1"), PATCH)])
    assert bodies(plan) == {"api": {"spec": {"template": workload("api", "1")["spec"]["template"]}}}


def alone(*names: str) -> Want:
    return replace(WANT, only=names)


def test_alone_only_the_workloads_that_are_named_go_back_and_the_release_stays_the_newest() -> None:
    found = [
        marked(workload("proxy"), BEFORE, 1),
        marked(workload("api"), BEFORE, 2),
        marked(workload("api", kind="StatefulSet"), BEFORE, 2),
        marked(configmap("c"), {"data": {}}, 0),
    ]
    plan = decide(alone("Deployment/api"), there(*found), found, "manifests")
    assert [write.key for write in plan.writes] == [("Deployment", "api")]
    assert [key for wave in plan.waves for key in wave.keys] == [("Deployment", "api")]
    assert (plan.left, plan.changes) == (("ConfigMap c",), True)
    assert plan.before == plan.unit.now(plan.ends), "so that the rest can still go back"


def test_what_went_back_alone_does_not_go_back_again_and_the_rest_still_does() -> None:
    gone, rest = workload("api"), marked(workload("web", "2"), BEFORE)
    unit = Unit("id", "2", RELEASED, (("apps/v1", "Deployment", "api"), ("apps/v1", "Deployment", "web")))
    seen = Have(unit, {key_of(gone): gone, rest.key: rest.obj}, (), (), ())
    assert not decide(alone("api"), seen, [rest], "manifests").changes
    assert set(bodies(decide(WANT, seen, [rest], "manifests"))) == {"web"}


@pytest.mark.parametrize("state", [BEGUN, RETURNING])
def test_of_a_release_that_did_not_come_to_its_end_nothing_goes_back_alone(state: str) -> None:
    one = marked(workload("api", "2"), BEFORE)
    with pytest.raises(Refused, match="no part of it goes back alone"):
        decide(alone("api"), there(one, state=state), [one], "manifests")


def test_alone_a_name_of_nothing_is_refused() -> None:
    one = marked(workload("api", "2"), BEFORE)
    with pytest.raises(Refused, match="No workload is called StatefulSet/api, db"):
        decide(alone("api", "StatefulSet/api", "db"), there(one), [one], "manifests")
