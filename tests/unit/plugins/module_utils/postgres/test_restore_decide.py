# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore decides; how it is done is tested on real servers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres import scratch
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore_decide import Have, Plan, Request, decide
from ansible_collections.runbook.release.plugins.module_utils.postgres.swap import Database

from .backups import NOW, manifest

BACKUP = manifest()
LIVE = Database("shop", 16400, True, "")
THERE = Have(NOW, LIVE, "7301", BACKUP)
WANTED = Request("restored", "shop", "shop-1", accept_data_loss=True)
BACK = Request("reverted", "shop", accept_data_loss=True)


def kept(kind, at=NOW - timedelta(minutes=5)):
    said = {"made": scratch.MAKER, "kept": {"kind": kind, "of": "shop", "at": at.isoformat(), "backup": "shop-1"}}
    return Database(f"shop__{kind}", 16300, False, json.dumps(said))


def test_a_backup_is_restored_and_the_lost_seconds_are_counted_from_its_moment():
    assert decide(THERE, WANTED) == Plan(restore=BACKUP, lost=3600.0)


def test_of_a_database_that_is_gone_everything_since_the_backup_is_lost_and_nobody_has_to_accept_it():
    gone = decide(replace(THERE, live=None), replace(WANTED, accept_data_loss=False))
    assert gone == Plan(restore=BACKUP, lost=3600.0)


def test_a_restore_that_is_done_lost_what_was_written_between_its_backup_and_its_end():
    have = replace(THERE, restored_from=BACKUP.id, restored_at=NOW - timedelta(minutes=30))
    assert decide(have, WANTED) == Plan(lost=1800.0)


def test_what_was_restored_from_this_backup_stays():
    have = replace(THERE, restored_from=BACKUP.id)
    assert not decide(have, WANTED).changes
    assert decide(have, replace(WANTED, again=True)).restore == BACKUP
    assert decide(replace(have, restored_from="another"), WANTED).restore == BACKUP


def test_a_restore_that_began_later_is_not_done_by_one_from_before_it():
    earlier = replace(THERE, restored_from=BACKUP.id, restored_at=NOW - timedelta(hours=2))
    this = replace(WANTED, began=NOW - timedelta(hours=1))
    with pytest.raises(Refused, match=r"shop was restored from backup shop-1 before this restore began, at 2026-"):
        decide(earlier, this)
    assert decide(earlier, replace(this, again=True)).restore == BACKUP
    done = replace(earlier, restored_at=NOW - timedelta(minutes=30))
    assert not decide(done, this).changes
    assert not decide(done, replace(this, again=True)).changes, "it goes on, and does not do again what it did"


def test_what_an_earlier_run_left_open_is_a_change_by_itself():
    have = replace(THERE, restored_from=BACKUP.id, pending=("finish the swap",))
    plan = decide(have, WANTED)
    assert (plan.acts, plan.changes, plan.mend) == (False, True, ("finish the swap",))


def test_the_last_restore_is_taken_back_once():
    have = replace(THERE, backup=None, kept=(kept("replaced"), kept("replaced", NOW - timedelta(days=9))))
    plan = decide(have, BACK)
    assert (plan.revert, plan.lost) == (have.kept[0], 300.0)
    assert not decide(replace(have, kept=(kept("reverted"), *have.kept)), BACK).changes


@pytest.mark.parametrize(
    ("have", "request_", "code"),
    [
        (THERE, replace(WANTED, accept_data_loss=False), "data_loss"),
        (replace(THERE, kept=(kept("replaced"),)), replace(BACK, accept_data_loss=False), "data_loss"),
        (replace(THERE, system="4711"), WANTED, "identity"),
        (replace(THERE, backup=manifest(database="crm")), WANTED, "identity"),
        (replace(THERE, obstacles=("prepared transaction 'x'",)), WANTED, "swap"),
        (replace(THERE, live=replace(LIVE, open=False)), WANTED, "swap"),
        (THERE, replace(WANTED, database="postgres"), "swap"),
        (THERE, BACK, "swap"),
        (replace(THERE, live=None, kept=(kept("replaced"),)), BACK, "swap"),
    ],
)
def test_what_is_refused(have, request_, code):
    with pytest.raises(Refused) as refused:
        decide(have, request_)
    assert refused.value.details["code"] == code
    assert refused.value.remedy or code == "swap"


def test_a_backup_of_another_origin_is_restored_if_that_is_meant():
    assert decide(replace(THERE, system="4711"), replace(WANTED, accept_foreign=True)).restore == BACKUP


def test_connections_that_a_killed_swap_left_off_are_no_reason_to_refuse():
    have = replace(THERE, live=replace(LIVE, open=False), pending=("undo the swap",))
    assert decide(have, WANTED).restore == BACKUP


@pytest.mark.parametrize("words", ["", "orders of the shop", "{}", '{"made": "somebody"}', '["runbook.release"]', "{"])
def test_words_of_others_on_a_database_are_not_taken_for_ours(words):
    assert Database("shop", 1, True, words).record == {}
    assert Database("shop", 1, True, words).kept == {}


def test_a_record_survives_its_way_through_a_comment():
    said = scratch.comment("shop", {"made": scratch.MAKER, "kept": {"comment": 'it\'s \\ "odd" ü'}})
    text = said.partition(" is ")[2].strip()
    plain = (
        text[2:-1].replace("''", "'").replace("\\\\", "\\") if text.startswith("E'") else text[1:-1].replace("''", "'")
    )
    assert scratch.record(plain)["kept"]["comment"] == 'it\'s \\ "odd" ü'
