# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_migrate, and the same migrations through the exec of a pod."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.pod import Account, PodServer
from ansible_collections.runbook.release.plugins.modules import pg_migrate
from services_cases.exec_stand_in import LocalExec
from services_cases.migrating import BATCHES, Case


def test_the_module_says_what_it_did_and_shows_no_password(
    case: Case, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    case.write("0001_paid", "alter table orders add paid boolean")
    login = {"host": case.login.host, "port": case.login.port, "user": case.login.user}
    given = {"name": "orders", "kind": "sql", "class": "expand", "path": str(case.folder), "database": case.name}
    log = tmp_path / "logs" / "orders.log"
    said = {}
    for port in (case.login.port, 1):
        server = {**login, "port": port, "password": case.login.password}
        options = {**given, "server": server, "log": str(log), "_ansible_diff": True}
        with patch_module_args(options), pytest.raises(SystemExit):
            pg_migrate.main()
        out = capsys.readouterr().out
        assert case.login.password not in out
        said[port] = json.loads(out)
    done, away = list(said.values())
    assert (done["changed"], done["after"]["revision"], done["diff"]["after"]) == (True, "0001_paid", "0001_paid\n")
    assert (log.read_text().splitlines()[1:], log.stat().st_mode & 0o777) == (["0001_paid: done"], 0o600)
    assert "cannot be reached" in away["msg"]


def test_through_a_pod_it_is_all_the_same(case: Case) -> None:
    account = Account(case.login.user, case.login.password, case.login.host, case.login.port)
    folder = case.postgres.bindir
    case.server = PodServer(lambda argv: LocalExec(argv, path=folder), account, "pod shop/pg-0 (postgres)")
    case.write("0001_paid", "alter table orders add paid boolean; comment on table orders is 'a \\ b'")
    case.write("0002_amounts", BATCHES)
    case.write("0003_index", "-- release: alone\ncreate index concurrently orders_note on orders (note)")
    assert case.run(batch=2500).after.text == "0003_index"
    assert case.sql("select count(*) from orders where amount between 1000001 and 1005000") == [(5000,)]
    case.write("0004_drop", "alter table orders drop note")
    with pytest.raises(ReleaseError, match=r"but column note of public\.orders is gone\. It was rolled"):
        case.run()
    assert case.revision == "0003_index"
    dump = case.postgres.connect(case.name, application_name="pg_dump")
    with pytest.raises(Refused, match="dumps the database"):
        case.run(**{"class": "contract"}, backup="b-1")
    dump.close()
