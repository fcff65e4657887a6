# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that is begun, dies at any write, and is begun again by somebody else."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP, LEASE
from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Request
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.mirror import Mirror
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import keep
from ansible_collections.runbook.release.plugins.module_utils.release.ending import End, end, lift
from ansible_collections.runbook.release.plugins.module_utils.release.index import Index
from ansible_collections.runbook.release.plugins.module_utils.release.operate import Begin, begin
from ansible_collections.runbook.release.plugins.module_utils.release.resume import Judged, Want
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell

from .api import Api, failure
from .deaths import deaths

INPUTS = {"chart of api": "aa", "live api": "bb"}
RECORDED = {"system": "shop", "environment": "prod", "components": ["api"], "steps": [25, 100], "first": False}
ALICE = Begin("shop", "shop-prod", "alice@build-7", Want("1.4.0", inputs=INPUTS), "5f1d", RECORDED)
BOB = replace(ALICE, who="bob@laptop", takeover=True, reason="the machine of that run is gone")
RELEASED = End("released", seconds=12.5, requests=900)


@pytest.fixture
def api() -> Api:
    return Api()


def ledger(api: Api, release: str) -> list[Entry]:
    texts = Store(api.client(), "shop", release).texts()
    assert not texts or verify(release, texts) == []
    return [Entry.parse(text) for text in texts]


def index(api: Api) -> Index:
    return Index.of(ledger(api, "shop-prod-index"))


def said(api: Api, release: str) -> list[str]:
    return [entry.what for entry in ledger(api, release)]


def holder(api: Api) -> str:
    return str(api.objects[LEASE.path("shop", "shop-prod")]["spec"]["holderIdentity"])


def run_of(report: dict[str, Any]) -> Run:
    return Run(**report["run"])


def write(api: Api, run: Run, *whats: str) -> None:
    store = Store(api.client(), run.namespace, run.release)
    for what in whats:
        store.append(Draft(what, None, None, run.who, run.token))


def test_a_release_begins(api: Api) -> None:
    report = begin(api.client(), ALICE)
    run = run_of(report)
    assert (report["decision"], report["changed"], report["weight"], report["at"]) == ("start", True, 0, "")
    assert run == Run("shop-prod-1-4-0-20261121t160000z", "shop", "shop-prod", run.token, "alice@build-7", 60, "")
    (begins,) = ledger(api, run.release)
    assert (begins.what, begins.who, begins.fence) == ("release begins", "alice@build-7", run.token)
    assert begins.after == {**RECORDED, "version": "1.4.0", "plan": "5f1d", "inputs": INPUTS}
    assert index(api).unfinished
    assert holder(api) == "alice@build-7"


def test_it_costs_few_requests(api: Api) -> None:
    begin(api.client(), ALICE)
    assert len(api.heard) <= 9


def test_nothing_to_do_takes_no_lock_and_writes_nothing(api: Api) -> None:
    report = begin(api.client(), replace(ALICE, want=replace(ALICE.want, changes=False)))
    assert (report["decision"], report["changed"], report["run"]) == ("nothing", False, {})
    assert api.objects == {}


def test_a_living_holder_is_named_and_nothing_is_written(api: Api) -> None:
    begin(api.client(), ALICE)
    before = json.dumps(api.objects)
    with pytest.raises(Refused, match="alice@build-7 has held the lock since"):
        begin(api.client(), replace(BOB, takeover=False))
    assert json.dumps(api.objects) == before


def test_somebody_else_continues_and_it_is_recorded_whose_it_was(api: Api) -> None:
    begun = begin(api.client(), ALICE)
    run = run_of(begun)
    write(api, run, "stage api: begins", "stage api: done", "switch api to 25: begins")
    report = begin(api.client(), replace(BOB, recorded={**RECORDED, "first": True}))
    assert (report["decision"], report["weight"], report["at"]) == ("continue", 25, "switch api to 25")
    assert (report["first"], report["run"]["release"]) == (False, run.release)
    assert report["began"] == begun["began"] == datetime.fromisoformat(index(api).attempts[0].began).timestamp()
    assert report["run"]["token"] > run.token
    assert report["taken_over"]["from"] == "alice@build-7"
    taken, resumed = ledger(api, run.release)[-2:]
    before = {"holder": "alice@build-7", "token": run.token}
    assert (taken.what, taken.before, taken.after["why"]) == ("taken over", before, BOB.reason)
    assert (resumed.what, resumed.before, resumed.who) == ("resumed", before, "bob@laptop")
    assert resumed.after == {"decision": "continue", "at": "switch api to 25"}


def test_a_release_on_its_way_back_goes_on_going_back(api: Api) -> None:
    write(api, run_of(begin(api.client(), ALICE)), "switch api to 25: begins", "switch api back: begins")
    report = begin(api.client(), BOB)
    assert (report["decision"], report["at"]) == ("back", "switch api back")


def test_a_refusal_leaves_the_lock_free(api: Api) -> None:
    begin(api.client(), ALICE)
    entries = said(api, "shop-prod-index")
    with pytest.raises(Refused, match=r"1\.5\.0 has to wait"):
        begin(api.client(), replace(BOB, want=replace(BOB.want, version="1.5.0")))
    assert (holder(api), said(api, "shop-prod-index")) == ("", entries)


def test_check_mode_writes_nothing_and_names_the_living_holder(api: Api) -> None:
    write(api, run_of(begin(api.client(), ALICE)), "stage api: begins")
    before, api.heard = json.dumps(api.objects), []
    report = begin(api.client(dry_run=True), BOB)
    assert (report["decision"], report["changed"], report["run"]) == ("continue", True, {})
    assert "but alice@build-7 holds the lock, for another 60 s" in report["sentence"]
    assert json.dumps(api.objects) == before
    assert {method for method, _path in api.heard} == {"GET"}


def test_wherever_a_beginning_dies_the_next_one_finds_its_way() -> None:
    for api in deaths(lambda api: lambda: begin(api.client(), ALICE)):
        report = begin(api.client(), BOB)
        assert report["decision"] in ("start", "continue")
        known = index(api)
        assert known.unfinished
        assert known.unfinished.release == report["run"]["release"]
        assert [one.verdict for one in known.attempts[:-1]] in ([], ["stopped"])
        assert said(api, report["run"]["release"])[0] == "release begins"
        assert known.hold("1.4.0") is None


def test_wherever_a_resumption_dies_the_next_one_finds_its_way() -> None:
    def doing(api: Api) -> Callable[[], Any]:
        write(api, run_of(begin(api.client(), ALICE)), "switch api to 25: begins")
        return lambda: begin(api.client(), BOB)

    for api in deaths(doing):
        report = begin(api.client(), replace(BOB, who="carol@laptop"))
        assert (report["decision"], report["weight"]) == ("continue", 25)
        assert len(index(api).attempts) == 1
        assert ledger(api, report["run"]["release"])[-1].who == "carol@laptop"


def test_wherever_an_end_dies_it_can_be_repeated() -> None:
    runs: list[Run] = []

    def doing(api: Api) -> Callable[[], Any]:
        runs.append(run_of(begin(api.client(), ALICE)))
        return lambda: end(api.client(), runs[-1], RELEASED)

    for api in deaths(doing):
        end(api.client(), runs[-1], RELEASED)
        assert not end(api.client(), runs[-1], End("failed"))["changed"]
        assert_ended(api, runs[-1])
        assert holder(api) == ""


def assert_ended(api: Api, run: Run) -> None:
    assert said(api, run.release) == ["release begins", "release ends", "sealed"]
    (attempt,) = index(api).attempts
    assert (attempt.verdict, attempt.seconds) == ("released", 12.5)
    assert ledger(api, "shop-prod-index")[-1].after["head"] == ledger(api, run.release)[-1].head.report()


def test_wherever_an_end_dies_the_next_release_completes_it() -> None:
    runs: list[Run] = []

    def doing(api: Api) -> Callable[[], Any]:
        runs.append(run_of(begin(api.client(), ALICE)))
        return lambda: end(api.client(), runs[-1], RELEASED)

    for api in deaths(doing):
        has_ended = "release ends" in said(api, runs[-1].release)
        untold = runs[-1].release if has_ended and not index(api).attempts[0].verdict else ""
        assert tell(api.client(), "shop", "shop-prod")["untold"] == untold
        foreseen = begin(api.client(dry_run=True), replace(BOB, want=replace(BOB.want, changes=False)))
        report = begin(api.client(), replace(BOB, want=replace(BOB.want, changes=False)))
        assert report["decision"] == foreseen["decision"] == ("nothing" if has_ended else "continue")
        if has_ended:
            assert_ended(api, runs[-1])


@pytest.mark.parametrize("changes", [False, True])
def test_nobody_waits_for_the_lock_of_a_run_that_died_after_its_release_had_ended(changes: bool) -> None:
    runs: list[Run] = []

    def doing(api: Api) -> Callable[[], Any]:
        runs.append(run_of(begin(api.client(), ALICE)))
        return lambda: end(api.client(), runs[-1], RELEASED)

    ended = 0
    for api in deaths(doing):
        if "ended" in said(api, "shop-prod-index"):
            ended += 1
            patient = replace(BOB, takeover=False, want=replace(BOB.want, changes=changes))
            report = begin(api.client(), patient)
            assert report["decision"] == ("start" if changes else "nothing")
            assert holder(api) == ("bob@laptop" if changes else "")
    assert ended


def test_the_lock_of_a_run_that_still_has_to_begin_is_not_let_go_of(api: Api) -> None:
    """It holds the lock, and what the index says of is the release before it."""
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    keep(api.client(), ALICE.lock("held"))
    with pytest.raises(Refused, match="has held the lock"):
        begin(api.client(), replace(BOB, takeover=False))


def test_wherever_an_end_dies_its_head_is_signed_by_then_or_by_the_next(key: Path, tmp_path: Path) -> None:
    runs: list[Run] = []

    def doing(api: Api) -> Callable[[], Any]:
        asked = replace(ALICE, mirror=str(tmp_path / str(len(runs))), signing_key=str(key))
        runs.append(run_of(begin(api.client(), asked)))
        return lambda: end(api.client(), runs[-1], RELEASED)

    for api in deaths(doing):
        has_ended = "release ends" in said(api, runs[-1].release)
        asked = replace(BOB, mirror=os.path.dirname(runs[-1].mirror), signing_key=str(key))
        begin(api.client(), replace(asked, want=replace(BOB.want, changes=False)))
        heads = [signed.head for signed in Mirror(runs[-1].mirror).heads()]
        assert heads == ([ledger(api, runs[-1].release)[-1].head] if has_ended else [])


@pytest.mark.parametrize("arrived", [False, True])
def test_a_first_lock_whose_answer_is_lost_is_held(api: Api, arrived: bool) -> None:
    def trouble(request: Request) -> SimpleNamespace | None:
        if request.method != "POST" or "leases" not in request.path:
            return None
        api.trouble = lambda request: None
        if arrived:
            api.handle(request)
        return failure(500, "etcd is busy", api.now)

    api.trouble = trouble
    assert begin(api.client(), ALICE)["decision"] == "start"
    assert holder(api) == "alice@build-7"


@pytest.mark.parametrize("seed", range(8))
def test_an_api_server_that_fails_every_fifth_request_only_takes_longer(seed: int) -> None:
    api, chance = Api(), random.Random(seed)

    def trouble(request: Request) -> SimpleNamespace | None:
        if chance.random() > 0.2:
            return None
        if chance.random() < 0.5:
            api.handle(request)
        return failure(500, "etcd is busy", api.now)

    api.trouble = trouble
    run = run_of(begin(api.client(), ALICE))
    end(api.client(), run, RELEASED)
    api.trouble = lambda request: None
    assert_ended(api, run)
    assert said(api, "shop-prod-index") == ["begun", "ended"]


def test_a_failed_version_is_held_and_lifted_with_a_reason(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), End("rolled back", "api answers 500"))
    with pytest.raises(Refused, match="is on hold"):
        begin(api.client(), ALICE)
    assert holder(api) == ""
    again = begin(api.client(), replace(ALICE, want=replace(ALICE.want, lift="the database was full")))
    assert again["decision"] == "start"
    assert again["run"]["release"] == "shop-prod-1-4-0-20261121t160000z-2"
    assert [entry.after.get("reason") for entry in ledger(api, "shop-prod-index") if entry.what == "lifted"] == [
        "the database was full"
    ]


def test_a_release_that_is_taken_back_by_hand_is_a_release_of_its_own_and_holds_its_version(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    nameless = replace(ALICE, want=replace(ALICE.want, version=""))
    taken_back = begin(api.client(), nameless)
    assert (taken_back["decision"], "1.4.0" in taken_back["sentence"]) == ("back", True)
    assert taken_back["version"] == "1.4.0"
    end(api.client(), run_of(taken_back), End("rolled back"))
    assert begin(api.client(), nameless)["decision"] == "nothing"
    with pytest.raises(Refused, match=r"1\.4\.0 is on hold"):
        begin(api.client(), ALICE)


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_is_taken_back_is_the_release_that_died_not_the_good_one_before_it(api: Api, dry_run: bool) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    begin(api.client(), replace(ALICE, want=replace(ALICE.want, version="1.5.0")))
    nameless = replace(BOB, want=replace(ALICE.want, version=""), takeover=True, reason="alice is gone")
    taken_back = begin(api.client(dry_run=dry_run), nameless)
    assert (taken_back["decision"], taken_back["version"]) == ("back", "1.5.0")


def test_a_release_that_must_not_go_back_is_given_up_for_the_version_that_mends_it(api: Api) -> None:
    stuck = run_of(begin(api.client(), ALICE))
    write(api, stuck, "stage api: begins", "stage api: done", "switch api to 100: begins")
    mending = replace(BOB, want=replace(ALICE.want, version="1.4.1"), takeover=True, reason="alice is gone")
    with pytest.raises(Refused, match="has to wait for it"):
        begin(api.client(), mending)
    begun = begin(api.client(), replace(mending, want=replace(mending.want, policy="forward")))
    assert (begun["decision"], begun["weight"]) == ("start", 0)
    assert run_of(begun).release != stuck.release
    told = tell(api.client(), "shop", "shop-prod")
    assert [(one["version"], one["verdict"]) for one in told["releases"]] == [("1.4.0", "failed"), ("1.4.1", "")]
    assert [hold["version"] for hold in told["holds"]] == ["1.4.0"]


def test_a_hold_can_be_lifted_beforehand_and_only_once(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), End("failed"))
    lifting = ("shop", "shop-prod", "1.4.0", "mended", "carol@desk")
    assert lift(api.client(dry_run=True), *lifting)["changed"]
    assert [lift(api.client(), *lifting)["changed"] for _time in range(2)] == [True, False]
    assert begin(api.client(), ALICE)["decision"] == "start"


def test_an_altered_index_is_refused_with_what_is_wrong_and_leaves_the_lock_free(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), End("rolled back"))
    chunk = api.objects[CONFIGMAP.path("shop", "ledger-shop-prod-index-1")]
    chunk["data"]["00000002"] = chunk["data"]["00000002"].replace("rolled back", "released")
    with pytest.raises(Refused, match="entry 2 is altered") as refused:
        begin(api.client(), ALICE)
    assert [(one["kind"], one["number"]) for one in refused.value.details["findings"]] == [("altered", 2)]
    assert holder(api) == ""
    with pytest.raises(Refused, match="entry 2 is altered"):
        tell(api.client(), "shop", "shop-prod")


def test_a_run_that_lost_the_lock_cannot_end_the_release(api: Api) -> None:
    run = run_of(begin(api.client(), ALICE))
    begin(api.client(), BOB)
    with pytest.raises(Refused, match="is stale: this run does not hold the lock"):
        end(api.client(), run, RELEASED)
    assert "release ends" not in said(api, run.release)


def test_an_end_needs_a_release_that_began(api: Api) -> None:
    run = run_of(begin(api.client(), ALICE))
    with pytest.raises(Refused, match="shop-9 is not in the index"):
        end(api.client(), replace(run, release="shop-9"), RELEASED)


def test_check_mode_ends_nothing(api: Api) -> None:
    run = run_of(begin(api.client(), ALICE))
    before = json.dumps(api.objects)
    assert end(api.client(dry_run=True), run, RELEASED)["changed"]
    assert json.dumps(api.objects) == before


def test_both_ledgers_are_mirrored_and_a_full_disk_only_warns(api: Api, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    report = begin(api.client(), replace(ALICE, mirror=str(tmp_path / "file")))
    assert "the mirror cannot be written" in report["warnings"][0]
    run = run_of(report)
    (tmp_path / "file").unlink()
    assert end(api.client(), run, RELEASED)["warnings"] == []
    mirrored = (tmp_path / "file" / run.release / "ledger.jsonl").read_text().splitlines()
    assert mirrored == Store(api.client(), "shop", run.release).texts()
    mirrored = (tmp_path / "file" / "index" / "ledger.jsonl").read_text().splitlines()
    assert mirrored == Store(api.client(), "shop", "shop-prod-index").texts()


def test_it_tells_what_there_was_and_where_the_unfinished_one_stands(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    newer = replace(ALICE, want=replace(ALICE.want, version="1.5.0"))
    end(api.client(), run_of(begin(api.client(), newer)), End("rolled back"))
    run = run_of(begin(api.client(), replace(ALICE, want=replace(ALICE.want, version="1.5.1"))))
    write(api, run, "stage api: begins", "stage api: done", "switch api to 25: begins")
    told = tell(api.client(), "shop", "shop-prod")
    assert [(one["number"], one["version"], one["verdict"]) for one in told["releases"]] == [
        (1, "1.4.0", "released"),
        (2, "1.5.0", "rolled back"),
        (3, "1.5.1", ""),
    ]
    assert [hold["version"] for hold in told["holds"]] == ["1.5.0"]
    assert (told["owner"]["holder"], told["typical_seconds"]) == ("alice@build-7", 12.5)
    assert (told["unfinished"]["at"], told["unfinished"]["done"]) == ("switch api to 25", ["stage api"])
    assert "in the middle of 'switch api to 25' (api 25 %)" in told["unfinished"]["sentence"]


def test_of_no_releases_it_tells_nothing(api: Api) -> None:
    nothing = {"releases": [], "unfinished": {}, "holds": [], "owner": {}, "typical_seconds": 0.0, "ways_back": []}
    assert tell(api.client(), "shop", "shop-prod") == {**nothing, "begun": {}, "untold": "", "tasks": {}}


RESTORE = replace(
    ALICE, want=Want("", inputs={"shop": "shop-1"}, kind="restore"), recorded={"kind": "restore"}, plan=""
)
RESTORED = End("restored", seconds=60.0)


def test_a_restore_has_its_place_in_the_index_and_a_ledger_of_its_own(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    report = begin(api.client(), RESTORE)
    run = run_of(report)
    assert (report["decision"], run.release) == ("start", "shop-prod-restore-20261121t160000z")
    (begins,) = ledger(api, run.release)
    assert (begins.after["kind"], begins.after["version"], begins.after["inputs"]) == (
        "restore",
        "",
        {"shop": "shop-1"},
    )
    ended = end(api.client(), run, RESTORED)
    assert ended["sentence"] == f"Restore {run.release} ended: restored."
    assert said(api, run.release) == ["release begins", "release ends", "sealed"]
    assert [(one.kind, one.verdict) for one in index(api).attempts] == [
        ("release", "released"),
        ("restore", "restored"),
    ]
    assert ended["head"] == ledger(api, run.release)[-1].head.report()


def test_an_interrupted_restore_goes_on_with_the_backups_it_began_with(api: Api) -> None:
    write(api, run_of(begin(api.client(), RESTORE)), "restore shop: begins")
    again = replace(BOB, want=replace(RESTORE.want, inputs={"shop": "shop-2"}), recorded={"kind": "restore"})
    report = begin(api.client(), again)
    assert (report["decision"], report["at"], report["inputs"]) == ("continue", "restore shop", {"shop": "shop-1"})


def test_wherever_the_end_of_a_restore_dies_the_next_release_completes_it() -> None:
    def doing(api: Api) -> Callable[[], Any]:
        run = run_of(begin(api.client(), RESTORE))
        return lambda: end(api.client(), run, RESTORED)

    for api in deaths(doing):
        ended = any(entry.what == "release ends" for entry in ledger(api, index(api).attempts[0].release))
        if not ended:
            with pytest.raises(Refused, match="has to wait for it"):
                begin(api.client(), BOB)
            continue
        assert begin(api.client(), BOB)["decision"] == "start"
        assert [one.verdict for one in index(api).attempts] == ["restored", ""]


def test_a_release_that_is_given_up_for_a_restore_says_so(api: Api) -> None:
    given_up = run_of(begin(api.client(), ALICE)).release
    want = replace(RESTORE.want, policy="forward")
    assert begin(api.client(), replace(BOB, want=want, recorded=RESTORE.recorded))["decision"] == "start"
    assert ledger(api, given_up)[-2].after["reason"] == "given up for a restore"
    assert [one.kind for one in index(api).attempts] == ["release", "restore"]


TASKS = replace(ALICE, want=Want("", inputs={"list": "weekly"}, kind="tasks"), recorded={"kind": "tasks"}, plan="")
NEXT = {
    "a release": BOB,
    "a restore": replace(BOB, want=RESTORE.want, recorded=RESTORE.recorded, plan=""),
    "tasks": replace(BOB, want=TASKS.want, recorded=TASKS.recorded, plan=""),
    "what is taken back": replace(BOB, want=Want("")),
}


def test_tasks_have_their_place_in_the_index_and_a_ledger_of_their_own(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    report = begin(api.client(), TASKS)
    run = run_of(report)
    assert (report["decision"], run.release) == ("start", "shop-prod-tasks-20261121t160000z")
    (begins,) = ledger(api, run.release)
    assert (begins.after["kind"], begins.after["inputs"]) == ("tasks", {"list": "weekly"})
    assert end(api.client(), run, End("done", seconds=60.0))["sentence"] == f"Tasks {run.release} ended: done."
    assert [(one.kind, one.verdict) for one in index(api).attempts] == [("release", "released"), ("tasks", "done")]


@pytest.mark.parametrize("following", NEXT)
def test_tasks_that_somebody_left_are_given_up_by_whatever_begins_next(api: Api, following: str) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    run = run_of(begin(api.client(), TASKS))
    left = run.release
    write(api, run, "task vacuum: begins")
    foreseen = begin(api.client(dry_run=True), NEXT[following])
    report = begin(api.client(), NEXT[following])
    assert report["decision"] == ("back" if following == "what is taken back" else "start")
    given_up = f"Tasks {left}, begun by alice@build-7, is given up in the middle of 'task vacuum'"
    assert given_up in report["sentence"]
    assert given_up in foreseen["sentence"]
    assert index(api).attempts[1].verdict == "given up"
    assert said(api, left) == ["release begins", "task vacuum: begins", "release ends", "sealed"]


def test_a_run_with_nothing_to_do_gives_up_tasks_as_well(api: Api) -> None:
    begin(api.client(), TASKS)
    assert begin(api.client(), replace(BOB, want=replace(BOB.want, changes=False)))["decision"] == "nothing"
    assert index(api).attempts[0].verdict == "given up"


def test_tasks_wait_for_an_unfinished_release_unless_it_is_left_where_it_stands(api: Api) -> None:
    run = run_of(begin(api.client(), ALICE))
    write(api, run, "stage shop: begins")
    with pytest.raises(Refused, match="has to wait for it"):
        begin(api.client(), NEXT["tasks"])
    pinning = replace(NEXT["tasks"], want=replace(TASKS.want, policy="forward"))
    assert begin(api.client(), pinning)["decision"] == "start"
    assert [(one.kind, one.verdict) for one in index(api).attempts] == [("release", "failed"), ("tasks", "")]
    assert ledger(api, run.release)[-2].after["reason"] == "given up for what is to be done"


def test_wherever_giving_up_tasks_dies_the_next_run_begins() -> None:
    def doing(api: Api) -> Callable[[], Any]:
        begin(api.client(), TASKS)
        return lambda: begin(api.client(), NEXT["tasks"])

    for api in deaths(doing):
        assert begin(api.client(), BOB)["decision"] == "start"
        assert next(one.verdict for one in index(api).attempts if one.kind == "tasks") in ("given up", "stopped")


def test_tasks_under_way_are_told_as_tasks_and_as_no_release(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    run = run_of(begin(api.client(), TASKS))
    write(api, run, "task flush the forecasts: begins")
    told = tell(api.client(), "shop", "shop-prod")
    assert (told["unfinished"], told["untold"]) == ({}, "")
    assert told["tasks"]["at"] == "task flush the forecasts"
    assert index(api).newest == index(api).attempts[0], "a run of tasks is no release"


def test_the_sentence_of_a_lock_that_is_held_names_what_is_under_way(api: Api) -> None:
    release = run_of(begin(api.client(), ALICE)).release
    with pytest.raises(Refused, match=f"for Release {release} of 1.4.0"):
        begin(api.client(), replace(TASKS, who="bob@laptop"))


def test_what_is_taken_back_by_hand_is_what_that_release_rolled(api: Api) -> None:
    run = run_of(begin(api.client(), ALICE))
    write(api, run, "roll shop: begins", "roll shop: done")
    end(api.client(), run, RELEASED)
    by_hand = replace(BOB, want=Want(""))
    back = run_of(begin(api.client(), by_hand))
    assert ledger(api, back.release)[0].after["rolled"] == ["shop"]
    known = tell(api.client(), "shop", "shop-prod")["unfinished"]
    assert (known["rolled"], known["version"]) == (["shop"], "1.4.0")
    assert run_of(begin(api.client(), by_hand)).release == back.release, "whoever dies on the way back is succeeded"


def test_a_release_that_rolled_nothing_has_nothing_to_take_back(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    back = run_of(begin(api.client(), replace(BOB, want=Want(""))))
    assert "rolled" not in ledger(api, back.release)[0].after
    assert tell(api.client(), "shop", "shop-prod")["unfinished"]["rolled"] == []


def rolled_out(api: Api) -> None:
    """Release 1.4.0, which rolled."""
    run = run_of(begin(api.client(), ALICE))
    write(api, run, "roll shop: begins", "roll shop: done")
    end(api.client(), run, RELEASED)


PART = replace(BOB, want=Want("", alone=("api",)))


def test_a_component_that_is_taken_back_alone_stands_in_both_ledgers_and_whoever_goes_on_is_told(api: Api) -> None:
    rolled_out(api)
    foreseen = begin(api.client(dry_run=True), PART)
    begun = begin(api.client(), PART)
    report = begin(api.client(), replace(PART, want=Want(""), who="carol@laptop"))
    for one in (foreseen, begun, report):
        assert (one["decision"], one["alone"], one["rolled"]) == ("back", ["api"], ["shop"])
    begins = ledger(api, report["run"]["release"])[0].after
    assert (begins["alone"], begins["rolled"], begins["version"]) == (["api"], ["shop"], "1.4.0")
    known = tell(api.client(), "shop", "shop-prod")
    assert (known["unfinished"]["alone"], known["releases"][-1]["alone"]) == (["api"], ["api"])
    ended = end(api.client(), run_of(report), End("rolled back"))
    assert ended["sentence"].endswith("ended: rolled back, api alone, in 0.0 s.")
    assert begin(api.client(), PART)["decision"] == "nothing"
    whole = begin(api.client(), replace(BOB, want=Want("")))
    assert (whole["decision"], whole["alone"], whole["rolled"]) == ("back", [], ["shop"])


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock that ledgers are written by, which else stands still."""
    at = [datetime(2026, 11, 21, 16, tzinfo=UTC)]
    utils = "ansible_collections.runbook.release.plugins.module_utils"
    for module in ("ledger.store", "release.ending"):
        monkeypatch.setattr(f"{utils}.{module}.now", lambda: f"{at[0]:%Y-%m-%dT%H:%M:%S.%fZ}")
    return lambda seconds: at.__setitem__(0, at[0] + timedelta(seconds=seconds))


BY_HAND = replace(BOB, want=Want(""))
BACK = End("rolled back", seconds=None)


def test_who_takes_back_by_hand_is_told_how_long_it_took_and_after_what_time_the_traffic_was_back(
    api: Api, later: Callable[[float], None]
) -> None:
    end(api.client(), run_of(begin(api.client(), ALICE)), RELEASED)
    run = run_of(begin(api.client(), BY_HAND))
    for whats, after in ((["switch api back: begins"], 0.5), (["switch api back: done"], 2.6), (["retire api"], 9.2)):
        later(after)
        write(api, run, *whats)
    for _time in range(2):
        ended = end(api.client(), run, BACK)
        assert ended["sentence"].endswith("ended: rolled back in 12.3 s, traffic after 3.1 s.")
    assert index(api).attempts[-1].seconds == ledger(api, run.release)[-2].after["seconds"] == 12.3


def test_a_way_back_that_is_gone_on_with_tells_the_time_of_its_own_run(
    api: Api, later: Callable[[float], None]
) -> None:
    """The traffic was back before it began."""
    dead = run_of(begin(api.client(), ALICE))
    write(api, dead, "switch api to 25: done", "switch api back: begins", "switch api back: done")
    later(3600)
    run = run_of(begin(api.client(), BY_HAND))
    later(4)
    assert end(api.client(), run, BACK)["sentence"].endswith("ended: rolled back in 4.0 s.")
    assert index(api).attempts[-1].seconds == 4


def test_a_release_that_went_back_by_itself_has_the_seconds_it_says(api: Api, later: Callable[[float], None]) -> None:
    run = run_of(begin(api.client(), ALICE))
    later(400)
    write(api, run, "switch api back: begins", "switch api back: done")
    assert end(api.client(), run, replace(BACK, seconds=7.5))["sentence"].endswith("ended: rolled back.")
    assert index(api).attempts[-1].seconds == 7.5


def test_wherever_the_way_back_of_one_component_dies_the_next_one_goes_on_with_it() -> None:
    def doing(api: Api) -> Callable[[], Any]:
        rolled_out(api)
        return lambda: begin(api.client(), PART)

    for api in deaths(doing):
        report = begin(api.client(), replace(PART, who="carol@laptop"))
        assert (report["decision"], report["alone"], report["rolled"]) == ("back", ["api"], ["shop"])
        assert end(api.client(), run_of(report), End("rolled back"))["changed"]
        assert index(api).gone(index(api).attempts[0].release) == {"api"}


def taken_back(api: Api, **more: Any) -> dict[str, Any]:
    """By hand, the release of alice that came with a migration."""
    return begin(api.client(**more.pop("client", {})), replace(ALICE, want=replace(ALICE.want, version=""), **more))


STEPS = [{"name": "0043-drop-price", "class": "contract"}]
MIGRATED = replace(ALICE, recorded={**RECORDED, "migrations": STEPS})


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_came_with_migrations_is_judged_before_it_is_taken_back(api: Api, dry_run: bool) -> None:
    end(api.client(), run_of(begin(api.client(), MIGRATED)), RELEASED)
    before = len(index(api).attempts)
    asked = taken_back(api, client={"dry_run": dry_run})
    assert (asked["decision"], asked["version"], asked["migrations"], asked["run"]) == ("judge", "1.4.0", STEPS, {})
    assert "0043-drop-price" in asked["sentence"]
    assert not holder(api), "nobody holds the lock while somebody judges"
    assert len(index(api).attempts) == before
    judged = Judged("1.4.0", STEPS)
    back = taken_back(api, client={"dry_run": dry_run}, judged=judged)
    assert (back["decision"], back["migrations"]) == ("back", STEPS)


def test_what_was_released_while_somebody_judged_is_not_taken_back(api: Api) -> None:
    end(api.client(), run_of(begin(api.client(), MIGRATED)), RELEASED)
    assert taken_back(api)["decision"] == "judge"
    end(api.client(), run_of(begin(api.client(), replace(ALICE, want=replace(ALICE.want, version="1.5.0")))), RELEASED)
    with pytest.raises(Refused, match=r"1\.5\.0 was released meanwhile"):
        taken_back(api, judged=Judged("1.4.0", STEPS))
    assert not holder(api)


def test_a_release_that_died_after_its_migration_is_judged_too(api: Api) -> None:
    begin(api.client(), MIGRATED)
    gone = {"takeover": True, "reason": "alice is gone", "who": "bob@laptop"}
    assert taken_back(api, **gone)["decision"] == "judge"
    assert taken_back(api, **gone, judged=Judged("1.4.0", STEPS))["decision"] == "back"
