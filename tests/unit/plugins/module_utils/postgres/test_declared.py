# SPDX-License-Identifier: GPL-3.0-or-later
"""How each declared database is saved, as the plan says it and the roles do it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres.declared import databases

SERVER = {"host": "db"}
CRONJOB = {"mode": "job", "namespace": "shop", "cronjob": "nightly"}
SHARED = {"path": "/backups"}


def one(backups: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    return databases([{"name": "shop", "server": SERVER, **given}], backups)["shop"]


@pytest.mark.parametrize(
    ("given", "backups", "backup", "store"),
    [
        ({}, {"store": SHARED}, "store", SHARED),
        ({"store": {"path": "/own"}}, {"store": SHARED}, "store", {"path": "/own"}),
        ({"store": {"path": "/own"}}, None, "store", {"path": "/own"}),
        ({}, {}, "", None),
        ({}, None, "", None),
        ({"server": CRONJOB}, {"store": SHARED}, "cronjob", None),
        ({"server": CRONJOB, "store": SHARED}, None, "cronjob", None),
        ({"server": {**SERVER, "cronjob": None}}, {"store": SHARED}, "store", SHARED),
    ],
)
def test_a_database_is_saved_in_a_store_or_by_its_cronjob_or_not_at_all(
    given: dict[str, Any], backups: dict[str, Any] | None, backup: str, store: dict[str, str] | None
):
    found = one(backups, **given)
    assert (found["backup"], found.get("store")) == (backup, store)
    assert bool(found["sentence"]) == bool(backup)


def test_what_a_database_says_itself_counts_more_than_what_all_say():
    backups = {"store": SHARED, "proof": "full", "age": "1 h", "keep": {"last": 3}}
    found = one(backups, proof="decode", proof_within="7 d")
    assert (found["proof"], found["age"], found["proof_within"]) == ("decode", "1 h", "7 d")
    assert found["keep"] == {"last": 3}
    assert found["sentence"] == "shop, proven to the level decode"


def test_what_nobody_set_is_not_there_and_every_backup_is_proven_to_be_restorable():
    found = one({"store": SHARED, "age": "", "encryption": {}}, jobs=None)
    assert not {"age", "encryption", "keep", "jobs", "proof_within"} & found.keys()
    assert found["proof"] == "restore"


def test_a_cronjob_is_named_in_the_plan():
    assert one(server=CRONJOB)["sentence"] == "shop, by CronJob nightly, which nobody proves"


def test_no_databases_are_none():
    assert databases(None, {"store": SHARED}) == {}


def test_a_name_that_is_declared_twice_is_refused():
    with pytest.raises(Refused, match="Database shop is declared twice"):
        databases([{"name": "shop", "server": SERVER}] * 2)
