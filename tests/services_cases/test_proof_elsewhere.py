# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup is proven on another server, and the live one is only read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.modules import pg_backup
from services.postgres import Postgres

ROWS = "create table orders (id int primary key); insert into orders select generate_series(1, 1000)"


@pytest.fixture
def name(postgres15: Postgres) -> Iterator[str]:
    """A database and an account of that name that may read it, and make none."""
    name = f"proven_{secrets.token_hex(3)}"
    postgres15.sql(f"create database {name}")
    postgres15.sql(ROWS, name)
    postgres15.sql(f"create role {name} login password '{name}'; grant pg_read_all_data to {name}")
    yield name
    postgres15.sql(f"drop database {name} with (force)")
    postgres15.sql(f"drop role {name}")


@pytest.fixture
def run(
    postgres15: Postgres, name: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    live = {"host": postgres15.host, "port": postgres15.port, "user": name, "password": name}
    options = {"id": "shop-1", "database": name, "store": {"path": str(tmp_path)}, "proof": "full"}

    def on(scratch: Postgres | None = None) -> dict[str, Any]:
        given: dict[str, Any] = {**options, "server": {**live, "bindir": str(postgres15.bindir)}}
        if scratch:
            login = {"host": scratch.host, "port": scratch.port, "user": scratch.user, "password": scratch.password}
            given["scratch"] = {**login, "bindir": str(scratch.bindir)}
        with patch_module_args(given), pytest.raises(SystemExit):
            pg_backup.main()
        return dict(json.loads(capsys.readouterr().out))

    return on


def test_a_proof_on_another_server_needs_no_copy_on_the_live_one(
    run: Callable[..., dict[str, Any]], own_postgres: Callable[..., Postgres]
) -> None:
    assert "lacks the right" in run()["msg"], "the account can make no database beside the live one"
    elsewhere = own_postgres()
    done = run(elsewhere)
    assert (done.get("msg"), done["backup"]["level"]) == (None, "full")
    assert elsewhere.password not in json.dumps(done)
    left = elsewhere.sql("select datname from pg_database where starts_with(datname, 'runbook_scratch_')")
    assert left == []


def test_a_server_of_another_major_version_proves_nothing(
    run: Callable[..., dict[str, Any]], postgres_other: Postgres
) -> None:
    said = run(postgres_other)["msg"]
    assert "is of PostgreSQL 15, the server is PostgreSQL 18" in said
