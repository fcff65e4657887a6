# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_backup with real servers and real stores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.reach import store_of
from ansible_collections.runbook.release.plugins.modules import pg_backup_info
from services.backups import option_of, reached
from services.s3 import S3
from services_cases.backing_up import Run
from services_cases.conftest import Database


def test_a_backup_is_made_and_proven_by_a_restore(run: Run, options: dict[str, Any], database: Database) -> None:
    result = run(**options, release="shop-prod-1")
    assert (result["changed"], result["taken"], result["id"]) == (True, True, "shop-1")
    made = result["backup"]
    assert (made["level"], made["proof"]["holds"], made["release"]) == ("restore", True, "shop-prod-1")
    assert made["rows"] > 18_000
    assert made["server"]["major"] == 15
    assert made["phases"].keys() == {"dump", "schema", "contents"}
    scratch = database.server.sql("select datname from pg_database where datname like 'runbook_scratch%'")
    assert scratch == []


def test_made_again_it_is_the_same_backup(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    first = run(**options)
    before = (Path(store.where) / "shop-1" / "manifest.json").read_bytes()
    second = run(**options)
    assert (second["changed"], second["taken"], second["plan"]) == (False, False, [])
    assert second["backup"]["proof"]["at"] == first["backup"]["proof"]["at"]
    assert (Path(store.where) / "shop-1" / "manifest.json").read_bytes() == before


def test_check_mode_says_what_it_would_do_and_writes_nothing(
    run: Run, options: dict[str, Any], store: LocalStore
) -> None:
    result = run(**options, _ansible_check_mode=True, _ansible_diff=True)
    name = options["database"]
    assert result["changed"]
    assert result["plan"] == [f"dump {name} as backup shop-1", "prove backup shop-1 to level restore"]
    assert result["diff"] == {"before": "", "after": "shop-1: level restore\n"}
    assert not Path(store.where).exists()


def test_check_mode_tells_that_it_could_not(run: Run, options: dict[str, Any]) -> None:
    result = run(**{**options, "compression": "brotli"}, _ansible_check_mode=True)
    assert result["failed"]
    assert "brotli" in result["msg"]


def test_no_secret_is_in_the_result_or_the_store(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    result = run(**options, proof="checksum")
    secret = options["server"]["password"]
    assert secret not in json.dumps({name: value for name, value in result.items() if name != "invocation"})
    assert secret.encode() not in (Path(store.where) / "shop-1" / "manifest.json").read_bytes()


def test_a_directory_is_dumped_by_several_jobs(
    run: Run, options: dict[str, Any], database_other: Database, store: LocalStore
) -> None:
    given = {**options, "database": database_other.name, "server": option_of(database_other.server)}
    result = run(**given, format="directory", jobs=2)
    assert (result["backup"]["level"], result["backup"]["compression"]) == ("restore", "zstd:3")
    assert result["backup"]["files"] > 5
    assert "data/toc.dat" in {file.name for file in store.the("shop-1").files}


def test_a_backup_in_a_bucket_is_proven_by_a_restore(run: Run, options: dict[str, Any], s3: S3) -> None:
    given = {**options, "store": s3.store(s3.bucket(), prefix="shop")}
    assert run(**given)["backup"]["level"] == "restore"
    assert run(**given)["changed"] is False
    listed = run(pg_backup_info, store=given["store"])
    assert [one["id"] for one in listed["backups"]] == ["shop-1"]


@pytest.mark.parametrize("place", ["local", "s3"])
def test_an_encrypted_backup_is_proven_with_the_key_alone(
    run: Run, options: dict[str, Any], key: tuple[str, Path], s3: S3, place: str
) -> None:
    given = options if place == "local" else {**options, "store": s3.store(s3.bucket())}
    recipient, file = key
    result = run(**given, encryption={"recipients": [recipient], "identity_file": str(file)})
    assert (result["backup"]["encryption"], result["backup"]["level"]) == ("age", "restore")
    stored = store_of({"path": None, "s3": None, **given["store"]})
    assert next(stored.read("shop-1", "data.dump.age")).startswith(b"age-encryption.org")
    wrong = run(**{**given, "state": "verified", "proof": "full"})
    assert "backup shop-1 is encrypted" in wrong["msg"]
    assert "give encryption.identity_file" in wrong["msg"]


def test_a_backup_nobody_here_can_decrypt_is_not_called_proven(
    run: Run, options: dict[str, Any], key: tuple[str, Path], store: LocalStore
) -> None:
    refused = run(**options, encryption={"recipients": [key[0]]})
    assert "a backup that nobody can decrypt is not proven" in refused["msg"]
    assert not Path(store.where).exists()
    made = run(**options, encryption={"recipients": [key[0]]}, proof="checksum")
    assert made["backup"]["level"] == "checksum"


def test_a_recipient_age_does_not_know_is_refused_before_the_dump(
    run: Run, options: dict[str, Any], store: LocalStore
) -> None:
    result = run(**options, encryption={"recipients": ["age1nonsense"]}, proof="checksum")
    assert "age ended with 1" in result["msg"]
    assert store.backups() == []


def test_a_backup_of_another_system_under_this_id_is_refused_naming_both(
    run: Run, options: dict[str, Any], database: Database, database_other: Database
) -> None:
    run(**options, proof="checksum")
    other = {**options, "database": database_other.name, "server": option_of(database_other.server)}
    result = run(**other)
    systems = [reached(one.server).identity().system for one in (database, database_other)]
    assert f"of database {database.name} of system {systems[0]}" in result["msg"]
    assert f"database {database_other.name} of system {systems[1]}" in result["msg"]


def test_the_second_of_two_at_once_is_told_of_the_first(
    run: Run, options: dict[str, Any], database: Database, store: LocalStore
) -> None:
    with reached(database.server) as first, first.locked(database.name):
        result = run(**options)
    assert f"another backup, restore or migration of {database.name} is running: runbook.release" in result["msg"]
    assert "pid" in result["msg"]
    assert store.backups() == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"port": 1}, "127.0.0.1:1"),
        ({"user": "nobody"}, "nobody"),
    ],
)
def test_a_server_that_lets_nobody_in_is_an_error_that_says_so(
    run: Run, options: dict[str, Any], store: LocalStore, wrong: dict[str, Any], said: str
) -> None:
    result = run(**{**options, "server": {**options["server"], **wrong}})
    assert said in result["msg"]
    assert not Path(store.where).exists()


def test_a_database_that_is_not_there_is_an_error_that_says_so(
    run: Run, options: dict[str, Any], store: LocalStore
) -> None:
    assert "nowhere" in run(**{**options, "database": "nowhere"})["msg"]
    assert store.backups() == []


@pytest.fixture
def reader(database: Database) -> Iterator[dict[str, Any]]:
    """Somebody who may read all tables."""
    name, secret = f"reader_{database.name}", "reader"
    database.sql(f"create role {name} login password '{secret}' in role pg_read_all_data")
    yield {"user": name, "password": secret}
    database.sql(f"drop owned by {name}; drop role {name}")


def test_what_cannot_be_read_is_told_with_the_grant_before_anything_is_dumped(
    run: Run, options: dict[str, Any], database: Database, reader: dict[str, Any], store: LocalStore
) -> None:
    database.sql("create table secrets (who text); alter table secrets enable row level security")
    result = run(**{**options, "server": {**options["server"], **reader}})
    assert "row-level security hides rows" in result["msg"]
    assert "GRANT SELECT ON LARGE OBJECT" in result["msg"]
    assert store.backups() == []
