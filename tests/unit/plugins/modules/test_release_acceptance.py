# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.modules import release_acceptance, release_info, release_run

from ..module_utils.release.api import Api

WHERE = {"namespace": "shop", "system": "web_shop", "environment": "prod"}
SHOP = {**WHERE, "state": "begun", "version": "1.4.0", "components": ["api"], "steps": [100], "holder": "alice@a"}
LEAD = {
    "role": "lead",
    "approver": "bob@example.com",
    "key": "SHA256:x",
    "expires": "2026-11-25T19:00:00Z",
    "kind": "ssh",
}
PROVEN = [{**LEAD, "file": "/srv/releases/lead-1.json"}]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def release(run: Run) -> str:
    """One that has ended."""
    begun = run(release_run, **SHOP)["run"]
    run(release_run, state="ended", run=begun, verdict="released", seconds=9)
    return begun["release"]


def index(api: Api) -> list[Entry]:
    return [Entry.parse(text) for text in Store(api.client(), "shop", "web-shop-prod-index").texts()]


def test_what_is_signed_is_the_last_entry_of_the_sealed_ledger(run: Run, api: Api, release: str) -> None:
    (told,) = run(release_info, **WHERE)["releases"]
    last = Entry.parse(Store(api.client(), "shop", release).texts()[-1])
    assert (last.what, told["head"]) == ("sealed", last.head.report())
    assert told["accepted"] == []


def test_the_first_acceptance_is_recorded_and_stays(run: Run, api: Api, release: str) -> None:
    asked = {**WHERE, "release": release, "approvals": PROVEN, "holder": "carol@desk"}
    foreseen = run(release_acceptance, **asked, _ansible_check_mode=True)
    assert (foreseen["changed"], foreseen["accepted"], len(index(api))) == (True, [LEAD], 2)
    given = run(release_acceptance, **asked)
    assert (given["changed"], given["verdict"], given["accepted"]) == (True, "released", [LEAD])
    again = run(release_acceptance, **{**asked, "approvals": [{**LEAD, "approver": "eve@example.com"}]})
    assert (again["changed"], again["accepted"]) == (False, [LEAD])
    assert again["sentence"] == f"Release {release}, which ended released, was accepted by bob@example.com (lead)."
    assert run(release_info, **WHERE)["releases"][0]["accepted"] == [LEAD]
    assert [(one.what, one.who) for one in index(api)][2:] == [("accepted", "carol@desk")]


def test_a_release_under_way_is_not_disturbed(run: Run, api: Api, release: str) -> None:
    after = run(release_run, **{**SHOP, "version": "1.5.0"})["run"]
    assert run(release_acceptance, **WHERE, release=release, approvals=PROVEN)["changed"]
    assert run(release_info, **WHERE)["unfinished"]["release"] == after["release"]
    assert run(release_run, state="ended", run=after, verdict="released")["changed"]
    assert [one.what for one in index(api)] == ["begun", "ended", "begun", "accepted", "ended"]


def test_nobody_can_accept_what_has_not_happened(run: Run, api: Api) -> None:
    unfinished = run(release_run, **SHOP)["run"]["release"]
    assert run(release_info, **WHERE)["releases"][0]["head"] == {}
    for name, said in ((unfinished, "has not ended"), ("web-shop-prod-0", "is not in the index")):
        refused = run(release_acceptance, **WHERE, release=name, approvals=PROVEN)
        assert refused["failed"]
        assert said in refused["msg"]
    assert [one.what for one in index(api)] == ["begun"]


@pytest.mark.parametrize("approvals", [[], [{**LEAD, "approver": ""}], [{"role": "lead"}]])
def test_only_proven_approvals_are_recorded(run: Run, api: Api, release: str, approvals: list[dict[str, str]]) -> None:
    refused = run(release_acceptance, **WHERE, release=release, approvals=approvals)
    assert refused["failed"]
    assert "release_approval" in refused["msg"]
    assert len(index(api)) == 2


def test_the_documentation_names_the_options_there_are() -> None:
    documented, spec = (
        yaml.safe_load(release_acceptance.DOCUMENTATION)["options"],
        release_acceptance.acceptance_argument_spec(),
    )
    assert documented.keys() == spec.options.keys()
    for name, option in spec.options.items():
        assert option.get("required", False) == documented[name].get("required", False), name
