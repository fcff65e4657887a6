# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_backup and pg_backup_info do without asking a server; the rest has real ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres.decide import Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import Proof
from ansible_collections.runbook.release.plugins.module_utils.postgres.operate import operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.retention import Policy
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.plugins.modules import pg_backup, pg_backup_info

from ..module_utils.postgres.backups import SERVER, kept
from ..module_utils.release.api import Api, begun, entries, stolen

Run = Callable[..., dict[str, Any]]
SOME = {"host": "db.example.com"}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_module(module: Any = pg_backup, **options: Any) -> dict[str, Any]:
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "backups"))


def aged(store: LocalStore, count: int, **more: Any) -> None:
    """So many backups, one a day, the newest an hour old."""
    now = datetime.now(UTC)
    for number in range(count):
        kept(store, f"shop-{number}", made_at=now - timedelta(days=number, hours=1), **more)


def pruned(store: LocalStore, **more: Any) -> dict[str, Any]:
    return {"state": "pruned", "database": "shop", "store": {"path": store.where}, "keep": {"daily": 3}, **more}


def test_backups_are_pruned_by_the_policy(run, store):
    aged(store, 6)
    result = run(**pruned(store), _ansible_diff=True)
    assert (result["changed"], result["deleted"]) == (True, ["shop-3", "shop-4", "shop-5"])
    assert [one.id for one in store.backups()] == ["shop-2", "shop-1", "shop-0"]
    assert "shop-5: level none\n" in result["diff"]["before"]
    assert "shop-5" not in result["diff"]["after"]
    assert run(**pruned(store))["changed"] is False


def test_in_check_mode_nothing_is_pruned(run, store):
    aged(store, 6)
    result = run(**pruned(store), _ansible_check_mode=True)
    assert (result["changed"], result["deleted"]) == (True, [])
    assert result["plan"][0] == "delete backup shop-3: nothing in the policy keeps it"
    assert len(store.backups()) == 6


def test_the_backups_of_other_databases_are_none_of_its_business(run, store):
    aged(store, 4, database="other")
    assert run(**pruned(store))["changed"] is False


def test_pruning_is_recorded_in_the_release_and_ends_when_its_lock_is_lost(run, store, monkeypatch):
    api = Api()
    given = begun(api)
    monkeypatch.setattr(pg_backup, "kube_client", lambda module: api.client())
    aged(store, 5)
    run(**pruned(store), run=given.report())
    before = {"backups": 5, "newest": "shop-0", "level": "none"}
    plan = [f"delete backup shop-{number}: nothing in the policy keeps it" for number in (3, 4)]
    assert entries(api) == [
        ("prune the backups of shop: begins", before, plan),
        ("prune the backups of shop: done", None, {"plan": plan, "deleted": ["shop-3", "shop-4"], "retained": []}),
    ]
    stolen(api)
    assert "bob@laptop has held it" in run(**pruned(store, keep={"last": 1, "min_valid": 1}), run=given.report())["msg"]
    assert len(store.backups()) == 3


def test_once_the_lock_is_lost_nothing_more_is_deleted(store):
    class LosingBook(Book):
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 2:
                raise Refused("somebody else has the lock")

    aged(store, 5)
    request = Request("pruned", "shop", policy=Policy(last=1, min_valid=1))
    with pytest.raises(Refused, match="somebody else"):
        operate(store, None, request, LosingBook())
    assert len(store.backups()) == 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"server": SOME}, "no store"),
        ({"server": SOME, "store": {"path": "/x"}}, "needs an id"),
        ({"id": "a", "store": {"path": "/x"}}, "missing.*server"),
        ({"state": "pruned", "store": {"path": "/x"}}, "missing.*keep"),
        ({"id": "a", "server": SOME, "store": {}}, "path, s3"),
        ({"id": "a", "server": SOME, "store": {"path": "/x", "s3": {"bucket": "b"}}}, "mutually exclusive"),
        ({"id": "a", "server": SOME, "store": {"path": "/x"}, "if_younger_than": "soon"}, "if_younger_than is 'soon'"),
        ({"state": "pruned", "store": {"path": "/x"}, "keep": {}}, "says nothing about which backups"),
        ({"state": "pruned", "store": {"path": "/x"}, "keep": {"last": 1, "min_valid": 0}}, "min_valid is 0"),
        (
            {"state": "verified", "server": {"mode": "job", "namespace": "n", "cronjob": "c"}},
            "what a CronJob made is in no store",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_in_words(run, monkeypatch, wrong, said):
    monkeypatch.setattr(pg_backup, "kube_client", lambda module: Api().client())
    result = run(database="shop", **wrong)
    assert result["failed"]
    assert re.search(said, result["msg"]), result["msg"]


def test_the_backups_are_listed_from_the_newest(run, store):
    aged(store, 2)
    kept(store, "other-1", database="other")
    kept(store, "foreign", server={**SERVER, "system": "9999"})
    listed = run(pg_backup_info, store={"path": store.where}, database="shop", system="7301")
    assert [one["id"] for one in listed["backups"]] == ["shop-0", "shop-1"]
    assert (listed["bytes"], listed["broken"], "running" in listed) == (14, [], False)
    assert "recovery" not in listed
    assert run(pg_backup_info, store={"path": store.where}, id="other-1")["backups"][0]["database"] == "other"


@pytest.mark.parametrize(("allowed", "holds"), [("2 h", True), ("30 min", False)])
def test_whether_the_recovery_point_holds_is_told(run, store, allowed, holds):
    aged(store, 2)
    assert run(pg_backup_info, store={"path": store.where}, recovery_point=allowed)["recovery"]["holds"] is holds


def test_whether_a_restore_was_proven_lately_is_told(run, store):
    now = datetime.now(UTC)
    aged(store, 1)
    options = {"store": {"path": store.where}, "proof_within": "7 d"}
    assert run(pg_backup_info, **options)["proven"]["sentence"] == "no backup is proven to level restore"
    kept(store, "shop-9", proof=Proof("full", now - timedelta(days=6), 1.0))
    assert run(pg_backup_info, **options)["proven"]["backup"] == "shop-9"


def test_what_is_broken_is_told(run, store):
    aged(store, 1)
    (Path(store.where) / "half").mkdir()
    (broken,) = run(pg_backup_info, store={"path": store.where})["broken"]
    assert (broken["id"], "has no manifest" in broken["why"]) == ("half", True)


def test_a_store_or_a_server_has_to_be_asked(run):
    assert "store, server" in run(pg_backup_info)["msg"]
