# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that puts back in the cluster: at its time, once, and nothing else."""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.change import put_back_job as job
from ansible_collections.runbook.release.plugins.module_utils.change.decide import decide
from ansible_collections.runbook.release.plugins.module_utils.change.draft import marked
from ansible_collections.runbook.release.plugins.module_utils.change.keeper import keeper
from ansible_collections.runbook.release.plugins.module_utils.change.put_back import (
    CREATED,
    PAUSED,
    records_of,
    told_of,
)
from ansible_collections.runbook.release.plugins.module_utils.change.subject import Subject
from ansible_collections.runbook.release.plugins.module_utils.change.want import Bounds
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import DEPLOYMENT, ROLE
from ansible_collections.runbook.release.plugins.module_utils.release.pod_api import Failure
from ansible_collections.runbook.release.plugins.module_utils.release.pod_program import Image

from .scene import LATER, NOW, SECONDS, deployment, have, patched, scaler, want

Obj = dict[str, Any]
HOURS = 7200
SCALER = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api"


def temporarily(state: str, obj: Obj, **more: Any) -> Obj:
    asked = want(state, seconds=HOURS, **more)
    draft = decide(asked, have(obj), Subject("Deployment", "api"))
    created = {"kind": "HorizontalPodAutoscaler", "name": "api", "path": SCALER, "at": NOW} if draft.create else None
    return patched(obj, [*draft.ops(), *marked(draft, asked, NOW, LATER, created).ops])


class Cluster:
    """Objects by their paths, a clock that goes on while the program sleeps, and answers that fail."""

    def __init__(self, obj: Obj, monkeypatch: pytest.MonkeyPatch) -> None:
        self.objects = {"/api": obj}
        self.now = float(SECONDS)
        self.naps: list[float] = []
        self.failing: list[Failure] = []
        self.meanwhile: Callable[[], None] = lambda: None
        monkeypatch.setattr(job.time, "sleep", self.sleep)
        monkeypatch.setattr(job.time, "monotonic", lambda: self.now)

    @property
    def api(self) -> Obj:
        return self.objects["/api"]

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        assert len(self.naps) < 10_000, "it never ends"
        self.now += seconds
        self.meanwhile()

    def get(self, path: str) -> tuple[Obj, float]:
        if self.failing:
            raise self.failing.pop(0)
        if path not in self.objects:
            raise Failure(f"GET {path}: 404", 404)
        return copy.deepcopy(self.objects[path]), self.now

    def patch(self, path: str, ops: list[Obj], dry: bool = False) -> None:
        try:
            self.objects[path] = patched(self.objects[path], ops)
        except AssertionError as error:
            raise Failure(str(error), 422) from None

    def delete(self, path: str, uid: str) -> None:
        assert self.objects[path]["metadata"]["uid"] == uid
        del self.objects[path]

    def watch(self) -> int:
        return job.watch(self, {"path": "/api", "title": "Deployment api"})


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(temporarily("scaled", deployment(), replicas=10), monkeypatch)


def test_it_puts_back_at_the_time_and_not_before(scaled: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert scaled.watch() == 0
    assert scaled.now == SECONDS + HOURS
    assert (scaled.api["spec"]["replicas"], records_of(scaled.api)) == (3, {})
    assert "replicas are 3 again" in capsys.readouterr().out
    assert [one["at"] for one in told_of(scaled.api)] == [LATER]


def test_a_time_that_is_lengthened_is_waited_for(scaled: Cluster) -> None:
    longer = scaled.api["metadata"]["annotations"]

    def lengthen() -> None:
        for name, text in longer.items():
            longer[name] = text.replace(LATER, "2026-11-21T19:00:00Z")

    scaled.meanwhile = lengthen
    scaled.watch()
    assert scaled.now == SECONDS + HOURS + 3600


def test_it_ends_when_somebody_put_it_back_before(scaled: Cluster) -> None:
    scaled.meanwhile = scaled.api["metadata"]["annotations"].clear
    assert scaled.watch() == 0
    assert scaled.now == SECONDS + job.LONGEST
    assert scaled.api["spec"]["replicas"] == 10


def test_it_is_there_before_the_change_and_goes_if_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(deployment(), monkeypatch)

    def change() -> None:
        cluster.objects["/api"] = temporarily("scaled", deployment(), replicas=10)
        cluster.meanwhile = lambda: None

    cluster.meanwhile = change
    cluster.watch()
    assert cluster.api["spec"]["replicas"] == 3
    unchanged = Cluster(deployment(), monkeypatch)
    assert unchanged.watch() == 0
    assert SECONDS + job.GRACE < unchanged.now < SECONDS + job.GRACE + 5


def test_it_waits_for_a_pause_to_end(scaled: Cluster) -> None:
    annotations = scaled.api["metadata"]["annotations"]
    annotations[PAUSED] = "{}"

    def resume() -> None:
        if scaled.now > SECONDS + 2 * HOURS:
            annotations.pop(PAUSED, None)

    scaled.meanwhile = resume
    scaled.watch()
    assert scaled.now > SECONDS + 2 * HOURS
    assert scaled.api["spec"]["replicas"] == 3


def test_who_is_faster_wins(scaled: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    real = scaled.patch

    def late(path: str, ops: list[Obj], dry: bool = False) -> None:
        scaled.api["spec"]["replicas"] = 7
        real(path, ops)

    scaled.patch = late  # type: ignore[method-assign]
    assert scaled.watch() == 0
    assert (scaled.api["spec"]["replicas"], records_of(scaled.api)) == (7, {})
    assert "LEFT ALONE" in capsys.readouterr().out


def test_an_api_server_that_is_away_is_waited_for(scaled: Cluster) -> None:
    scaled.failing = [Failure("connection refused")] * 5
    assert scaled.watch() == 0
    assert scaled.api["spec"]["replicas"] == 3


def test_an_object_that_is_gone_ends_it(scaled: Cluster) -> None:
    scaled.objects.clear()
    assert scaled.watch() == 0


def test_a_record_nobody_can_read_is_no_success(scaled: Cluster) -> None:
    scaled.api["metadata"]["annotations"]["runbook.release/temporary"] = "[]"
    assert scaled.watch() == 1


def autoscaled(monkeypatch: pytest.MonkeyPatch, created: str) -> Cluster:
    cluster = Cluster(temporarily("autoscaled", deployment(), bounds=Bounds(3, 20, 70)), monkeypatch)
    cluster.objects[SCALER] = scaler(annotations={CREATED: created})
    cluster.api["spec"]["replicas"] = 12
    return cluster


def test_an_autoscaler_goes_before_the_pods_it_made(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = autoscaled(monkeypatch, NOW)
    assert cluster.watch() == 0
    assert (SCALER in cluster.objects, cluster.api["spec"]["replicas"]) == (False, 3)


def test_an_autoscaler_of_somebody_else_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = autoscaled(monkeypatch, "2026-11-21T17:00:00Z")
    assert cluster.watch() == 0
    assert SCALER in cluster.objects


def test_it_may_do_what_it_has_to_and_nothing_else() -> None:
    during = temporarily("autoscaled", deployment(), bounds=Bounds(3, 20, 70))
    found = keeper(DEPLOYMENT, during, "shop", records_of(during), Image("registry/python:3"))
    roles = [body for kind, body, _namespace in found.objects() if kind is ROLE]
    assert [[(one["resources"], one["resourceNames"], one["verbs"]) for one in role["rules"]] for role in roles] == [
        [(["deployments"], ["api"], ["get", "patch"]), (["horizontalpodautoscalers"], ["api"], ["get", "delete"])]
    ]
    plain = keeper(DEPLOYMENT, during, "shop", {}, Image("registry/python:3"))
    assert plain.digest != found.digest
    long = keeper(DEPLOYMENT, deployment("a" * 60), "shop", {}, Image("registry/python:3"))
    other = keeper(DEPLOYMENT, deployment("a" * 61), "shop", {}, Image("registry/python:3"))
    assert len(long.name) <= 63
    assert long.name != other.name


def test_it_runs_with_nothing_but_an_old_python_and_its_own_files() -> None:
    files = keeper(DEPLOYMENT, deployment(), "shop", {}, Image("registry/python:3")).data
    own = {(2, "release.pod_api"), (1, "put_back")}
    for name, text in files.items():
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(text, feature_version=(3, 9))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert (node.level, node.module) in own
            elif isinstance(node, ast.ImportFrom):
                assert str(node.module).partition(".")[0] in sys.stdlib_module_names
            elif isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names
