# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images run, and whether they are those that were proven."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release.images import (
    digest_of,
    running,
    unknown,
    unlike,
    unproven,
)
from ansible_collections.runbook.release.plugins.module_utils.release.live import look

from ..rollout.scene import workload
from .test_in_place import FakeCluster

Obj = dict[str, Any]
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def deployment(*names: str, init: tuple[str, ...] = ()) -> Obj:
    spec = {
        "containers": [{"name": name, "image": f"r.example/{name}:1"} for name in names],
        "initContainers": [{"name": name, "image": f"r.example/{name}:1"} for name in init],
    }
    return {
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"selector": {"matchLabels": {"app": "api"}}, "template": {"spec": spec}},
    }


def pod(ids: dict[str, str], app: str = "api", phase: str = "Running", **more: Any) -> Obj:
    statuses = [{"name": name, "imageID": id} for name, id in ids.items()]
    return {
        "kind": "Pod",
        "metadata": {"name": "api-1", "labels": {"app": app}, **more},
        "status": {"phase": phase, "containerStatuses": statuses},
    }


@pytest.mark.parametrize(
    ("id", "told"),
    [
        (f"r.example/app@{A}", f"r.example/app@{A}"),
        (f"docker-pullable://r.example/app@{A}", f"r.example/app@{A}"),
        (f"docker://{A}", A),
        (A, A),
        ("", "r.example/app:1"),
    ],
)
def test_an_image_is_told_by_the_digest_its_name_was_resolved_to(id: str, told: str) -> None:
    assert running([deployment("app")], [pod({"app": id})]) == [told]


def test_only_what_the_workload_asked_for_and_only_pods_that_stay_are_told() -> None:
    pods = [
        pod({"app": A, "proxy-of-a-mesh": B}),
        pod({"app": B}, app="other"),
        pod({"app": B}, deletionTimestamp="2026-11-21T12:00:00Z"),
        pod({"app": B}, phase="Succeeded"),
    ]
    assert running([deployment("app")], pods) == [A]


def test_init_containers_count_and_pods_that_differ_are_all_told() -> None:
    first, second = pod({"app": A}), pod({"app": B})
    for one in (first, second):
        one["status"]["initContainerStatuses"] = [{"name": "wait", "imageID": C}]
    assert running([deployment("app", init=("wait",))], [first, second]) == [A, B, C]


@pytest.mark.parametrize(
    ("images", "told"),
    [
        ({"api": [f"r.example/app@{A}"]}, []),
        ({"api": [f"another.example/app@{A}", C]}, []),
        ({"api": [B]}, ["api runs " + B]),
        ({"api": [A, B]}, ["api runs " + B]),
        ({"web": [A]}, ["web was no part of it"]),
    ],
)
def test_every_image_has_to_be_one_its_component_was_proven_with(images: Any, told: list[str]) -> None:
    found = unproven(images, {"api": [f"r.example/app@{A}", f"r.example/log@{C}"]})
    assert [one.split(", and was")[0] for one in found] == told


def test_what_cannot_be_told_is_not_known() -> None:
    assert unknown({"api": [A]}) == []
    assert unknown({"api": [A, "r.example/log:1"], "web": []}) == [
        "the digest of r.example/log:1 of api is not known",
        "no pod of web runs",
    ]


def test_one_proven_digest_is_enough_of_what_a_component_is_pinned_to() -> None:
    proven = {"api": [f"r.example/app@{A}"]}
    assert unlike({"api": [B, A]}, proven) == []
    assert unlike({"api": ["r.example/app:1"]}, proven) == []
    assert unlike({"api": [B]}, proven) == [f"api is pinned to {B[:19]}"]


def test_a_tag_has_no_digest() -> None:
    assert (digest_of("r.example/app:1"), digest_of(f"r.example/app:1@{A}")) == ("", A)


def test_what_rolls_is_live_as_its_workloads_run_now() -> None:
    api = {**workload("api", "2"), "spec": deployment("app")["spec"]}
    api["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"
    component = {"name": "api", "source": {"kind": "image", "image": "app"}, "workloads": [{"name": "api"}]}
    gone = {**component, "name": "web", "workloads": [{"name": "web"}]}
    cluster: Any = FakeCluster(api, pod({"app": A}))
    found = look(cluster, "shop", [gone, component])
    assert {name: one.report() for name, one in found.items()} == {
        "web": {"colour": "", "version": "", "images": []},
        "api": {"colour": "", "version": "2", "images": [A]},
    }
    assert list(found) == ["web", "api"]
