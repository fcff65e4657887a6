# SPDX-License-Identifier: GPL-3.0-or-later
"""A run puts back what is overdue, also when the Job in the cluster does so in the same second."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.change.back import revert
from ansible_collections.runbook.release.plugins.module_utils.change.decide import decide
from ansible_collections.runbook.release.plugins.module_utils.change.draft import marked
from ansible_collections.runbook.release.plugins.module_utils.change.put_back import (
    PAUSED,
    WENT_BACK,
    put_back,
    records_of,
    telling,
)
from ansible_collections.runbook.release.plugins.module_utils.change.subject import Subject
from ansible_collections.runbook.release.plugins.module_utils.change.want import Want
from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict, Forbidden, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import Kind
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book

from .scene import LATER, NOW, SECONDS, deployment, have, patched, want

Obj = dict[str, Any]


class Cluster:
    """One namespace; ``meanwhile`` is what others do right before a patch."""

    dry_run = False

    def __init__(self, *objects: Obj, hours: int = 3) -> None:
        self.objects = {(one["kind"], one["metadata"]["name"]): one for one in objects}
        self.time = datetime.fromtimestamp(SECONDS + 3600 * hours, UTC)
        self.meanwhile: Callable[[], None] = lambda: None
        self.forbidden: set[str] = set()

    def now(self) -> datetime:
        return self.time

    def list(self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "") -> list[Obj]:
        if kind.kind in self.forbidden:
            raise Forbidden(f"{kind.kind} must not be listed")
        return [copy.deepcopy(one) for key, one in self.objects.items() if key[0] == kind.kind]

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj | None:
        return copy.deepcopy(self.objects.get((kind.kind, name)))

    def json_patch(self, kind: Kind, name: str, ops: list[Obj], namespace: str = "") -> Obj:
        self.meanwhile()
        try:
            self.objects[kind.kind, name] = patched(self.objects[kind.kind, name], ops)
        except AssertionError as error:
            raise Conflict(str(error)) from None
        return self.objects[kind.kind, name]

    def revert(self, book: Book | None = None, **more: Any) -> Obj:
        return revert(self, Want("reverted", "shop", **more), book or Book()).report()  # type: ignore[arg-type]


def larger(name: str = "api", **more: Any) -> Obj:
    asked = want("scaled", replicas=10, seconds=7200)
    draft = decide(asked, have(deployment(name, **more)), Subject("Deployment", name))
    return patched(draft.obj, [*draft.ops(), *marked(draft, asked, NOW, LATER).ops])


def test_what_is_overdue_is_put_back_and_nobody_waits_for_it() -> None:
    cluster = Cluster(larger(), larger("other"), deployment("plain"))
    result = cluster.revert()
    assert (result["changed"], len(result["plan"]), result["temporary"]) == (True, 2, [])
    assert {one["spec"]["replicas"] for one in cluster.objects.values()} == {3}
    assert not cluster.revert()["changed"]


def test_a_run_that_may_not_list_every_kind_puts_back_what_it_sees_and_what_is_asked_for_is_refused() -> None:
    cluster = Cluster(larger())
    cluster.forbidden = {"DaemonSet", "HorizontalPodAutoscaler"}
    for asked in ({"name": "api"}, {"everything": True}):
        with pytest.raises(Forbidden):
            cluster.revert(**asked)
    assert cluster.revert()["changed"]
    assert cluster.objects["Deployment", "api"]["spec"]["replicas"] == 3


class Notes(Book):
    """Of a run."""

    def __init__(self) -> None:
        super().__init__(7)
        self.told: list[tuple[str, Any]] = []

    def note(self, what: str, before: Any = None, after: Any = None) -> None:
        self.told.append((what, after))


def test_what_went_back_by_itself_is_recorded_once_by_the_next_run_with_a_ledger() -> None:
    obj = larger()
    cluster = Cluster(patched(obj, telling(obj, put_back(obj, lambda record: True), LATER)))
    said = f"Deployment api: replicas are 3 again since {LATER}"
    assert cluster.revert()["went"] == [said], "nobody's ledger, so it stays to be told"
    notes = Notes()
    assert cluster.revert(notes)["went"] == [said]
    expected = [{"at": LATER, "said": ["Deployment api: replicas are 3 again"], "left": []}]
    assert notes.told == [("api went back by itself", expected)]
    assert WENT_BACK not in cluster.objects["Deployment", "api"]["metadata"]["annotations"]
    assert cluster.revert(notes)["went"] == []
    assert len(notes.told) == 1


def test_what_is_not_overdue_stays_and_is_told() -> None:
    result = Cluster(larger(), hours=1).revert()
    assert (result["changed"], [one["overdue"] for one in result["temporary"]]) == (False, [False])


def test_the_job_that_was_faster_is_no_failure() -> None:
    cluster = Cluster(larger())

    def job() -> None:
        obj = cluster.objects["Deployment", "api"]
        cluster.objects["Deployment", "api"] = patched(obj, put_back(obj, lambda record: True).ops)

    cluster.meanwhile = job
    cluster.revert()
    assert cluster.objects["Deployment", "api"]["spec"]["replicas"] == 3


def test_another_change_in_the_same_moment_is_one() -> None:
    cluster = Cluster(larger())
    cluster.meanwhile = lambda: cluster.objects["Deployment", "api"]["spec"].update(replicas=7)
    with pytest.raises(Conflict):
        cluster.revert()
    assert records_of(cluster.objects["Deployment", "api"])


def test_what_is_paused_waits_and_is_named() -> None:
    obj = larger()
    obj["metadata"]["annotations"][PAUSED] = "{}"
    result = Cluster(obj).revert()
    assert not result["changed"]
    assert result["left"] == ["Deployment api is paused, and its time is over: it goes back once it is resumed"]


def test_a_record_nobody_can_read_stops_the_run() -> None:
    with pytest.raises(ReleaseError, match="nobody can read"):
        Cluster(deployment(annotations={"runbook.release/temporary": "soon"})).revert()
