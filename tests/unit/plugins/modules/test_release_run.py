# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.mirror import Mirror
from ansible_collections.runbook.release.plugins.module_utils.ledger.sign import signer_of
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
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
    assert '-e "release_lift=' in held["msg"]
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


def test_the_backups_to_return_to_are_told_until_a_later_release_is_live(run: Run, api: Api) -> None:
    def released(version: str, verdict: str) -> None:
        begun = run(**{**SHOP, "version": version})["run"]
        taken = {"backup": f"before-{version}"}
        own = Store(api.client(), WHERE["namespace"], begun["release"])
        own.append(Draft("back up shop: done", None, taken, begun["who"], begun["token"]))
        if verdict:
            run(state="ended", run=begun, verdict=verdict)

    for version, verdict in (("1.3.0", "released"), ("1.4.0", "released"), ("1.5.0", "failed"), ("1.6.0", "")):
        released(version, verdict)
    told = run(release_info, **WHERE)
    assert told["ways_back"] == ["before-1.4.0", "before-1.5.0", "before-1.6.0"]
    assert (told["unfinished"]["backups"], told["unfinished"]["migrated"]) == ({"shop": "before-1.6.0"}, False)


def test_the_backups_an_unfinished_restore_goes_on_with_are_told_until_it_ended(run: Run) -> None:
    restore = {**SHOP, "version": None, "kind": "restore", "components": [], "steps": [], "inputs": {"shop": "nightly"}}
    begun = run(**restore)
    assert run(release_info, **WHERE)["ways_back"] == ["nightly"]
    run(state="ended", run=begun["run"], verdict="restored")
    assert run(release_info, **WHERE)["ways_back"] == []


def test_the_inputs_of_an_unfinished_release_are_no_backups(run: Run) -> None:
    run(**SHOP, inputs={"chart of api": "aa"})
    assert run(release_info, **WHERE)["ways_back"] == []


def test_check_mode_decides_and_writes_nothing(run: Run, api: Api) -> None:
    result = run(**SHOP, _ansible_check_mode=True)
    assert (result["decision"], result["run"], api.objects) == ("start", {}, {})


def test_a_mirror_that_cannot_be_written_is_a_warning(run: Run, warned: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(**SHOP, mirror=str(tmp_path / "file"))
    assert result["decision"] == "start"
    assert "the mirror cannot be written" in warned[0]


def test_the_head_is_signed_at_the_end_and_told_each_time(
    run: Run, api: Api, tmp_path: Path, key: Path, allowed_signers: Path
) -> None:
    begun = run(**SHOP, mirror=str(tmp_path / "mirror"), signing_key=str(key))["run"]
    ended = {"state": "ended", "run": begun, "verdict": "released"}
    assert "head" not in run(**ended, _ansible_check_mode=True)
    told = [run(**ended) for _time in range(2)]
    assert told[0]["head"] == told[1]["head"]
    (signed,) = Mirror(begun["mirror"]).heads()
    assert signed.report() == told[0]["head"]
    last = Entry.parse(Store(api.client(), "shop", begun["release"]).texts()[-1])
    assert (last.what, last.head) == ("sealed", signed.head)
    assert signer_of(begun["release"], signed, str(allowed_signers)) == "ops@example.com"


def test_without_a_key_the_head_is_told_and_not_signed(run: Run, tmp_path: Path) -> None:
    begun = run(**SHOP, mirror=str(tmp_path))["run"]
    ended = run(state="ended", run=begun, verdict="released")
    assert ended["head"].keys() == {"number", "sha256"}
    assert Mirror(begun["mirror"]).heads() == []


def test_no_release_begins_that_nobody_could_vouch_for(run: Run, tmp_path: Path) -> None:
    refused = run(**SHOP, signing_key=str(tmp_path / "absent"))
    assert refused["failed"]
    assert "the head of the ledger could not be signed" in refused["msg"]
    assert run(**SHOP)["decision"] == "start", "nothing was begun and nobody holds the lock"


def test_a_release_is_taken_back_without_the_key_too(run: Run, tmp_path: Path) -> None:
    run(state="ended", run=run(**SHOP)["run"], verdict="released")
    back = run(**{**SHOP, "version": None}, signing_key=str(tmp_path / "absent"))
    assert back["decision"] == "back", back


def test_a_key_that_went_away_is_a_warning_at_the_end(run: Run, warned: list[str], key: Path) -> None:
    begun = run(**SHOP, signing_key=str(key))["run"]
    key.unlink()
    key.with_suffix(".pub").unlink(missing_ok=True)
    ended = run(state="ended", run=begun, verdict="released")
    assert (ended["verdict"], ended["head"]["number"], "signature" in ended["head"]) == ("released", 3, False)
    assert "the head of the ledger could not be signed" in warned[-1]


def test_the_plan_a_release_began_with_is_told_when_it_goes_on(run: Run) -> None:
    assert run(**SHOP, plan="sha256:aa")["plan"] == "sha256:aa"
    resumed = run(**SHOP, plan="sha256:bb", takeover=True, reason="that machine is gone")
    assert (resumed["decision"], resumed["plan"]) == ("continue", "sha256:aa")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({**SHOP, "components": None}, "components"),
        ({**SHOP, "takeover": True}, "reason"),
        ({**SHOP, "ttl": 0}, "at least 1 second"),
        ({"state": "ended"}, "run, verdict"),
        ({**WHERE, "state": "lifted", "version": "1.4.0"}, "reason"),
        ({**WHERE, "state": "lifted", "reason": "CHG-7"}, "version"),
        ({**SHOP, "alone": ["api"]}, "leave out version, or alone"),
        ({**SHOP, "version": None, "kind": "restore", "alone": ["api"]}, "The kind restore has no alone"),
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
