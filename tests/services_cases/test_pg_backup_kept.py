# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_backup does with the backups there are, and what pg_backup_info tells of them."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.modules import pg_backup_info
from services.s3 import S3
from services_cases.backing_up import Run
from services_cases.conftest import Database


def test_a_young_backup_will_do_and_an_old_one_will_not(run: Run, options: dict[str, Any]) -> None:
    run(**options, proof="checksum")
    again = {**options, "id": "shop-2", "proof": "checksum"}
    assert run(**again, if_younger_than="1 h")["id"] == "shop-1"
    assert run(**again, if_younger_than="0 s")["id"] == "shop-2"


def test_a_bit_that_flipped_is_found_told_and_remembered(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    run(**options)
    archive = Path(store.where) / "shop-1" / "data.dump"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    result = run(**{**options, "state": "verified", "proof": "full"})
    assert result["failed"]
    assert "backup shop-1 is not good" in result["msg"]
    assert [one["name"] for one in result["failed_checks"]] == ["sha256 of data.dump"]
    listed = run(pg_backup_info, store=options["store"], recovery_point="1 h")
    assert listed["backups"][0]["level"] == "none"
    assert listed["recovery"]["sentence"] == "there is no backup, a loss of at most 1 h is allowed"


def test_the_newest_is_verified_and_only_when_its_proof_is_too_weak_or_old(run: Run, options: dict[str, Any]) -> None:
    run(**options, proof="checksum")
    run(**{**options, "id": "shop-2"}, proof="checksum")
    verify = {**{name: value for name, value in options.items() if name != "id"}, "state": "verified"}
    first = run(**verify)
    assert (first["changed"], first["id"], first["backup"]["level"]) == (True, "shop-2", "restore")
    assert run(**verify, proof_within="1 h")["changed"] is False
    again = run(**verify, proof_within="0 s")
    assert again["backup"]["proof"]["at"] > first["backup"]["proof"]["at"]


def test_a_weaker_proof_does_not_replace_a_stronger_one(run: Run, options: dict[str, Any]) -> None:
    strong = run(**options)
    weak = run(**{**options, "state": "verified"}, proof="checksum", proof_within="0 s")
    assert (weak["changed"], weak["backup"]["proof"]) == (
        False,
        {**strong["backup"]["proof"], "age": weak["backup"]["proof"]["age"]},
    )


def test_there_is_nothing_to_verify(run: Run, options: dict[str, Any]) -> None:
    assert "there is no backup shop-1 to verify" in run(**{**options, "state": "verified"})["msg"]


def test_a_policy_cannot_delete_everything(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    for number in range(4):
        run(**{**options, "id": f"shop-{number}"}, proof="restore" if number == 0 else "checksum")
    prune = {"state": "pruned", "database": options["database"], "store": options["store"], "keep": {"within": "0 s"}}
    planned = run(**prune, _ansible_check_mode=True)
    assert (planned["changed"], len(store.backups())) == (True, 4)
    result = run(**prune)
    assert result["deleted"] == ["shop-1"]
    assert [one.id for one in store.backups()] == ["shop-0", "shop-2", "shop-3"]
    assert {one["id"]: one["why"] for one in result["kept"]}["shop-0"] == "the newest proven"
    assert run(**prune)["changed"] is False


def test_a_locked_backup_is_reported_as_retained(run: Run, options: dict[str, Any], s3: S3) -> None:
    place = s3.store(s3.bucket(lock=True), object_lock_days=3)
    for number in range(3):
        run(**{**options, "id": f"shop-{number}", "store": place}, proof="checksum")
    prune = {"state": "pruned", "database": options["database"], "store": place}
    result = run(**prune, keep={"last": 1, "min_valid": 1})
    assert (result["changed"], result["deleted"], result["retained"]) == (False, [], ["shop-1", "shop-0"])


def test_a_pinned_backup_stays(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    run(**options, proof="checksum")
    pinned = run(**options, proof="checksum", pin="the audit", _ansible_diff=True)
    assert pinned["changed"]
    assert pinned["diff"]["after"] == "shop-1: level checksum, pinned: the audit\n"
    assert run(**options, proof="checksum", pin="the audit")["changed"] is False
    for number in (2, 3):
        run(**{**options, "id": f"shop-{number}"}, proof="checksum")
    prune = {"state": "pruned", "database": options["database"], "store": options["store"]}
    run(**prune, keep={"last": 1, "min_valid": 1})
    assert [one.id for one in store.backups()] == ["shop-1", "shop-3"]


def test_what_would_be_lost_and_what_is_proven_is_told(run: Run, options: dict[str, Any]) -> None:
    run(**options)
    listed = run(
        pg_backup_info,
        database=options["database"],
        store=options["store"],
        server=options["server"],
        recovery_point="1 h",
        proof_within="7 d",
    )
    assert (listed["recovery"]["holds"], listed["proven"]["holds"]) == (True, True)
    assert re.fullmatch(r"backup shop-1 is \S+ (s|min) old, at most 1 h is allowed", listed["recovery"]["sentence"])
    assert (listed["running"], listed["broken"], listed["changed"]) == ([], [], False)
    assert listed["bytes"] == listed["backups"][0]["bytes"]
    none = run(pg_backup_info, store=options["store"], system="42", recovery_point="1 h")
    assert (none["backups"], none["recovery"]["holds"], none["proven"]["holds"]) == ([], False, False)


def test_a_dump_that_is_running_is_told(run: Run, options: dict[str, Any], database: Database) -> None:
    with contextlib.closing(database.server.connect(database.name, application_name="pg_dump")) as dump:
        found = run(pg_backup_info, database=database.name, server=options["server"])["running"]
        assert [(one["program"], one["database"], one["user"]) for one in found] == [
            ("pg_dump", database.name, database.server.user)
        ]
        assert found[0]["pid"] == dump.info.backend_pid
        assert run(pg_backup_info, database="other", server=options["server"])["running"] == []


def test_a_manifest_of_a_newer_schema_is_told_and_not_touched(
    run: Run, options: dict[str, Any], store: LocalStore
) -> None:
    run(**options, proof="checksum")
    path = Path(store.where) / "shop-1" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    assert "schema 99" in run(**options)["msg"]
    listed = run(pg_backup_info, store=options["store"])
    assert listed["broken"] == [{"id": "shop-1", "why": "this is no manifest of schema 1: schema 99"}]
