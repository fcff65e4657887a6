# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_migrate refuses before it has asked anybody; the rest needs a server, see tests/services_cases."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.migration.setup import (
    keep_log,
    needs_cluster,
    session_options,
)
from ansible_collections.runbook.release.plugins.modules import pg_migrate

SERVER = {"host": "127.0.0.1", "port": 1, "user": "owner", "password": "do-not-show"}
OPTIONS: dict[str, Any] = {
    "name": "orders",
    "kind": "sql",
    "class": "expand",
    "database": "shop",
    "server": SERVER,
    "path": "/nowhere",
}
JOB = {"namespace": "shop", "like": {"name": "app"}}


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    given = {key: value for key, value in {**OPTIONS, **options}.items() if value is not None}
    with patch_module_args(given), pytest.raises(SystemExit):
        pg_migrate.main()
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"class": None}, "missing required arguments: class"),
        ({"class": "harmless"}, "value of class must be one of"),
        ({"path": None}, "kind is sql but all of the following are missing: path"),
        ({"state": "downgraded"}, "state is downgraded but all of the following are missing: to"),
        ({"kind": "alembic", "path": None}, "kind is alembic but any of the following are missing: path, job, pod"),
        ({"kind": "job", "path": None, "job": JOB, "command": ["x"]}, "missing parameter(s) required by 'job': image"),
        ({"kind": "job", "path": None, "image": "i", "job": JOB}, "kind is job but all of the following are missing"),
        ({"job": JOB, "image": "i"}, "parameters are mutually exclusive: path|job|pod"),
        ({"revision": {"kind": "query"}}, "kind is query but all of the following are missing: query"),
        ({"path": "/nowhere"}, "no folder with migrations"),
    ],
)
def test_mistakes_in_the_options_are_said_before_anything_is_reached(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], said: str
) -> None:
    assert said in run(capsys, **options)["msg"]


def test_files_over_tcp_need_no_cluster() -> None:
    params = {"server": {"mode": "tcp"}, "run": None, "job": None, "pod": None}
    assert not needs_cluster(params)
    assert needs_cluster({**params, "job": JOB})
    assert needs_cluster({**params, "server": {"mode": "exec"}})


def test_sessions_of_a_command_end_with_it_where_the_server_can_notice() -> None:
    assert "client_connection_check_interval" in session_options(5, 14)
    assert session_options(5, 13) == "-c lock_timeout=5000"


def test_a_log_keeps_what_was_said_before_and_dates_each_run(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "orders.log"
    for said in ("0001: done", "", "0002: failed\n"):
        keep_log(str(log), "orders", said)
    dated = r"== \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ orders\n"
    assert re.fullmatch(rf"{dated}0001: done\n{dated}0002: failed\n", log.read_text())
    assert log.stat().st_mode & 0o777 == 0o600


def test_no_log_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    keep_log(None, "orders", "0001: done")
    assert [*tmp_path.iterdir()] == []
