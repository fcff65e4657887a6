# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.modules import release_lock

from ..module_utils.lock.lease_api import LeaseApi, LeaseClient

SHOP = {"namespace": "shop", "system": "web_shop", "environment": "prod", "holder": "alice@a"}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def api() -> LeaseApi:
    return LeaseApi()


@pytest.fixture
def run(api: LeaseApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_module(**options: Any) -> dict[str, Any]:
        monkeypatch.setattr(release_lock, "kube_client", lambda given: LeaseClient(api, dry_run=given.check_mode))
        given = {name: value for name, value in {**SHOP, **options}.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit):
            release_lock.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def test_from_held_to_released(run: Run) -> None:
    held = run()
    assert (held["changed"], held["lease"]) == (True, "shop/web-shop-prod")
    assert run(state="renewed", token=held["token"])["changed"]
    assert run(state="released", token=held["token"])["holder"] == ""
    assert not run(state="released", token=held["token"])["changed"]


def test_the_refusal_names_the_holder(run: Run) -> None:
    run()
    refused = run(holder="bob@b")
    assert refused["failed"]
    assert "alice@a has held the lock" in refused["msg"]
    assert refused["owner"]["remaining"] == 60


def test_check_mode_shows_the_difference(run: Run, api: LeaseApi) -> None:
    result = run(_ansible_check_mode=True, _ansible_diff=True)
    assert (result["changed"], result["diff"]["after"]["holder"], api.lease) == (True, "alice@a", None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ttl": 0}, "at least 1 second"),
        ({"state": "renewed"}, "token"),
        ({"state": "released"}, "token"),
        ({"takeover": True}, "reason"),
        ({"takeover": True, "reason": "x", "token": 1}, "mutually exclusive"),
        ({"name": "other"}, "mutually exclusive"),
        ({"system": None, "environment": None}, "one of the following is required: name, system"),
        ({"environment": None}, "environment"),
    ],
)
def test_bad_input_is_refused(run: Run, api: LeaseApi, options: dict[str, Any], said: str) -> None:
    result = run(**options)
    assert result["failed"]
    assert said in result["msg"]
    assert api.lease is None
