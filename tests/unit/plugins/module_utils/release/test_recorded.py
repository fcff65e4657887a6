# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release remembers from its begin on, and who is asked when it is taken back or accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.release.ending import end
from ansible_collections.runbook.release.plugins.module_utils.release.operate import begin
from ansible_collections.runbook.release.plugins.module_utils.release.recorded import kept
from ansible_collections.runbook.release.plugins.module_utils.release.resume import Judged
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell

from .api import Api
from .deaths import deaths
from .test_operate import ALICE, BOB, RECORDED, RELEASED, index, ledger, run_of, write

CONTRACT = [{"name": "0043-drop-price", "class": "contract"}]
APPROVED = [{"role": "qa", "approver": "qa@example.com", "key": "SHA256:0P", "expires": "2026-11-25", "kind": "ssh"}]
WHO = {"starter": "alice@example.com", "approvals": APPROVED}
RECORDING = replace(ALICE, recorded={**RECORDED, **WHO, "migrations": CONTRACT})
ELSE = {**RECORDED, "starter": "bob@example.com", "approvals": [], "migrations": []}
RESUMING = replace(BOB, recorded=ELSE)
BY_HAND = replace(RESUMING, want=replace(ALICE.want, version="", inputs={}), plan="")
JUDGED = replace(BY_HAND, judged=Judged("1.4.0", CONTRACT))


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_release_that_goes_on_is_who_and_what_it_began_with(api: Api, dry_run: bool) -> None:
    begun = begin(api.client(), RECORDING)
    (begins,) = ledger(api, begun["run"]["release"])
    resumed = begin(api.client(dry_run=dry_run), RESUMING)
    for told in (begins.after, begun, resumed):
        assert {name: told[name] for name in WHO} == WHO
        assert told["migrations"] == CONTRACT
    assert resumed["warnings"] == []


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_is_taken_back_by_hand_is_judged_by_the_migrations_it_was_released_with(api: Api, dry_run: bool) -> None:
    end(api.client(), run_of(begin(api.client(), RECORDING)), RELEASED)
    assert begin(api.client(dry_run=dry_run), JUDGED)["migrations"] == CONTRACT
    begin(api.client(), JUDGED)
    again = begin(api.client(dry_run=dry_run), JUDGED)
    assert (again["migrations"], again["starter"]) == (CONTRACT, "bob@example.com"), "also when that was interrupted"


@pytest.mark.parametrize("released", [False, True])
def test_a_ledger_that_names_no_migrations_leaves_those_of_the_inventory_and_says_so(api: Api, released: bool) -> None:
    run = run_of(begin(api.client(), ALICE))
    if released:
        end(api.client(), run, RELEASED)
    back = begin(api.client(), replace(BY_HAND, recorded={**ELSE, "migrations": CONTRACT}))
    assert back["migrations"] == CONTRACT
    assert back["warnings"] == [
        f"The ledger of release {run.release} does not say which migrations it had, so those of the inventory count as "
        "its own."
    ]


def test_a_release_that_begins_has_its_own_migrations_whatever_went_before(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), RECORDING)), RELEASED)
    newer = begin(api.client(), replace(RESUMING, want=replace(ALICE.want, version="1.5.0")))
    assert (newer["migrations"], newer["warnings"]) == ([], [])


def test_wherever_a_taking_back_by_hand_dies_the_next_one_takes_back_the_same_release() -> None:
    released: list[str] = []

    def doing(api: Api) -> Callable[[], Any]:
        run = run_of(begin(api.client(), RECORDING))
        released.append(run.release)
        end(api.client(), run, RELEASED)
        return lambda: begin(api.client(), JUDGED)

    for api in deaths(doing):
        for client in (api.client(dry_run=True), api.client()):
            back = begin(client, JUDGED)
            assert (back["decision"], back["version"], back["migrations"]) == ("back", "1.4.0", CONTRACT)
        known = index(api)
        assert known.unfinished
        assert known.unfinished.takes_back == released[-1]


def test_by_hand_the_good_release_before_one_that_died_at_its_begin_is_left_alone() -> None:
    """That one never had any traffic, so what is live is what people want."""

    def doing(api: Api) -> Callable[[], Any]:
        end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
        newer = replace(ALICE, want=replace(ALICE.want, version="1.5.0"))
        return lambda: begin(api.client(), newer)

    never = 0
    for api in deaths(doing):
        known = index(api)
        if known.unfinished and not ledger(api, known.unfinished.release):
            never += 1
            assert begin(api.client(), BY_HAND)["decision"] == "nothing"
    assert never


def test_it_is_told_what_the_ledger_of_a_release_recorded_when_it_began(api: Api) -> None:
    run = run_of(begin(api.client(), RECORDING))
    write(api, run, "stage api: begins")
    end(api.client(), run, RELEASED)
    told = tell(api.client(), "shop", "shop-prod", run.release)
    assert (told["begun"]["starter"], told["begun"]["migrations"]) == ("alice@example.com", CONTRACT)
    assert tell(api.client(), "shop", "shop-prod")["begun"] == {}


def test_of_approvals_everything_but_their_file_is_kept() -> None:
    assert kept([{**APPROVED[0], "file": "/srv/approvals/qa.json"}]) == APPROVED
    with pytest.raises(Refused, match="each with role, approver, key, expires, kind"):
        kept([{"role": "qa", "approver": "qa@example.com"}])
