# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guard forbids, what it makes safe to repeat, and how long a release waits for its API server."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ApiError, Conflict, Refused, Unreachable
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP, DEPLOYMENT
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.scripted_api import (
    HangUp,
    Reply,
    failure,
)

MAPS = "/api/v1/namespaces/shop/configmaps"
OPS = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "replace", "path": "/data/a", "value": "2"}]
WRITES = {
    "create": lambda client: client.create(CONFIGMAP, {"metadata": {"name": "a"}}, "shop"),
    "apply": lambda client: client.apply(CONFIGMAP, {"metadata": {"name": "a"}}, "shop"),
    "merge_patch": lambda client: client.merge_patch(CONFIGMAP, "a", {"data": {}}, "shop"),
    "json_patch": lambda client: client.json_patch(CONFIGMAP, "a", OPS, "shop"),
    "scale": lambda client: client.scale(DEPLOYMENT, "a", 2, "shop"),
    "delete": lambda client: client.delete(CONFIGMAP, "a", "shop"),
}


class Lock:
    """A guard that counts, and says no when it is lost."""

    def __init__(self) -> None:
        self.asked = 0
        self.lost = False

    def __call__(self) -> None:
        self.asked += 1
        if self.lost:
            raise Refused("the lock is lost")


@pytest.fixture
def lock(client, dry_client):
    client.guard = dry_client.guard = Lock()
    return client.guard


@pytest.mark.parametrize("verb", WRITES)
def test_no_write_passes_a_guard_that_says_no(api, client, lock, verb):
    lock.lost = True
    with pytest.raises(Refused, match="the lock is lost"):
        WRITES[verb](client)
    assert api.heard == []


def test_reads_pass_it(api, client, lock):
    lock.lost = True
    api.on("GET", MAPS + "/a", Reply(body={"ok": True}))
    assert client.get(CONFIGMAP, "a", "shop") == {"ok": True}
    assert lock.asked == 0


def test_a_dry_run_is_not_guarded(api, dry_client, lock):
    lock.lost = True
    api.on("PATCH", MAPS + "/a", Reply(body={"ok": True}))
    assert WRITES["merge_patch"](dry_client) == {"ok": True}
    dry_client.check_guard()


def test_neither_is_the_client_the_guard_itself_uses(api, client, lock):
    lock.lost = True
    api.on("PATCH", MAPS + "/a", Reply(body={"ok": True}))
    assert WRITES["merge_patch"](client.beside()) == {"ok": True}


def test_every_attempt_is_guarded(api, client, lock):
    api.on("PATCH", MAPS + "/a", Reply(503), HangUp(), Reply(body={"ok": True}))
    assert WRITES["merge_patch"](client) == {"ok": True}
    assert lock.asked == 3


@pytest.mark.parametrize("verb", ["create", "merge_patch"])
def test_without_a_guard_what_may_have_taken_effect_is_not_sent_again(api, client, verb):
    api.on("POST" if verb == "create" else "PATCH", MAPS + ("" if verb == "create" else "/a"), HangUp())
    with pytest.raises(Unreachable) as raised:
        WRITES[verb](client)
    assert raised.value.uncertain


def test_a_creation_whose_answer_got_lost_is_found_again(api, client, lock):
    api.on("POST", MAPS, HangUp(), failure(409, "exists"))
    api.on("GET", MAPS + "/a", Reply(body={"metadata": {"uid": "7"}}))
    assert WRITES["create"](client) == {"metadata": {"uid": "7"}}


def test_what_exists_already_is_a_conflict_as_ever(api, client, lock):
    api.on("POST", MAPS, failure(409, "exists"))
    with pytest.raises(Conflict):
        WRITES["create"](client)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_with_patience_every_kind_of_trouble_is_waited_for(api, fake_time, status):
    client = KubeClient(KubeAuth(host=api.url, api_key="x"), pacing=fake_time.pacing(), patience=60)
    api.on("GET", MAPS + "/a", *[failure(status, "busy")] * 12, Reply(body={"ok": True}))
    assert client.get(CONFIGMAP, "a", "shop") == {"ok": True}
    api.on("GET", MAPS + "/a", *[failure(status, "busy")] * 50)
    fake_time.slept.clear()
    with pytest.raises(ApiError, match="busy"):
        client.get(CONFIGMAP, "a", "shop")
    assert 50 < sum(fake_time.slept) <= 60


def test_with_patience_an_address_that_has_not_answered_yet_is_waited_for(fake_time):
    client = KubeClient(KubeAuth(host="http://127.0.0.1:1", api_key="x"), pacing=fake_time.pacing(), patience=60)
    with pytest.raises(Unreachable):
        client.get(CONFIGMAP, "a", "shop")
    assert 50 < sum(fake_time.slept) <= 60
    fake_time.slept.clear()
    with pytest.raises(Unreachable):
        client.beside(patience=5).get(CONFIGMAP, "a", "shop")
    assert sum(fake_time.slept) <= 5
