# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres import age
from ansible_collections.runbook.release.plugins.module_utils.window import spans

from .backups import NOW, manifest, proof

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("allowed", "holds"), [(3600, True), (3599, False)])
def test_what_would_be_lost_is_the_age_of_the_newest_backup(allowed, holds):
    found = age.recovery_point([manifest("old", 9 * HOUR), manifest("new", HOUR)], NOW, allowed)
    assert (found.holds, found.backup, found.age) == (holds, "new", 3600)


def test_a_backup_that_is_known_to_be_bad_saves_nothing():
    backups = [manifest("old", 9 * HOUR), manifest("new", HOUR, proof=proof(ok=False))]
    found = age.recovery_point(backups, NOW, 2 * 3600)
    assert (found.holds, found.sentence) == (False, "backup old is 9 h old, at most 2 h is allowed")


def test_without_a_backup_everything_would_be_lost():
    assert not age.recovery_point([], NOW, 1e12).holds


def test_the_youngest_proof_of_the_level_counts_not_the_youngest_backup():
    backups = [
        manifest("proven", 9 * HOUR, proof=proof("full", HOUR)),
        manifest("older-proof", 2 * HOUR, proof=proof("restore", 5 * HOUR)),
        manifest("weak", HOUR, proof=proof("checksum", timedelta())),
    ]
    found = age.proof(backups, NOW, "restore", 3600)
    assert (found.holds, found.backup) == (True, "proven")
    assert not age.proof(backups, NOW, "restore", 3599).holds
    assert age.proof(backups, NOW, "restore", None).holds
    assert age.proof([manifest()], NOW, "checksum", None).sentence == "no backup is proven to level checksum"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("30 min", 1800),
        ("1h", 3600),
        ("7 d", 604800),
        ("0 s", 0),
        ("1.5 h", 5400),
        ("1h30m", 5400),
        (None, None),
    ],
)
def test_times_are_written_with_units(text, seconds):
    assert spans.optional("x", text) == seconds


@pytest.mark.parametrize("text", ["soon", "5 GB", "-1 h", "1 week", ""])
def test_what_is_no_time_is_refused_naming_the_option(text):
    with pytest.raises(Refused, match="recovery_point is"):
        spans.optional("recovery_point", text)


@pytest.mark.parametrize(("seconds", "words"), [(59, "59 s"), (60, "1 min"), (5400, "90 min"), (604800, "7 d")])
def test_times_are_told_in_words(seconds, words):
    assert spans.words(seconds) == words


def test_a_backup_whose_proof_failed_is_reported_as_proven_by_nothing():
    told = age.report(manifest(proof=proof("full", ok=False)), NOW)
    assert (told["level"], told["proof"]["holds"]) == ("none", False)
    assert told["proof"]["failed"] == [{"name": "rows of public.orders", "expected": 3, "found": 2}]
    assert told["age"] == 3600
