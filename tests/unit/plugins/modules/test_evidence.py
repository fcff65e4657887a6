# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.helm import bundle
from ansible_collections.runbook.release.plugins.module_utils.kube.follow import Followed, Wanted
from ansible_collections.runbook.release.plugins.modules import evidence

from ..module_utils.release.test_in_place import FakeCluster
from ..module_utils.rollout.scene import workload

SHOP = {"name": "shop", "namespace": "shop"}
NOTHING: dict[str, Any] = {"pods": [], "pods_left_out": 0, "events": [], "unreadable": []}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    cluster = FakeCluster(workload("api"), workload("web"), unit=None)
    monkeypatch.setattr(evidence, "kube_client", lambda module: cluster)
    monkeypatch.setattr(evidence, "gather", lambda client, namespace, workloads, everything: NOTHING)

    def run_module(**options: Any) -> dict[str, Any]:
        with patch_module_args({**SHOP, "path": str(tmp_path / "kept"), **options}), pytest.raises(SystemExit):
            evidence.main()
        return dict(json.loads(capsys.readouterr().out))

    return run_module


def test_the_evidence_of_what_rolls_is_that_of_its_workloads(run: Run, tmp_path: Path) -> None:
    result = run(workloads=[{"name": "api"}])
    assert (result["colour"], len(result["summary"])) == ("", 1)
    assert result["summary"][0].startswith("Deployment api: 0 of 2 pods ready")
    assert (tmp_path / "kept" / "summary.txt").read_text().startswith("Deployment api")


def test_a_component_without_a_workload_says_so(run: Run) -> None:
    found = run(workloads=[{"name": "gone"}])
    assert (found["summary"], found["whole"]) == (["shop has no workloads"], False)


def test_it_is_whole_only_when_nothing_was_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(workloads=[{"name": "api"}])["whole"] is True
    for lacking in ({"pods_left_out": 1}, {"unreadable": ["a log"]}):
        monkeypatch.setattr(evidence, "gather", lambda *asked, lacking=lacking: {**NOTHING, **lacking})
        assert run(workloads=[{"name": "api"}])["whole"] is False


def test_what_may_be_in_any_line_is_looked_for_in_all_of_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bool] = []
    container = {"name": "api", "ready": True, "log": "a\nERROR b\n", "previous_log": ""}
    there = {**NOTHING, "pods": [{"name": "api-1", "problem": "", "containers": [container]}]}
    monkeypatch.setattr(evidence, "gather", lambda *asked: read.append(asked[-1]) or there)
    told = run(workloads=[{"name": "api"}], matching="ERROR")
    assert told["summary"][-1] == "1 lines match ERROR"
    assert [Path(name).read_text() for name in told["files"] if name.endswith(".log")] == ["ERROR b\n"]
    run(workloads=[{"name": "api"}], lines=501)
    run(workloads=[{"name": "api"}], lines=100)
    assert read == [True, True, False]


def test_it_is_a_change_when_a_file_is_new_or_another_one_and_check_mode_says_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def both() -> tuple[bool, bool]:
        asked: dict[str, Any] = {"workloads": [{"name": "api"}]}
        would, kept = run(**asked, _ansible_check_mode=True), run(**asked)
        assert would["files"] == []
        return would["changed"], kept["changed"]

    assert both() == (True, True)
    assert both() == (False, False)
    event = {"last": "now", "type": "Warning", "count": 1, "object": "Pod api-1", "reason": "Failed", "message": "é"}
    monkeypatch.setattr(evidence, "gather", lambda *asked: {**NOTHING, "events": [event]})
    assert both() == (True, True)
    assert both() == (False, False)
    (tmp_path / "kept" / "events.txt").unlink()
    assert both() == (True, True)


def test_what_is_followed_is_a_file_of_its_own_and_check_mode_waits_for_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def follow(client: Any, pods: Any, wanted: Wanted, write: Callable[[str], object]) -> Followed:
        write("api-1 api: done")
        assert (tmp_path / "kept" / "followed.log").read_text() == "api-1 api: done\n"
        return Followed("until", ["api-1 api: done"], ["log of api-2: forbidden"])

    monkeypatch.setattr(bundle, "follow", follow)
    monkeypatch.setattr(bundle, "pods_behind", lambda *asked: [])
    asked: dict[str, Any] = {"workloads": [{"name": "api"}], "follow": 60, "until": "done"}
    would = run(**asked, _ansible_check_mode=True)
    assert ("followed" in would, would["changed"]) == (False, True)
    told = run(**asked)
    assert run(**asked, _ansible_check_mode=True)["changed"]
    assert told["followed"] == {"lines": ["api-1 api: done"], "why": "until"}
    assert Path(told["files"][-1]).name == "followed.log"
    assert Path(told["files"][-1]).stat().st_mode & 0o777 == 0o600
    assert told["summary"][-2:] == [
        "could not be followed: log of api-2: forbidden",
        "1 lines were followed, until: until",
    ]
    assert told["whole"] is False
    assert "no regular expression" in run(**{**asked, "until": "("})["msg"]


def test_it_has_either_an_entry_or_workloads(run: Run) -> None:
    assert "one of the following is required: entry, workloads" in run()["msg"]
    both = run(workloads=[{"name": "api"}], entry={"kind": "service", "name": "web"})
    assert "mutually exclusive" in both["msg"]
