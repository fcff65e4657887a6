# SPDX-License-Identifier: GPL-3.0-or-later
"""The role that backs up, called without a release: of this checkout, with stand-ins for what needs a server."""

from __future__ import annotations

from pathlib import Path

from .stage import StandIn, play

BACK_UP = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.backup}
    - debug: {msg: "{{ release_context.backups.orders }} is there"}
"""


def test_one_call_backs_up_every_database_and_proves_it_though_nothing_is_released(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(BACK_UP)
    host = {
        "release_system": "shop",
        "release_cluster": {"namespace": "shop"},
        "release_databases": [
            {"name": "orders", "server": {"mode": "tcp", "host": "db", "user": "shop"}},
            {"name": "settings", "server": {"mode": "job", "cronjob": "settings-backup"}},
        ],
        "release_backups": {"store": {"path": "/backups"}, "proof": "restore"},
    }
    said, asked = play(
        tmp_path,
        tmp_path / "play.yml",
        {"shop": host},
        StandIn("pg_backup", "database", {"orders": {"id": "shop-20261122T080000Z-orders", "changed": True}}),
    )
    assert ("failed=0" in said, asked) == (True, [["pg_backup", "orders"], ["pg_backup", "settings"]]), said
    assert "shop-20261122T080000Z-orders is there" in said


def test_a_database_that_cannot_be_backed_up_ends_it_there(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(BACK_UP)
    databases = [{"name": name, "server": {"mode": "tcp", "host": "db", "user": "shop"}} for name in ("orders", "old")]
    host = {
        "release_system": "shop",
        "release_cluster": {"namespace": "shop"},
        "release_databases": databases,
        "release_backups": {"store": {"path": "/backups"}, "keep": {"daily": 7}},
    }
    failed = {"orders": {"failed": True, "msg": "the disk is full"}}
    said, asked = play(tmp_path, tmp_path / "play.yml", {"shop": host}, StandIn("pg_backup", "database", failed))
    assert ("the disk is full" in said, "is there" in said, "failed=1" in said) == (True, False, True), said
    assert asked == [["pg_backup", "orders"], ["pg_backup", "old"]], said
