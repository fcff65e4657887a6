# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.change.want import Want
from ansible_collections.runbook.release.plugins.modules import workload_change


class Untouched:
    """A cluster nobody may ask."""

    dry_run = True

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"state": "scaled"}, "name"),
        ({"state": "scaled", "name": "api"}, "replicas"),
        ({"state": "scaled", "name": "api", "replicas": 0}, "would stop"),
        ({"state": "scaled", "name": "api", "replicas": -1, "contain": True}, "would stop"),
        ({"state": "scaled", "name": "agent", "kind": "DaemonSet", "replicas": 2}, "A DaemonSet has one pod"),
        ({"state": "configured", "name": "api"}, "env, unset, append, resources"),
        ({"state": "configured", "name": "api", "env": {"A": True}}, "The value of A is no text"),
        ({"state": "configured", "name": "api", "env": {"A_TOKEN": [1]}}, "The value of A_TOKEN is no text: (hidden)"),
        ({"state": "configured", "name": "api", "env": {"A": "b"}, "unset": ["A"]}, "in two ways"),
        ({"state": "autoscaled", "name": "api"}, "autoscaler"),
        ({"state": "autoscaled", "name": "api", "autoscaler": {"min": 3, "max": 2}}, "cannot keep 3 to 2 pods"),
        ({"state": "restarted", "name": "api", "temporary": {"for": "1h"}}, "nothing that could be put back"),
        ({"state": "pinned", "name": "api"}, "version"),
        ({"state": "pinned", "name": "api", "version": "evil.example/shop:1"}, "neither a tag nor a digest"),
        ({"state": "undone", "name": "api"}, "revision"),
        ({"state": "scaled", "name": "api", "replicas": 2, "temporary": {"for": "soon"}}, "temporary.for is 'soon'"),
        ({"state": "scaled", "name": "api", "replicas": 2, "temporary": {"reason": "x"}}, "for"),
    ],
)
def test_bad_input_is_refused_before_the_cluster_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(workload_change, "kube_client", lambda module: Untouched())
    with patch_module_args({"namespace": "shop", **options}), pytest.raises(SystemExit):
        workload_change.main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"]
    assert said in result["msg"]


class Done:
    """What a change tells."""

    warnings = ()

    def report(self) -> dict[str, Any]:
        return {"changed": True, "after": {"Deployment api replicas": 3, "Deployment api LOG_LEVEL of app": "'info'"}}


def test_values_of_variables_are_in_no_log_and_no_argument_and_hide_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[str] = []
    asked: list[Want] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _module, msg, **more: logged.append(f"{msg} {more}"))
    monkeypatch.setattr(workload_change, "kube_client", lambda module: Untouched())
    monkeypatch.setattr(workload_change, "change", lambda _client, want, _book: asked.append(want) or Done())
    env = {"DB_PASSWORD": "hush-hush", "LOG_LEVEL": "info", "WORKERS": 3}
    options = {
        "env": env,
        "append": {"API_KEYS": ["one-key"]},
        "api_key": "of-the-cluster",
        "context": "of-the-cluster",
    }
    asks = {"namespace": "shop", "state": "configured", "name": "api", **options}
    with patch_module_args(asks), pytest.raises(SystemExit):
        workload_change.main()
    said = capsys.readouterr().out
    result = json.loads(said)
    assert asked[0].settings.env == {"DB_PASSWORD": "hush-hush", "LOG_LEVEL": "info", "WORKERS": "3"}
    assert result["after"] == Done().report()["after"]
    arguments = result["invocation"]["module_args"]
    assert arguments["env"].keys() == env.keys()
    for secret in ("hush-hush", "one-key", "of-the-cluster"):
        assert secret not in said
        assert secret not in "".join(logged)
    assert "Invoked with" in logged[0]
