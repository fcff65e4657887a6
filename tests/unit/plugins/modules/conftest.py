# SPDX-License-Identifier: GPL-3.0-or-later
"""The main() of a module, on an API server that a test looks into."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ..module_utils.release.api import Api


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run_module(module: Any, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(module, "kube_client", lambda given: api.client(dry_run=given.check_mode))
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module
