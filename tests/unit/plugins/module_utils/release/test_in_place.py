# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release left of components that roll, what has become of it, and whether it may go back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import Kind, known_kind
from ansible_collections.runbook.release.plugins.module_utils.release.drift import Part, Ref, compare
from ansible_collections.runbook.release.plugins.module_utils.release.drift_observe import find
from ansible_collections.runbook.release.plugins.module_utils.release.in_place import observe, take, ways
from ansible_collections.runbook.release.plugins.module_utils.release.safety import judge
from ansible_collections.runbook.release.plugins.module_utils.rollout.record import APPLY, Record, Unit, content

from ..rollout.scene import configmap, recorded, workload

Obj = dict[str, Any]
CONFIG = {"spec": {"containers": [{"name": "app", "image": "app:1", "envFrom": [{"configMapRef": {"name": "old"}}]}]}}
API = {"name": "api", "source": {"kind": "image", "image": "app"}, "workloads": [{"name": "api"}]}
WEB = {
    "name": "web",
    "source": {"kind": "image", "image": "app"},
    "workloads": [{"kind": "StatefulSet", "name": "web"}],
}
OBJECTS = (("apps/v1", "Deployment", "api"), ("v1", "ConfigMap", "settings"))
UNIT = Unit("id-2", "2", "released", OBJECTS)


class FakeCluster:
    """The objects of one namespace in memory; nobody writes here."""

    def __init__(self, *objects: Obj, unit: Unit | None = UNIT) -> None:
        told = (
            [
                {
                    "kind": "ConfigMap",
                    "apiVersion": "v1",
                    "metadata": {"name": "rollout-shop"},
                    "data": {"unit": unit.text()},
                }
            ]
            if unit
            else []
        )
        self.objects = [copy.deepcopy(obj) for obj in (*objects, *told)]

    def list(self, kind: Kind, namespace: str) -> list[Obj]:
        return [obj for obj in self.objects if obj["kind"] == kind.kind]

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj | None:
        return next((obj for obj in self.list(kind, namespace) if obj["metadata"]["name"] == name), None)

    def resolve(self, api_version: str, kind: str) -> Kind:
        found = known_kind(api_version, kind)
        assert found
        return found


def rolled_out(before: Obj | None = None, release: str = "id-2") -> Obj:
    kept = {"spec": before or {"template": CONFIG}}
    return recorded(workload("api", "2"), Record("shop", release, 1, "patch", before=kept))


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(rolled_out(), workload("web", "2", "StatefulSet"), configmap("settings"), configmap("another"))


def parts(cluster: FakeCluster, **before: Part) -> dict[str, Part]:
    return dict(take(cluster, "shop", [API, WEB], before))  # type: ignore[arg-type]


def test_the_workloads_and_what_changed_with_them_are_remembered(cluster: FakeCluster) -> None:
    found = parts(cluster)
    assert [str(ref) for ref in found["api"].fingerprints] == ["Deployment api", "ConfigMap settings"]
    assert [str(ref) for ref in found["web"].fingerprints] == ["StatefulSet web"]
    assert (found["api"].version, found["web"].version, found["api"].colour) == ("2", "2", "")


def test_what_an_earlier_release_changed_is_not_forgotten_but_a_colour_is(cluster: FakeCluster) -> None:
    earlier = {Ref("v1", "ConfigMap", "shop", "another"): "aa", Ref("v1", "ConfigMap", "shop", "deleted"): "bb"}
    assert "ConfigMap another" in map(str, parts(cluster, web=Part("", "", 0, "1", earlier))["web"].fingerprints)
    assert "ConfigMap another" not in map(
        str, parts(cluster, web=Part("blue", "", 0, "1", earlier))["web"].fingerprints
    )
    assert "ConfigMap deleted" not in map(str, parts(cluster, web=Part("", "", 0, "1", earlier))["web"].fingerprints)


def test_an_image_set_by_hand_is_drift_and_the_record_of_a_release_is_not(cluster: FakeCluster) -> None:
    left = parts(cluster)
    refs = {ref for part in left.values() for ref in part.fingerprints}
    api, web = cluster.objects[:2]
    api["metadata"]["annotations"] = {}
    assert compare(left, *find(cluster, "shop", refs), {}) == []  # type: ignore[arg-type]
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "app:hot"
    (finding,) = compare(left, *find(cluster, "shop", refs), {})  # type: ignore[arg-type]
    assert (finding.component, finding.sentence) == ("web", "StatefulSet web of web was changed")


def test_what_the_pods_of_before_cannot_start_without_has_to_be_there(cluster: FakeCluster) -> None:
    def judged(existing: set[str], version: str = "2") -> Any:
        known = {"ConfigMap": existing, "Secret": set()}
        found = ways(cluster, "shop", [API, WEB], known, version)  # type: ignore[arg-type]
        return judge((), "retire", (), known, version, found)

    assert judged({"old"}).safe
    assert judged({"old"}).report()["components"]["api"]["version"] == "1"
    answer = judged({"settings"})
    assert [finding.sentence for finding in answer.findings] == [
        "ConfigMap old does not exist any more, and Deployment api could not start a pod as it was without it"
    ]
    assert not answer.safe
    assert judged({"settings"}, version="3").safe, "that release has not rolled anything"


def test_what_was_applied_as_a_whole_is_judged_like_what_was_patched() -> None:
    was = workload("api", "1")
    was["metadata"]["labels"] = {"team": "shop"}
    now = recorded(workload("api", "2"), Record("shop", "id-2", 1, APPLY, before=content(was, APPLY)))
    (way,) = ways(FakeCluster(now), "shop", [API], {"ConfigMap": set(), "Secret": set()}, "2")  # type: ignore[arg-type]
    assert way.version == "1"


def test_a_record_of_an_earlier_release_of_the_unit_is_no_way_back() -> None:
    old = FakeCluster(rolled_out(release="id-1"))
    (way,) = ways(old, "shop", [API], {"ConfigMap": set(), "Secret": set()})  # type: ignore[arg-type]
    assert (way.version, way.findings) == ("", ())


def test_workloads_of_others_are_not_looked_at(cluster: FakeCluster) -> None:
    assert list(observe(cluster, "shop", [WEB]).workloads) == [("StatefulSet", "web")]  # type: ignore[arg-type]
