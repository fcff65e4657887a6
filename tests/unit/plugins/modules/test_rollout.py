# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.rollout.model import Image
from ansible_collections.runbook.release.plugins.module_utils.rollout.operate import Outcome, Request
from ansible_collections.runbook.release.plugins.module_utils.rollout.plan import decide
from ansible_collections.runbook.release.plugins.modules import rollout

from ..module_utils.rollout.scene import change, have, workload

UNIT = {"name": "shop", "namespace": "shop", "version": "2"}
IMAGES = {"kind": "image", "images": [{"name": "api", "image": "app:2"}]}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def asked() -> list[Request]:
    return []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: list[Request]) -> Run:
    """Run the module to its end: its result."""

    def operate(client: None, request: Request, book: object) -> Outcome:
        asked.append(request)
        seen = have(workload("api"))
        plan = decide(request.want, seen, [change(workload("api"), workload("api", "2"))], "id")
        return Outcome(request, seen, plan, 1.234, ["mind the budget"], [{"before": "a", "after": "b"}])

    def run_module(**options: Any) -> dict[str, Any]:
        monkeypatch.setattr(rollout, "kube_client", lambda module: None)
        monkeypatch.setattr(rollout, "operate", operate)
        with patch_module_args(UNIT | options), pytest.raises(SystemExit):
            rollout.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run_module


def test_what_was_done_is_reported(run: Run, asked: list[Request], warned: list[str]) -> None:
    result = run(source=IMAGES, _ansible_diff=True)
    assert (result["changed"], result["release"], result["version"], result["seconds"]) == (True, "id", "2", 1.23)
    assert result["plan"] == ["change Deployment api: app app:2", "wait until Deployment api is ready"]
    (api,) = result["workloads"]
    assert (api["before"], api["after"], api["done"]) == ({"app": "app:1"}, {"app": "app:2"}, "changed")
    assert (result["diff"], warned) == ([{"before": "a", "after": "b"}], ["mind the budget"])
    assert asked[0].sources[0].images == (Image("Deployment", "api", "app:2"),)
    assert (asked[0].want.keep_budgets, asked[0].want.force, asked[0].stable) == (True, False, 5)


def test_a_restore_needs_no_source_unless_it_redeploys(run: Run, asked: list[Request]) -> None:
    run(state="restored")
    run(state="restored", source=IMAGES)
    run(state="restored", source=IMAGES, policy="redeploy")
    assert [bool(request.sources) for request in asked] == [False, False, True]


def test_in_check_mode_what_is_overdue_counts_as_put_back(run: Run, asked: list[Request]) -> None:
    run(source=IMAGES)
    run(source=IMAGES, _ansible_check_mode=True)
    assert [request.want.due > "2026-01-01T00:00:00Z" for request in asked] == [False, True]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "source"),
        ({"state": "restored", "policy": "redeploy"}, "source"),
        ({"source": {"kind": "image"}}, "images"),
        ({"source": {"kind": "manifests"}}, "path, objects"),
        ({"source": {"kind": "kustomize", "objects": []}}, "path"),
        ({"source": {"kind": "manifests", "path": "/a", "objects": [{}]}}, "mutually exclusive"),
        ({"source": IMAGES, "sources": [IMAGES]}, "mutually exclusive"),
        ({"source": IMAGES, "only": ["api"]}, "restored, not released"),
        ({"source": IMAGES, "name": "Our shop"}, "cannot be part of the name of an object"),
        ({"source": IMAGES, "strategy": {"max_surge": "many"}}, "neither a number of pods nor a percentage"),
    ],
)
def test_what_is_missing_or_wrong_is_said_before_the_cluster_is_asked(
    run: Run, asked: list[Request], options: dict[str, Any], said: str
) -> None:
    assert said in run(**options)["msg"]
    assert asked == []
