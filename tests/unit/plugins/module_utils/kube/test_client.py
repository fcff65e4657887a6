# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict, Invalid, NotFound, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    DEPLOYMENT,
    HTTPROUTE,
    POD,
    SECRET,
    SERVICE,
    Kind,
)
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.scripted_api import (
    HangUp,
    Reply,
    failure,
)

ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web"
MAPS = "/api/v1/namespaces/shop/configmaps"
GUARDED = [
    {"op": "test", "path": "/spec/weight", "value": 0},
    {"op": "replace", "path": "/spec/weight", "value": 100},
]


def route(weight, **metadata):
    return {"metadata": {"name": "web", **metadata}, "spec": {"weight": weight}}


def test_get_returns_the_object_and_sends_the_token(api, client):
    api.on("GET", MAPS + "/a", Reply(body={"metadata": {"name": "a"}}))
    assert client.get(CONFIGMAP, "a", "shop") == {"metadata": {"name": "a"}}
    assert api.heard[0].headers["authorization"] == "Bearer secret"


def test_get_of_what_does_not_exist_is_none(api, client):
    api.on("GET", MAPS + "/a", failure(404, 'configmaps "a" not found'))
    assert client.get(CONFIGMAP, "a", "shop") is None


def test_list_follows_pages_and_completes_items(api, client):
    api.on(
        "GET",
        MAPS,
        Reply(body={"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}),
        Reply(body={"metadata": {}, "items": [{"metadata": {"name": "b"}}]}),
    )
    found = client.list(CONFIGMAP, "shop", labels="app=web", fields="metadata.name!=x")
    assert [one["metadata"]["name"] for one in found] == ["a", "b"]
    assert {(one["apiVersion"], one["kind"]) for one in found} == {("v1", "ConfigMap")}
    assert api.heard[0].query["labelSelector"] == ["app=web"]
    assert api.heard[0].query["fieldSelector"] == ["metadata.name!=x"]
    assert api.heard[1].query["continue"] == ["more"]


def test_list_metadata_never_asks_for_content(api, client):
    api.on("GET", "/api/v1/namespaces/shop/secrets", Reply(body={"metadata": {}, "items": []}))
    assert client.list_metadata(SECRET, "shop", "owner=helm") == []
    assert api.heard[0].headers["accept"].startswith("application/json;as=PartialObjectMetadataList")


@pytest.mark.parametrize(
    ("write", "method", "path"),
    [
        (lambda one: one.create(CONFIGMAP, {"metadata": {"name": "a"}}, "shop"), "POST", MAPS),
        (lambda one: one.apply(CONFIGMAP, {"metadata": {"name": "a"}}, "shop"), "PATCH", MAPS + "/a"),
        (lambda one: one.merge_patch(CONFIGMAP, "a", {"data": {}}, "shop"), "PATCH", MAPS + "/a"),
        (lambda one: one.json_patch(HTTPROUTE, "web", GUARDED, "shop"), "PATCH", ROUTE),
        (
            lambda one: one.scale(DEPLOYMENT, "web", 2, "shop"),
            "PATCH",
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
        ),
    ],
    ids=["create", "apply", "merge_patch", "json_patch", "scale"],
)
def test_every_write_names_its_manager_and_is_a_dry_run_in_check_mode(api, client, dry_client, write, method, path):
    api.on(method, path, Reply(), Reply())
    write(client)
    write(dry_client)
    wet, dry = api.heard
    assert wet.query["fieldManager"] == dry.query["fieldManager"] == ["runbook.release"]
    assert "dryRun" not in wet.query
    assert dry.query["dryRun"] == ["All"]


def test_delete_is_a_dry_run_in_check_mode_and_can_be_bound_to_a_uid(api, client, dry_client):
    api.on("DELETE", MAPS + "/a", Reply(), Reply(), failure(404, "gone"))
    assert client.delete(CONFIGMAP, "a", "shop", uid="123")
    assert dry_client.delete(CONFIGMAP, "a", "shop")
    assert not client.delete(CONFIGMAP, "a", "shop")
    assert api.heard[0].body["preconditions"] == {"uid": "123"}
    assert "dryRun" not in api.heard[0].body
    assert api.heard[1].body["dryRun"] == ["All"]


def test_exec_is_refused_in_check_mode(dry_client):
    with pytest.raises(Refused, match="check mode"):
        dry_client.exec("web-1", "shop", "web", ["rm", "-rf", "/data"])


def test_guarded_patch_whose_answer_was_lost_is_sent_again(api, client):
    api.on("PATCH", ROUTE, HangUp(), Reply(body=route(100)))
    assert client.json_patch(HTTPROUTE, "web", GUARDED, "shop") == route(100)
    assert api.methods() == ["PATCH", "PATCH"]


def test_guarded_patch_that_took_effect_before_its_answer_was_lost_is_a_success(api, client):
    api.on("PATCH", ROUTE, HangUp(reset=True), failure(422, "the server rejected our request"))
    api.on("GET", ROUTE, Reply(body=route(100)))
    assert client.json_patch(HTTPROUTE, "web", GUARDED, "shop") == route(100)


def test_guarded_patch_overtaken_by_someone_else_after_a_lost_answer_is_a_conflict(api, client):
    api.on("PATCH", ROUTE, HangUp(), failure(422, "the server rejected our request"))
    api.on("GET", ROUTE, Reply(body=route(50)))
    with pytest.raises(Conflict):
        client.json_patch(HTTPROUTE, "web", GUARDED, "shop")


def test_patch_without_a_guard_is_not_sent_again_when_its_answer_was_lost(api, client):
    api.on("PATCH", ROUTE, HangUp())
    with pytest.raises(Exception, match="no answer"):
        client.json_patch(HTTPROUTE, "web", [{"op": "add", "path": "/spec/rules/-", "value": {}}], "shop")
    assert api.methods() == ["PATCH"]


def test_failed_test_is_a_conflict_that_names_path_values_and_who_changed_it(api, client):
    fields = {"f:spec": {"f:weight": {}}}
    other = {"manager": "kubectl-edit", "time": "2026-11-21T10:00:00Z", "fieldsV1": fields}
    ours = {"manager": "runbook.release", "time": "2026-11-21T09:00:00Z", "fieldsV1": {"f:metadata": {}}}
    api.on("PATCH", ROUTE, failure(422, "the server rejected our request due to an error in our request"))
    api.on("GET", ROUTE, Reply(body=route(30, managedFields=[ours, other])))
    with pytest.raises(Conflict) as caught:
        client.json_patch(HTTPROUTE, "web", GUARDED, "shop")
    assert "/spec/weight is 30, expected 0; it was changed by kubectl-edit (2026-11-21T10:00:00Z)" in str(caught.value)
    assert caught.value.details["managers"] == ["kubectl-edit (2026-11-21T10:00:00Z)"]
    assert (caught.value.details["expected"], caught.value.details["found"]) == (0, 30)


def test_rejected_content_stays_invalid_when_the_tests_hold(api, client):
    api.on("PATCH", ROUTE, failure(422, "spec.weight: must be a number"))
    api.on("GET", ROUTE, Reply(body=route(0)))
    with pytest.raises(Invalid, match="must be a number"):
        client.json_patch(HTTPROUTE, "web", GUARDED, "shop")


def test_apply_conflict_names_the_managers(api, client):
    causes = [{"message": 'conflict with "helm" using v1'}, {"message": 'conflict with "argocd" using v1'}]
    api.on("PATCH", MAPS + "/a", failure(409, "Apply failed with 2 conflicts", details={"causes": causes}))
    with pytest.raises(Conflict) as caught:
        client.apply(CONFIGMAP, {"metadata": {"name": "a"}}, "shop")
    assert caught.value.details["managers"] == ["argocd", "helm"]


def test_apply_takes_back_what_the_collection_itself_owns_by_a_patch(api, client):
    causes = [{"message": 'conflict with "runbook.release" using v1'}]
    api.on("PATCH", MAPS + "/a", failure(409, "Apply failed", details={"causes": causes}), Reply(body={"ok": True}))
    assert client.apply(CONFIGMAP, {"metadata": {"name": "a"}}, "shop") == {"ok": True}
    assert [heard.query["force"] for heard in api.heard] == [["false"], ["true"]]


def test_merge_patch_is_sent_again_only_with_a_resource_version(api, client):
    api.on("PATCH", MAPS + "/a", HangUp(), Reply(body={"ok": True}), HangUp())
    assert client.merge_patch(CONFIGMAP, "a", {"metadata": {"resourceVersion": "7"}}, "shop") == {"ok": True}
    with pytest.raises(Exception, match="no answer"):
        client.merge_patch(CONFIGMAP, "a", {"data": {"x": "1"}}, "shop")


VERSIONED = {"metadata": {"resourceVersion": "7", "annotations": {"old": None}}, "data": {"x": "1"}}
LATER = {"name": "a", "resourceVersion": "9"}


@pytest.mark.parametrize("metadata", [LATER, {**LATER, "annotations": {"theirs": "1"}}])
def test_merge_patch_that_took_effect_before_its_answer_was_lost_is_a_success(api, client, metadata):
    found = {"metadata": metadata, "data": {"x": "1", "theirs": "2"}}
    api.on("PATCH", MAPS + "/a", HangUp(reset=True), failure(409, "the object has been modified"))
    api.on("GET", MAPS + "/a", Reply(body=found))
    assert client.merge_patch(CONFIGMAP, "a", VERSIONED, "shop") == found


@pytest.mark.parametrize(
    "found",
    [
        Reply(body={"metadata": LATER, "data": {"x": "2"}}),
        Reply(body={"metadata": LATER}),
        Reply(body={"metadata": {**LATER, "annotations": {"old": "1"}}, "data": {"x": "1"}}),
        failure(404, "gone"),
    ],
)
def test_merge_patch_overtaken_by_someone_else_after_a_lost_answer_is_a_conflict(api, client, found):
    api.on("PATCH", MAPS + "/a", HangUp(), failure(409, "the object has been modified"))
    api.on("GET", MAPS + "/a", found)
    with pytest.raises(Conflict):
        client.merge_patch(CONFIGMAP, "a", VERSIONED, "shop")


def test_merge_patch_whose_first_answer_is_a_conflict_did_not_take_effect(api, client):
    api.on("PATCH", MAPS + "/a", failure(409, "the object has been modified"))
    with pytest.raises(Conflict):
        client.merge_patch(CONFIGMAP, "a", VERSIONED, "shop")
    assert api.methods() == ["PATCH"]


def test_create_is_not_sent_again_when_its_answer_was_lost(api, client):
    api.on("POST", MAPS, HangUp())
    with pytest.raises(Exception, match="no answer"):
        client.create(CONFIGMAP, {"metadata": {"name": "a"}}, "shop")
    assert api.methods() == ["POST"]


def test_logs_of_a_container_that_never_started_are_empty(api, client):
    path = POD.path("shop", "web-1", "log")
    api.on("GET", path, Reply(body=b"line\n"), failure(400, "container is waiting to start"), failure(404, "no pod"))
    assert client.logs("web-1", "shop", "web", previous=True, tail=5) == "line\n"
    assert api.heard[0].query == {
        "container": ["web"],
        "previous": ["true"],
        "tailLines": ["5"],
        "limitBytes": ["65536"],
    }
    assert client.logs("web-1", "shop", "web") == ""
    with pytest.raises(NotFound):
        client.logs("web-1", "shop", "web")


def test_service_get_returns_what_the_application_says_and_raises_what_the_api_server_says(api, client):
    path = "/api/v1/namespaces/shop/services/web:http/proxy/healthz"
    none = failure(503, 'no endpoints available for service "web"')
    missing = failure(404, 'services "web" not found', details={"kind": "services", "name": "web"})
    api.on("GET", path, Reply(404, b"no such page", {"X-Version": "2"}), none, missing)
    status, headers, body = client.service_get("web", "shop", "http", "/healthz", headers={"x-probe": "1"})
    assert (status, headers["x-version"], body) == (404, "2", b"no such page")
    assert api.heard[0].headers["x-probe"] == "1"
    assert client.service_get("web", "shop", "http", "healthz")[0] == 503
    with pytest.raises(NotFound, match="Service shop/web"):
        client.service_get("web", "shop", "http", "healthz")


def test_resolve_asks_for_unknown_kinds_once(api, client):
    resources = [
        {"name": "widgets", "kind": "Widget", "namespaced": True},
        {"name": "widgets/status", "kind": "Widget", "namespaced": True},
    ]
    api.on("GET", "/apis/example.com/v1", Reply(body={"resources": resources}), Reply(body={"resources": resources}))
    widget = Kind("example.com", "v1", "Widget", "widgets")
    assert client.resolve("example.com/v1", "Widget") == widget
    assert client.resolve("example.com/v1", "Widget") == widget
    assert client.resolve("v1", "Service") is SERVICE
    with pytest.raises(NotFound, match=r"does not know the kind Wodget of example\.com/v1: it has Widget"):
        client.resolve("example.com/v1", "Wodget")
    assert len(api.heard) == 2


def test_resolve_of_a_group_that_is_not_served(api, client):
    api.on("GET", "/apis/example.com/v2", failure(404, "404 page not found"))
    with pytest.raises(NotFound, match=r"does not serve example\.com/v2 at all"):
        client.resolve("example.com/v2", "Widget")


def test_allowed_asks_the_authorizer(api, client):
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    api.on("POST", path, Reply(201, {"status": {"allowed": True}}), Reply(201, {"status": {"allowed": False}}))
    assert client.allowed("patch", DEPLOYMENT, "shop", subresource="scale")
    assert not client.allowed("patch", DEPLOYMENT, "shop")
    assert api.heard[0].body["spec"]["resourceAttributes"] == {
        "verb": "patch",
        "group": "apps",
        "resource": "deployments",
        "namespace": "shop",
        "subresource": "scale",
    }


def test_server_version(api, client):
    api.on("GET", "/version", Reply(body={"gitVersion": "v1.36.3"}))
    assert client.server_version() == "v1.36.3"
