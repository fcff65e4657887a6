# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_restore with a real server and real backups."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.modules import pg_backup, pg_restore
from services.packages import require


@pytest.fixture
def run(capsys):
    def run_module(module=pg_restore, **options):
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


@pytest.fixture
def options(database, tmp_path):
    own = database.server
    login = {"host": own.host, "port": own.port, "user": own.user, "password": own.password}
    return {
        "database": database.name,
        "server": {**login, "bindir": str(own.bindir)},
        "store": {"path": str(tmp_path / "backups")},
    }


@pytest.fixture
def backup(run, options):
    assert run(pg_backup, id="shop-1", proof="checksum", **options)["changed"]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    require("age", "age")
    path = tmp_path_factory.mktemp("age") / "key.txt"
    subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
    return {"recipients": re.findall(r"public key: (age1\S+)", path.read_text()), "identity_file": str(path)}


def orders(database):
    return database.sql("select count(*) from shop.orders")[0][0]


def test_there_and_back_with_a_safety_backup(run, options, backup, database):
    database.sql("delete from shop.orders where id > 10")
    there = run(id="shop-1", accept_data_loss=True, _ansible_diff=True, **options)
    assert (there["changed"], there["backup"], orders(database)) == (True, "shop-1", 10000)
    assert there["diff"] == {
        "before": f"{database.name}: exists\n",
        "after": f"{database.name}: restored from backup shop-1\n",
    }
    assert 0 < there["outage_ms"] <= 1000 * there["phases"]["swap"] + 1
    assert there["phases"].keys() == {"safety_backup", "restore", "proof", "analyze", "swap"}
    safety = LocalStore(options["store"]["path"]).the(there["safety_backup"])
    assert next(table["rows"] for table in safety.tables if table["name"] == '"shop"."orders"') == 10
    back = run(state="reverted", accept_data_loss=True, **options)
    assert (back["changed"], orders(database)) == (True, 10)
    assert options["server"]["password"] not in json.dumps([there, back])


def test_check_mode_writes_nothing(run, options, backup, database):
    database.sql("delete from shop.orders where id > 10")
    found = run(id="shop-1", accept_data_loss=True, _ansible_check_mode=True, **options)
    assert (found["changed"], orders(database), found["replaced"]) == (True, 10, "")
    assert [one.id for one in LocalStore(options["store"]["path"]).backups()] == ["shop-1"]


def test_what_is_only_checked_is_refused_or_planned_and_nothing_is_written(run, options, backup, database):
    database.sql("delete from shop.orders where id > 10")
    found = run(state="checked", id="shop-1", accept_data_loss=True, **options)
    assert (found["changed"], found["replaced"], orders(database)) == (False, "", 10)
    assert found["plan"][1] == f"put it in the place of {database.name}"
    assert found["data_loss_seconds"] > 0
    assert "set accept_data_loss" in run(state="checked", id="shop-1", **options)["msg"]
    assert [one.id for one in LocalStore(options["store"]["path"]).backups()] == ["shop-1"]


def test_a_second_run_changes_nothing_and_keeps_what_was_written_since(run, options, backup, database):
    there = run(id="shop-1", accept_data_loss=True, safety_backup=False, **options)
    database.sql("delete from shop.orders where id > 10")
    found = run(id="shop-1", accept_data_loss=True, safety_backup=False, **options)
    assert (found["changed"], orders(database), found["backup"]) == (False, 10, "shop-1")
    assert 0 < found["data_loss_seconds"] <= there["data_loss_seconds"], "what the restore lost, that was done"


def test_after_a_restore_no_backup_from_before_it_is_young_enough(run, options, backup, database):
    young = {"proof": "checksum", "if_younger_than": "1 h", **options}
    assert run(pg_backup, id="shop-2", **young)["id"] == "shop-1"
    run(id="shop-1", accept_data_loss=True, safety_backup=False, **options)
    taken = run(pg_backup, id="shop-3", **young)
    assert (taken["id"], taken["taken"]) == ("shop-3", True)
    assert run(pg_backup, id="shop-4", **young)["id"] == "shop-3"
    run(state="reverted", accept_data_loss=True, **options)
    assert run(pg_backup, id="shop-5", **young)["taken"]


def test_without_consent_it_says_how_much_would_be_lost(run, options, backup, database):
    found = run(id="shop-1", **options)
    assert found["failed"]
    assert found["data_loss_seconds"] > 0
    assert "set accept_data_loss" in found["msg"]


def test_an_encrypted_backup_comes_back_with_its_key_and_its_safety_backup_is_encrypted_too(
    run, options, database, key
):
    run(pg_backup, id="shop-1", proof="checksum", encryption=key, **options)
    database.sql("delete from shop.orders where id > 10")
    given = {"id": "shop-1", "accept_data_loss": True, **options}
    assert "backup shop-1 is encrypted" in run(**given)["msg"]
    assert "give encryption.recipients" in run(encryption={"identity_file": key["identity_file"]}, **given)["msg"]
    assert orders(database) == 10
    found = run(encryption=key, **given)
    assert (found["changed"], orders(database)) == (True, 10000)
    safety = LocalStore(options["store"]["path"]).the(found["safety_backup"])
    assert safety.encryption == "age"


def test_without_the_key_for_its_safety_backup_it_is_refused_before_anything_is_stopped(run, options, database, key):
    run(pg_backup, id="shop-1", proof="checksum", encryption=key, **options)
    looked = {"state": "checked", "id": "shop-1", "accept_data_loss": True, **options}
    mine = {"identity_file": key["identity_file"]}
    assert "give encryption.recipients" in run(encryption=mine, **looked)["msg"]
    assert "plan" in run(encryption=mine, safety_backup=False, **looked)
    assert "plan" in run(encryption=key, **looked)


def test_a_key_that_is_not_there_or_another_one_is_refused_before_anything_is_stopped(
    run, options, database, key, tmp_path, monkeypatch
):
    run(pg_backup, id="shop-1", proof="checksum", encryption=key, **options)
    looked = {"state": "checked", "id": "shop-1", "accept_data_loss": True, "safety_backup": False, **options}
    gone, other = tmp_path / "gone", tmp_path / "other"
    subprocess.run(["age-keygen", "-o", str(other)], check=True, capture_output=True)
    assert f"there is no identity file {gone}" in run(encryption={"identity_file": str(gone)}, **looked)["msg"]
    assert "no identity matched" in run(encryption={"identity_file": str(other)}, **looked)["msg"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "age is not installed" in run(encryption=key, **looked)["msg"]


def test_without_pg_restore_of_the_servers_version_it_is_refused_before_anything_is_stopped(
    run, options, backup, tmp_path
):
    for program in ("pg_dump", "psql"):
        (tmp_path / program).symlink_to(Path(options["server"]["bindir"]) / program)
    options["server"]["bindir"] = str(tmp_path)
    found = run(state="checked", id="shop-1", accept_data_loss=True, **options)
    assert "pg_restore" in found["msg"]


def test_a_damaged_backup_fails_the_task_with_its_name(run, options, backup, database):
    path = Path(options["store"]["path"]) / "shop-1" / "data.dump"
    path.write_bytes(path.read_bytes()[:-1])
    found = run(id="shop-1", accept_data_loss=True, safety_backup=False, **options)
    assert found["failed"]
    assert "shop-1" in found["msg"]
