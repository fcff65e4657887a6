# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules around the Helm side: options in, results out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.doc_fragments.entry import ModuleDocFragment as EntryFragment
from ansible_collections.runbook.release.plugins.doc_fragments.kube import ModuleDocFragment as KubeFragment
from ansible_collections.runbook.release.plugins.doc_fragments.run import ModuleDocFragment as RunFragment
from ansible_collections.runbook.release.plugins.doc_fragments.source import ModuleDocFragment as SourceFragment
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady
from ansible_collections.runbook.release.plugins.module_utils.helm.operate import Outcome, Request, seen, title
from ansible_collections.runbook.release.plugins.module_utils.helm.plan import Plan, Prove, Scale
from ansible_collections.runbook.release.plugins.module_utils.helm.values import ValuesFile
from ansible_collections.runbook.release.plugins.module_utils.ledger.canonical import canonical
from ansible_collections.runbook.release.plugins.modules import evidence, helm_bluegreen, helm_bluegreen_info

from ..module_utils.helm.scene import empty, have, running, shop

COMPONENT = {"name": "shop", "namespace": "shop", "entry": {"kind": "httproute", "name": "shop"}}
SOURCE = {"kind": "helm", "chart": "/charts/shop"}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a module to its end: its result."""

    def run_module(module: ModuleType, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(module, "kube_client", lambda given: None)
        with patch_module_args(COMPONENT | options), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run_module


def outcome(*, changed: bool = True) -> Outcome:
    before = have(running("blue", "1", weight=100), empty("green"))
    after = have(running("blue", "1", weight=100), running("green", "2"))
    key = ("Deployment", "shop-green")
    plan = Plan("green", (Scale(key, 2), Prove("green")), {key: 2})
    return Outcome(before, after, plan, changed, 3.14159, "2", "sha256:00", [{"before": "a", "after": "b"}], ["beware"])


def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    requests: list[Request] = []
    monkeypatch.setattr(helm_bluegreen, "operate", lambda client, request, book: requests.append(request) or outcome())
    return requests


def test_what_was_done_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch)
    result = run(helm_bluegreen, version="2", source=SOURCE)
    expected = {
        "changed": True,
        "target": "green",
        "live": "blue",
        "idle": "green",
        "first": False,
        "awaits_traffic": True,
        "version": "2",
        "digest": "sha256:00",
        "seconds": 3.14,
    }
    assert {key: result[key] for key in expected} == expected
    assert result["capacity"] == {"Deployment/shop-green": 2}
    assert result["plan"] == ["scale Deployment shop-green to 2", "wait until green is ready"]
    assert result["colours"]["green"]["version"] == "2"
    assert "diff" not in result


def test_files_of_values_are_reported_by_their_content(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ValuesFile("prod.yaml", "sha256:0d", "/private/values-0.yaml")
    planned = replace(outcome().plan, rendering=replace(shop("green"), values_files=(file,)))
    monkeypatch.setattr(helm_bluegreen, "operate", lambda *_given: replace(outcome(), plan=planned))
    result = run(helm_bluegreen, version="2", source=SOURCE)
    assert result["values_files"] == [{"name": "prod.yaml", "digest": "sha256:0d"}]


def test_options_arrive_typed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (requests,) = [asked(monkeypatch)]
    result = run(
        helm_bluegreen,
        version="2",
        source=SOURCE | {"values": {"a": 1}, "values_files": ["~/one.yaml", "two.yaml"]},
        replicas=3,
        stable=1,
        helm_binary="/opt/helm",
        services={"blue": "b", "green": "g"},
        _ansible_check_mode=True,
        _ansible_diff=True,
    )
    (request,) = requests
    assert (request.check, request.diff, request.stable, request.helm_binary) == (True, True, 1, "/opt/helm")
    assert request.target.services == {"blue": "b", "green": "g"}
    assert (request.want.replicas, request.want.version) == (3, "2")
    assert request.want.due > "2026-01-01T00:00:00Z", "what is overdue counts as put back"
    assert request.source is not None
    assert request.source.values == {"a": 1}
    assert request.source.values_files == [str(Path.home() / "one.yaml"), "two.yaml"]
    assert result["diff"] == [{"before": "a", "after": "b"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "state is staged but all of the following are missing: version, source"),
        ({"version": "2", "source": {"kind": "helm"}}, "kind is helm but all of the following are missing: chart"),
        (
            {"version": "2", "source": {"kind": "manifests"}},
            "kind is manifests but all of the following are missing: path",
        ),
        (
            {"version": "2", "source": {"kind": "kustomize"}},
            "kind is kustomize but all of the following are missing: path",
        ),
        ({"state": "gone"}, "value of state must be one of"),
        ({"state": "warm", "replica": 2}, "Unsupported parameters"),
    ],
)
def test_bad_options_are_refused(run: Run, options: dict[str, Any], message: str) -> None:
    result = run(helm_bluegreen, **options)
    assert result["failed"]
    assert message in result["msg"]


@pytest.mark.parametrize(
    ("state", "step"),
    [
        ("staged", "stage shop"),
        ("warm", "warm shop"),
        ("settled", "settle shop"),
        ("retired", "retire shop"),
        ("absent", "remove shop"),
    ],
)
def test_the_ledger_knows_each_state_as_a_step(
    run: Run, monkeypatch: pytest.MonkeyPatch, state: str, step: str
) -> None:
    (requests,) = [asked(monkeypatch)]
    run(helm_bluegreen, state=state, version="2", source=SOURCE)
    assert title(requests[0]) == step


def test_outside_of_a_release_a_pending_operation_may_have_an_owner(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (requests,) = [asked(monkeypatch)]
    run(helm_bluegreen, version="2", source=SOURCE)
    assert not requests[0].want.alone


def test_what_the_ledger_keeps_of_the_colours_is_small() -> None:
    kept = seen(have(running("blue", "1", weight=100), empty("green")))
    assert (kept["blue"]["version"], kept["blue"]["weight"], kept["green"]["version"]) == ("1", 100, "")
    assert len(canonical(kept)) < 1000


def test_a_failure_carries_its_evidence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(client: Any, request: Request, book: Any) -> Outcome:
        raise NotReady(
            "green is not ready", where="here", remedy="look", evidence={"pods": []}, problems=[{"reason": "x"}]
        )

    monkeypatch.setattr(helm_bluegreen, "operate", fail)
    result = run(helm_bluegreen, version="2", source=SOURCE)
    assert result["failed"]
    assert result["msg"] == "green is not ready. Where: here. Do: look."
    assert (result["evidence"], result["problems"]) == ({"pods": []}, [{"reason": "x"}])


def test_the_info_module_tells_both_colours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = have(running("blue", "1", weight=100), running("green", "2"))
    monkeypatch.setattr(helm_bluegreen_info, "observe", lambda client, target: seen)
    result = run(helm_bluegreen_info)
    assert (result["live"], result["idle"], result["first"]) == ("blue", "green", False)
    assert result["versions"] == {"blue": "1", "green": "2"}


@pytest.mark.parametrize(
    ("colour", "chosen"), [("idle", "green"), ("live", "blue"), ("blue", "blue"), ("green", "green")]
)
def test_evidence_of_the_colour_that_was_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, colour: str, chosen: str
) -> None:
    found: dict[str, Any] = {"pods": [], "events": [], "unreadable": [], "pods_left_out": 0}
    seen = have(running("blue", "1", weight=100), empty("green"))
    monkeypatch.setattr(evidence, "observe", lambda client, target: seen)
    monkeypatch.setattr(evidence, "gather", lambda client, namespace, one, everything: found)
    result = run(evidence, path=str(tmp_path / "kept"), colour=colour)
    assert (result["colour"], result["changed"]) == (chosen, True)
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    assert all((tmp_path / "kept" / name).stat().st_mode & 0o777 == 0o600 for name in ("summary.txt", "evidence.json"))
    assert run(evidence, path=str(tmp_path / "none"), colour=colour, _ansible_check_mode=True)["changed"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("module", [helm_bluegreen, evidence])
def test_documentation_and_options_agree(module: ModuleType) -> None:
    documentation = yaml.safe_load(module.DOCUMENTATION)
    documented = documentation["options"]
    fragments = {"entry": EntryFragment, "kube": KubeFragment, "run": RunFragment, "source": SourceFragment}
    for name, fragment in fragments.items():
        if f"runbook.release.{name}" in documentation["extends_documentation_fragment"]:
            documented |= yaml.safe_load(fragment.DOCUMENTATION)["options"]
    assert documented.keys() == module.argument_spec().options.keys()
