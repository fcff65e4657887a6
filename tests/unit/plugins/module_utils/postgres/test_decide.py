# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres.decide import Have, Plan, Request, decide
from ansible_collections.runbook.release.plugins.module_utils.postgres.retention import Drop, Keep, Policy
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import Identity

from .backups import NOW, SERVER, manifest, proof

HERE = Identity("7301", 150020, 15, "main")
HOUR = timedelta(hours=1)


def want(state="present", **more):
    return Request(state, "shop", **{"id": "shop-1", **more})


def have(*backups, named=None, identity=HERE):
    return Have(NOW, identity, named, backups)


def elsewhere(id="shop-1", **more):
    return manifest(id, server={**SERVER, "system": "9999"}, **more)


def test_what_is_not_there_is_dumped_and_proven():
    assert decide(have(), want()) == Plan(take=True, prove="restore")


def test_what_is_there_and_proven_is_left_alone():
    made = manifest(proof=proof("full"))
    assert not decide(have(made, named=made), want()).changes


@pytest.mark.parametrize("weak", [None, proof("decode"), proof("full", ok=False)])
def test_what_is_there_and_not_proven_enough_is_proven(weak):
    made = manifest(proof=weak)
    assert decide(have(made, named=made), want()) == Plan(backup=made, prove="restore")


@pytest.mark.parametrize(("within", "again"), [(None, ""), (7200, ""), (3599, "restore")])
def test_a_proof_that_is_too_old_is_made_again(within, again):
    made = manifest(proof=proof(age=HOUR))
    assert decide(have(made, named=made), want(proof_within=within)).prove == again


def test_a_backup_of_this_id_that_is_too_old_is_refused_unless_another_is_young_enough():
    old, young = manifest(age=2 * HOUR, proof=proof()), manifest("nightly", age=HOUR / 2, proof=proof())
    with pytest.raises(Refused, match="backup shop-1 is 2 h old, at most 1 h is allowed"):
        decide(have(old, named=old), want(younger_than=3600))
    assert decide(have(old, young, named=old), want(younger_than=3600)).backup is young
    assert decide(have(old, named=old), want("verified", younger_than=3600)).backup is old


def test_a_backup_from_before_a_restore_is_not_young_however_young_it_is():
    named, nightly = manifest(age=HOUR / 2, proof=proof()), manifest("nightly", age=HOUR / 2, proof=proof())
    swapped = {"swapped": NOW - HOUR / 3}
    assert decide(replace(have(nightly), **swapped), want(younger_than=3600)).take
    assert decide(replace(have(nightly), **swapped), want("verified", id="")).backup is nightly
    assert decide(replace(have(named, named=named), **swapped), want()).backup is named
    with pytest.raises(Refused, match=r"shop-1 is of what shop was before a restore at 2026-.* replaced it"):
        decide(replace(have(named, named=named), **swapped), want(younger_than=3600))
    since = manifest("since", age=HOUR / 4, proof=proof())
    assert decide(replace(have(named, since, named=named), **swapped), want(younger_than=3600)).backup is since


def test_another_systems_backup_of_this_id_is_refused_naming_both():
    foreign = elsewhere()
    with pytest.raises(Refused, match="system 9999, this is database shop of system 7301"):
        decide(have(foreign, named=foreign), want())


def test_another_databases_backup_of_this_id_is_refused_naming_both():
    foreign = manifest(database="other")
    with pytest.raises(Refused, match="of database other of system 7301, this is database shop"):
        decide(have(named=foreign), want())


@pytest.mark.parametrize(("younger_than", "taken"), [(None, True), (3599, True), (3600, False)])
def test_a_young_backup_is_used_instead_of_a_new_one(younger_than, taken):
    young = manifest("other-id", HOUR, proof=proof())
    plan = decide(have(young), want(younger_than=younger_than))
    assert (plan.take, plan.backup) == (taken, None if taken else young)


@pytest.mark.parametrize(
    "useless", [elsewhere("other-id"), manifest("other-id", proof=proof(ok=False))], ids=["foreign", "disproven"]
)
def test_a_foreign_or_disproven_backup_is_never_used_instead(useless):
    assert decide(have(useless), want(younger_than=1e9)).take


def test_a_pin_is_added_to_what_is_there_once():
    made = manifest(proof=proof())
    assert decide(have(made, named=made), want(pin="audit")).pin == "audit"
    pinned = manifest(proof=proof(), pinned="audit")
    assert not decide(have(pinned, named=pinned), want(pin="audit")).changes


def test_the_newest_good_one_of_this_system_is_verified():
    good = manifest("good", 3 * HOUR)
    bad = manifest("bad", HOUR, proof=proof(ok=False))
    assert decide(have(good, bad, elsewhere("newer", age=timedelta())), want("verified", id="")).backup == good


def test_there_has_to_be_one_to_verify():
    with pytest.raises(Refused, match="no backup of shop to verify"):
        decide(have(elsewhere()), want("verified", id=""))
    with pytest.raises(Refused, match="no backup shop-1 to verify"):
        decide(have(manifest("shop-2")), want("verified"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"format": "directory", "recipients": ("age1x",)}, "cannot be encrypted"),
        ({"jobs": 2}, "only a directory"),
        ({"recipients": ("age1x",)}, "nobody can decrypt"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_happens(wrong, said):
    with pytest.raises(Refused, match=said):
        decide(have(), want(**wrong))


def test_systems_do_not_count_for_each_other_when_backups_are_pruned():
    own = [manifest(f"own-{number}", HOUR * number) for number in range(3)]
    foreign = [elsewhere(f"foreign-{number}", age=HOUR * number) for number in range(3)]
    policy = Policy(last=1, min_valid=1)
    alone = decide(have(*own, *foreign), want("pruned", id="", policy=policy))
    assert {one.id for one in alone.retention} == {"own-0", "own-1", "own-2"}
    every = decide(have(*own, *foreign, identity=None), want("pruned", id="", policy=policy))
    assert [one.id for one in every.retention if isinstance(one, Keep)] == ["own-0", "foreign-0"]
    assert {one.id for one in every.drops} == {"own-1", "own-2", "foreign-1", "foreign-2"}


def test_the_way_back_of_a_release_is_not_pruned():
    own = [manifest(f"own-{number}", HOUR * number) for number in range(3)]
    request = want("pruned", id="", policy=Policy(last=1, min_valid=1), way_back=("own-2",))
    assert decide(have(*own), request).drops == [Drop("own-1", "nothing in the policy keeps it")]


def test_the_plan_is_told_in_sentences():
    made = manifest()
    assert decide(have(made, named=made), want(pin="audit")).sentences(want()) == [
        "prove backup shop-1 to level restore",
        "pin backup shop-1: audit",
    ]
