# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module pg_restore does before it reaches a server; the rest is tested on real ones."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.modules import pg_restore

SERVER = {"host": "127.0.0.1", "port": 1, "user": "nobody", "password": "hush-hush"}


@pytest.fixture
def run(capsys):
    def run_module(**options):
        with patch_module_args({"database": "shop", "server": SERVER, **options}), pytest.raises(SystemExit):
            pg_restore.main()
        out = capsys.readouterr().out
        assert "hush-hush" not in out
        return json.loads(out)

    return run_module


def test_a_restore_needs_a_store(run):
    found = run(id="shop-1")
    assert found["failed"]
    assert "store" in found["msg"]


def test_a_server_that_is_away_is_said_in_a_sentence(run, tmp_path):
    pytest.importorskip("psycopg2")
    found = run(id="shop-1", store={"path": str(tmp_path)})
    assert found["failed"]
    assert "127.0.0.1:1" in found["msg"]


def test_a_revert_needs_none(run):
    pytest.importorskip("psycopg2")
    assert "127.0.0.1:1" in run(state="reverted")["msg"]
