# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.modules import workload_pause


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Nothing is selected"),
        ({"workloads": [], "labels": {}}, "Nothing is selected"),
        ({"workloads": [{"kind": "DaemonSet", "name": "agent"}]}, "value of kind must be one of"),
    ],
)
def test_nothing_is_asked_of_the_cluster_before_it_is_said_what_to_pause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(workload_pause, "kube_client", lambda module: pytest.fail("asked"))
    given = {"state": "paused", "name": "restore", "namespace": "shop", **options}
    with patch_module_args(given), pytest.raises(SystemExit):
        workload_pause.main()
    assert said in json.loads(capsys.readouterr().out)["msg"]
