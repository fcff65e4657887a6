# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import queue
import threading
import time
from types import SimpleNamespace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Forbidden, NotFound
from ansible_collections.runbook.release.plugins.module_utils.kube import watch
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP, POD
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.scripted_api import (
    HangUp,
    Reply,
    Stream,
    failure,
)

PODS = "/api/v1/namespaces/shop/pods"
MAPS = "/api/v1/namespaces/shop/configmaps"


def pod(name, version, **more):
    return {"metadata": {"name": name, "namespace": "shop", "resourceVersion": str(version)}, **more}


def listed(version, *items):
    return Reply(body={"metadata": {"resourceVersion": str(version)}, "items": list(items)})


def event(type_, obj):
    return {"type": type_, "object": obj}


@pytest.fixture
def hold():
    """Holds a watch open until the test is over."""
    over = threading.Event()
    yield over
    over.set()


def soon(seconds=5.0):
    return time.monotonic() + seconds


def test_first_a_full_snapshot_then_every_change(api, client, hold):
    events = [event("ADDED", pod("b", 11)), event("DELETED", pod("a", 12)), event("BOOKMARK", pod("", 13))]
    api.on("GET", PODS, listed(10, pod("a", 5)), Stream(events, hold))
    seen = []
    for snapshot in client.watch([Watch(POD, "shop", "app=web")], soon()):
        seen.append(sorted(snapshot.objects[POD]))
        if seen[-1] == ["b"]:
            break
    assert seen[0] in (["a"], ["b"])  # a burst is one snapshot
    assert snapshot.objects[POD]["b"]["metadata"]["resourceVersion"] == "11"
    assert api.heard[1].query["resourceVersion"] == ["10"]
    assert {heard.query["labelSelector"][0] for heard in api.heard} == {"app=web"}


def test_nothing_is_shown_before_every_kind_is_listed(api, client, hold):
    api.on("GET", PODS, listed(1, pod("a", 1)), Stream([], hold))
    api.on("GET", MAPS, failure(503, "starting"), listed(2, pod("m", 2)), Stream([], hold))
    first = next(iter(client.watch([Watch(POD, "shop"), Watch(CONFIGMAP, "shop")], soon())))
    assert (list(first.objects[POD]), list(first.objects[CONFIGMAP])) == (["a"], ["m"])


def test_quiet_times_tick(api, client, hold):
    api.on("GET", PODS, listed(1), Stream([], hold))
    changed = []
    for snapshot in client.watch([Watch(POD, "shop")], soon(), tick=0.01):
        changed.append(snapshot.changed)
        if len(changed) == 3:
            break
    assert changed == [True, False, False]


def test_a_watch_the_server_ends_goes_on_from_the_last_version(api, client, hold):
    api.on("GET", PODS, listed(1), Stream([event("ADDED", pod("a", 7))]), Stream([event("ADDED", pod("b", 8))], hold))
    for snapshot in client.watch([Watch(POD, "shop")], soon()):
        if len(snapshot.objects[POD]) == 2:
            break
    assert [heard.query.get("resourceVersion") for heard in api.heard] == [None, ["1"], ["7"]]


def test_watches_that_end_with_no_news_do_not_slow_the_next_one_down(api, client, hold, monkeypatch):
    waits = []
    monkeypatch.setattr(watch, "delay", lambda failures, chance: waits.append(failures) or 0.0)
    api.on("GET", PODS, listed(1), *[Stream([])] * 7, Stream([event("ADDED", pod("a", 7))], hold))
    for snapshot in client.watch([Watch(POD, "shop")], soon(20)):
        if snapshot.objects[POD]:
            break
    assert waits == [1] * 7


@pytest.mark.parametrize(
    "too_old",
    [
        Stream([event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})]),
        failure(410, "too old resource version"),
    ],
    ids=["event", "status"],
)
def test_a_version_that_is_too_old_leads_to_a_new_list(api, client, hold, too_old):
    api.on("GET", PODS, listed(1, pod("a", 1)), too_old, listed(9, pod("b", 9)), Stream([], hold))
    for snapshot in client.watch([Watch(POD, "shop")], soon()):
        if "b" in snapshot.objects[POD]:
            break
    assert list(snapshot.objects[POD]) == ["b"]


def test_a_lost_connection_is_said_and_survived(api, client, hold):
    api.on("GET", PODS, listed(1), HangUp(reset=True), HangUp(), Stream([event("ADDED", pod("a", 7))], hold))
    live = []
    for snapshot in client.watch([Watch(POD, "shop")], soon(), tick=0.01):
        live.append(snapshot.live)
        if snapshot.objects[POD]:
            break
    assert not all(live)
    assert snapshot.live


@pytest.mark.parametrize(
    ("answer", "error"),
    [(failure(403, "pods is forbidden"), Forbidden), (failure(404, "no such kind"), NotFound)],
)
def test_what_cannot_be_watched_is_an_error(api, client, answer, error):
    api.on("GET", PODS, answer)
    with pytest.raises(error):
        list(client.watch([Watch(POD, "shop")], soon()))


def test_access_that_is_taken_away_is_an_error_too(api, client):
    api.on("GET", PODS, listed(1), Stream([]), failure(403, "pods is forbidden"))
    with pytest.raises(Forbidden):
        list(client.watch([Watch(POD, "shop")], soon()))


def test_it_ends_at_the_deadline(api, client, hold):
    api.on("GET", PODS, listed(1), Stream([], hold))
    begun = time.monotonic()
    assert [snapshot.changed for snapshot in client.watch([Watch(POD, "shop")], begun + 0.2)] == [True, False]
    assert 0.2 <= time.monotonic() - begun < 10


def test_closing_ends_the_threads(api, client, hold):
    api.on("GET", PODS, listed(1), Stream([], hold))
    snapshots = client.watch([Watch(POD, "shop")], soon(60))
    next(snapshots)
    follower = next(one for one in threading.enumerate() if one.name == "watch pods")
    snapshots.close()
    follower.join(2)
    assert not follower.is_alive()


def test_all_namespaces_are_told_apart(api, client, hold):
    other = {"metadata": {"name": "a", "namespace": "other", "resourceVersion": "1"}}
    api.on("GET", "/api/v1/pods", listed(1, pod("a", 1), other), Stream([], hold))
    snapshot = next(client.watch([Watch(POD)], soon()))
    assert sorted(snapshot.objects[POD]) == ["other/a", "shop/a"]


def test_a_snapshot_of_pods_leaves_out_who_wrote_their_fields_and_others_keep_it(api, client, hold):
    managed = {"managedFields": [{"manager": "kubelet"}]}
    listed_one, told_one = pod("a", 5), pod("b", 11)
    listed_one["metadata"] |= managed
    told_one["metadata"] |= managed
    own = {"metadata": {"name": "c", "namespace": "shop", "resourceVersion": "6", **managed}}
    api.on("GET", PODS, listed(10, listed_one), Stream([event("ADDED", told_one)], hold))
    api.on("GET", MAPS, listed(10, own), Stream([], hold))
    for snapshot in client.watch([Watch(POD, "shop"), Watch(CONFIGMAP, "shop")], soon()):
        if "b" in snapshot.objects[POD]:
            break
    assert ["managedFields" in one["metadata"] for one in snapshot.objects[POD].values()] == [False, False]
    assert snapshot.objects[CONFIGMAP]["c"]["metadata"]["managedFields"] == managed["managedFields"]


def test_who_computes_long_at_each_look_is_not_asked_to_look_all_the_time():
    news, over = queue.Queue(), threading.Event()
    news.put(watch._Event(0, full={}))

    def tell():
        while not over.wait(0.01):
            news.put(watch._Event(0, name="a", obj=pod("a", 1)))

    teller = threading.Thread(target=tell)
    teller.start()
    follower = SimpleNamespace(watch=Watch(POD, "shop"), connected=True)
    began, computed = time.monotonic(), 0.0
    try:
        for _snapshot in watch._assemble([follower], news, began + 1.5, 1.0):
            look = time.thread_time()
            while time.thread_time() - look < 0.05:
                pass
            computed += time.thread_time() - look
    finally:
        over.set()
        teller.join()
    assert 0 < computed / (time.monotonic() - began) < 0.35
