# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.modules import release_info, release_run

from ..module_utils.release.api import Api

WHERE = {"namespace": "shop", "system": "web_shop", "environment": "prod"}
SHOP = {**WHERE, "state": "begun", "version": "1.4.0", "components": ["api"], "steps": [25, 100], "holder": "alice@a"}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_module(module: Any = release_run, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(module, "kube_client", lambda given: api.client(dry_run=given.check_mode))
        given = {name: value for name, value in options.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def test_from_begun_to_ended_to_lifted(run: Run) -> None:
    begun = run(**SHOP, inputs={"chart of api": "aa"})
    assert (begun["decision"], begun["changed"], begun["run"]["lease"]) == ("start", True, "web-shop-prod")
    assert begun["sentence"] == "1.4.0 begins, no release is unfinished."
    ended = {"state": "ended", "run": begun["run"], "verdict": "rolled back", "reason": "api answers 500", "seconds": 9}
    assert [run(**ended)["changed"] for _time in range(2)] == [True, False]
    held = run(**SHOP)
    assert held["failed"]
    assert held["hold"]["verdict"] == "rolled back"
    assert "-e release_lift=" in held["msg"]
    lifted = run(**WHERE, state="lifted", version="1.4.0", reason="the database was full")
    assert lifted["changed"]
    assert run(release_info, **WHERE)["holds"] == []


def test_the_second_starter_is_told_who_releases(run: Run) -> None:
    run(**SHOP)
    refused = run(**{**SHOP, "holder": "bob@b"})
    assert refused["failed"]
    assert "alice@a has held the lock" in refused["msg"]
    assert refused["owner"]["remaining"] == 60


def test_what_an_ended_release_took_is_told(run: Run) -> None:
    run(state="ended", run=run(**SHOP)["run"], verdict="released", seconds=412.5)
    told = run(release_info, **WHERE)
    assert (told["changed"], told["typical_seconds"], told["unfinished"], told["owner"]) == (False, 412.5, {}, {})
    assert [(one["number"], one["verdict"]) for one in told["releases"]] == [(1, "released")]


def test_check_mode_decides_and_writes_nothing(run: Run, api: Api) -> None:
    result = run(**SHOP, _ansible_check_mode=True)
    assert (result["decision"], result["run"], api.objects) == ("start", {}, {})


def test_a_mirror_that_cannot_be_written_is_a_warning(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(**SHOP, mirror=str(tmp_path / "file"))
    assert result["decision"] == "start"
    assert "the mirror cannot be written" in json.dumps(result["warnings"]), result


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({**SHOP, "components": None}, "components"),
        ({**SHOP, "takeover": True}, "reason"),
        ({**SHOP, "ttl": 0}, "at least 1 second"),
        ({"state": "ended"}, "run, verdict"),
        ({**WHERE, "state": "lifted", "version": "1.4.0"}, "reason"),
        ({**WHERE, "state": "lifted", "reason": "CHG-7"}, "version"),
    ],
)
def test_bad_input_is_refused(run: Run, api: Api, options: dict[str, Any], said: str) -> None:
    result = run(**options)
    assert result["failed"]
    assert said in result["msg"]
    assert api.objects == {}


@pytest.mark.parametrize(
    ("module", "spec"),
    [(release_run, release_run.run_argument_spec()), (release_info, release_info.info_argument_spec())],
)
def test_the_documentation_names_the_options_there_are(module: Any, spec: Any) -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert documented.keys() == spec.options.keys()
    for name, option in spec.options.items():
        assert option.get("default") == documented[name].get("default"), name
        assert option.get("choices") == documented[name].get("choices"), name
