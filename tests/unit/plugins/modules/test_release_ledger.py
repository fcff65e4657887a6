# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.modules import release_ledger

from ..module_utils.ledger.cluster import CHUNK, RELEASE, Cluster

Run = Callable[..., dict[str, Any]]
STEP = {"what": "shift shop", "before": {"blue": 100}, "after": {"blue": 75}}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cluster: Cluster) -> Run:
    def run_module(**options: Any) -> dict[str, Any]:
        monkeypatch.setattr(
            release_ledger, "kube_client", lambda given: setattr(cluster, "dry_run", given.check_mode) or cluster
        )
        arguments = {"namespace": "shop", "release": RELEASE, "who": "ops@here", **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            release_ledger.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def test_an_entry(run: Run, cluster: Cluster) -> None:
    result = run(entry=STEP, fence=7, _ansible_diff=True)
    assert result["changed"]
    assert json.loads(cluster.objects[CHUNK]["data"]["00000001"]) == result["entry"]
    assert {key: result["entry"][key] for key in ("number", "who", "fence", *STEP)} == {
        "number": 1,
        "who": "ops@here",
        "fence": 7,
        **STEP,
    }
    assert result["head"] == {"number": 1, "sha256": result["entry"]["sha256"]}
    assert result["diff"] == {"before": {}, "after": result["entry"]}


def test_check_mode_shows_the_entry_and_adds_none(run: Run, cluster: Cluster) -> None:
    result = run(entry=STEP, _ansible_check_mode=True)
    assert (result["changed"], result["entry"]["number"], cluster.objects) == (True, 1, {})


def test_from_the_first_entry_to_the_archive(run: Run, tmp_path: Path) -> None:
    run(entry=STEP, mirror=str(tmp_path / "mirror"))
    sealed = run(state="sealed", mirror=str(tmp_path / "mirror"), _ansible_diff=True)
    assert sealed["diff"]["after"]["what"] == "sealed"
    again = run(state="sealed", mirror=str(tmp_path / "mirror"), _ansible_diff=True)
    assert (again["changed"], again["diff"]["after"]) == (False, {})
    found = run(state="verified", mirror=str(tmp_path / "mirror"), pinned=sealed["head"], _ansible_diff=True)
    assert (found["entries"], found["sealed"], found["findings"]) == (2, True, [])
    assert found["diff"] == {"before": {}, "after": {}}
    refused = run(entry=STEP)
    assert refused["failed"]
    assert "sealed since" in refused["msg"]


def test_a_finding_fails_the_module_and_is_returned(run: Run, cluster: Cluster) -> None:
    run(entry=STEP)
    cluster.objects[CHUNK]["data"]["00000001"] += " "
    result = run(state="verified")
    assert result["failed"]
    assert "entry 1 is altered" in result["msg"]
    assert [(one["source"], one["kind"], one["number"], one["until"]) for one in result["findings"]] == [
        ("cluster", "altered", 1, 1)
    ]


def test_a_full_disk_says_that_the_cluster_has_the_entry(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(entry=STEP, mirror=str(tmp_path / "file"))
    assert result["failed"]
    assert "the cluster's ledger has entry 1 and is intact" in result["msg"]
    assert result["head"]["number"] == result["entry"]["number"] == 1


def test_a_secret_is_not_shown_even_among_the_options(run: Run) -> None:
    secret = "correct-horse-battery-staple"
    result = run(entry={**STEP, "after": {"password": secret}}, secret=["password"])
    assert result["entry"]["after"]["password"].startswith("scrypt:")
    assert secret not in json.dumps(result)


@pytest.mark.parametrize("options", [{}, {"state": "exported"}, {"state": "exported", "target": "x"}])
def test_what_a_state_needs_is_required(run: Run, options: dict[str, Any]) -> None:
    assert "missing" in run(**options)["msg"]


def test_the_documentation_names_the_options_there_are() -> None:
    documented = yaml.safe_load(release_ledger.DOCUMENTATION)["options"]
    spec = release_ledger.ledger_argument_spec().options
    assert documented.keys() == spec.keys()
    for name, option in spec.items():
        assert option.get("default") == documented[name].get("default"), name
