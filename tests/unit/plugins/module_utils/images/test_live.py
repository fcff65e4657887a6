# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stay: what a namespace names in any way, and what the index of releases would go back to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.images import live
from ansible_collections.runbook.release.plugins.module_utils.images.live import (
    asked_for,
    in_namespace,
    tags_of,
    to_go_back_to,
)
from ansible_collections.runbook.release.plugins.module_utils.images.operate import parts_of
from ansible_collections.runbook.release.plugins.module_utils.release.index import Attempt, Index
from ansible_collections.runbook.release.plugins.module_utils.release.machine import (
    INDEX_BEGUN,
    INDEX_ENDED,
    RELEASE_ENDS,
)

IMAGE = "ghcr.io/example/api"
ONE, TWO = (f"sha256:{number}{'0' * 63}" for number in "12")


def workload(kind, *images, **spec):
    template = {"spec": {"containers": [{"name": "api", "image": image} for image in images]}}
    return {"kind": kind, "metadata": {"name": "api"}, "spec": {"template": template, **spec}}


def names(*objects):
    return set(asked_for(IMAGE, objects))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"])
def test_a_workload_keeps_what_it_asks_for_also_without_pods(kind):
    assert names(workload(kind, f"{IMAGE}:1.4.0", replicas=0)) == {"1.4.0"}


def test_so_do_cronjobs_and_former_revisions():
    job = workload("Job", f"{IMAGE}:1.5.0")
    cronjob = {"kind": "CronJob", "metadata": {"name": "api"}, "spec": {"jobTemplate": job}}
    revision = workload("StatefulSet", f"{IMAGE}:1.3.0")
    kept = {"kind": "ControllerRevision", "metadata": {"name": "api-1"}, "data": {"spec": revision["spec"]}}
    assert names(cronjob, kept) == {"1.5.0", "1.3.0"}


def test_a_pod_keeps_the_digest_it_runs_and_the_tag_it_asked_for():
    pod = {
        "kind": "Pod",
        "metadata": {"name": "api-x"},
        "spec": {"containers": [{"image": f"{IMAGE}:1.4.0"}], "initContainers": [{"image": f"{IMAGE}@{TWO}"}]},
        "status": {"containerStatuses": [{"imageID": f"docker-pullable://mirror.local/api@{ONE}"}]},
    }
    assert asked_for(IMAGE, [pod]) == dict.fromkeys(["1.4.0", TWO, ONE], "Pod api-x names it")


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        (IMAGE, {"latest"}),
        ("mirror.local:5000/ghcr.io/example/api:1", {"1"}),
        ("mirror.local:5000/example/api", {"latest"}),
        ("ghcr.io/example/api-tools:1", set()),
        ("ghcr.io/other-example/api:1", set()),
        (f"ghcr.io/other/api:1@{ONE}", {ONE}),
        ("", set()),
    ],
)
def test_tags_count_for_this_image_and_its_mirrors_and_digests_for_all(reference, found):
    assert names(workload("Deployment", reference)) == found


def attempts(*told):
    return Index(
        tuple(
            Attempt(number, f"r{number}", version, "", "alice", "", verdict=verdict, **dict([more] if more else []))
            for number, (version, verdict, *rest) in enumerate(told, 1)
            for more in [rest[0] if rest else ()]
        )
    )


@pytest.mark.parametrize(
    ("told", "versions"),
    [
        ([], []),
        ([("1", "released")], ["1"]),
        ([("1", "released"), ("2", "released"), ("3", "released")], ["2", "3"]),
        ([("1", "released"), ("2", "released"), ("2", "released")], ["1", "2", "2"]),
        ([("1", "released"), ("2", "released"), ("3", "rolled back"), ("4", "")], ["1", "2", "3", "4"]),
        (
            [("1", "released"), ("2", "released"), ("3", "released"), ("3", "rolled back", ("takes_back", "r3"))],
            ["1", "2", "3", "3"],
        ),
        ([("1", "released"), ("2", "released"), ("", "done", ("kind", "tasks"))], ["1", "2"]),
    ],
)
def test_what_is_live_what_was_before_it_and_what_came_after_may_be_gone_back_to(told, versions):
    assert [one.version for one in to_go_back_to(attempts(*told))] == versions


def test_a_version_is_found_however_its_tag_is_written():
    assert tags_of("v1.4.0") == ["1.4.0", "v1.4.0"]
    assert "1.4.0-b7" in tags_of("1.4.0+b7")
    assert tags_of("") == []


@pytest.mark.parametrize("given", ["api", "ghcr.io/example/api:1", f"ghcr.io/api@{ONE}", "ghcr.io/../api", ""])
def test_an_image_is_named_with_its_registry_and_without_a_tag(given):
    assert parts_of("localhost:5000/a/b-c") == ("localhost:5000", "a/b-c")
    with pytest.raises(Refused, match="is no image with its registry"):
        parts_of(given)


class Cluster:
    """The objects of one namespace, by their kind."""

    def __init__(self, *objects):
        self.objects = objects

    def list(self, kind, namespace):
        assert namespace == "shop"
        return [one for one in self.objects if one["kind"] == kind.kind]


def test_a_namespace_keeps_what_any_of_its_objects_names():
    former, idle = (
        workload("ReplicaSet", f"{IMAGE}:1.3.0", replicas=0),
        workload("Deployment", f"{IMAGE}:1.4.0", replicas=0),
    )
    found = in_namespace(Cluster(former, idle, workload("Deployment", "postgres:16")), "shop", IMAGE)
    assert found == {"1.3.0": "ReplicaSet api names it", "1.4.0": "Deployment api names it"}


def test_releases_keep_their_tags_and_the_digests_they_left_running(monkeypatch):
    index = [
        said(INDEX_BEGUN, release="r1", version="1.4.0", plan="p"),
        said(INDEX_ENDED, release="r1", version="1.4.0", verdict="released", seconds=1, head={}),
    ]
    ledgers = {"r1": [said(RELEASE_ENDS, verdict="released", images={"api": [f"{IMAGE}@{ONE}", "without-a-digest"]})]}
    monkeypatch.setattr(live, "index_of", lambda *_given: Ledger(index))
    monkeypatch.setattr(live, "read", lambda store: ledgers[store.release])
    found = live.in_index(Cluster(), "shop", "shop-prod")
    assert found == dict.fromkeys(["1.4.0", "v1.4.0", ONE], "release r1 may be gone back to")


class Ledger:
    def __init__(self, entries):
        self.entries = lambda: entries


def said(what, **after):
    return SimpleNamespace(what=what, after=after, when="", who="alice", fence=1)
