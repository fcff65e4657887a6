# SPDX-License-Identifier: GPL-3.0-or-later
"""A task of a release: what its ledger says, and what happens to one that is not the newest any more."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError, Unreachable
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import SERVICE
from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Request
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book, journal

from .api import RELEASE, Api, acquired, begun, entries, failure, renewed, stolen, whats

STEP = "switch shop to 25"
SAID = f"{STEP}: begins"
DONE = f"{STEP}: done"
FAILED = f"{STEP}: failed"


@pytest.fixture
def api() -> Api:
    return Api()


def write(client: Any) -> None:
    client.create(SERVICE, {"metadata": {"name": f"one-{time.monotonic_ns()}"}}, "shop")


def test_a_step_is_recorded_before_and_after(api: Api) -> None:
    client = api.client()
    with journal(client, begun(api)) as book, book.step(STEP, {"green": 0}, ["patch"]) as done:
        assert whats(api) == [SAID]
        write(client)
        done({"green": 25})
    assert entries(api) == [(SAID, {"green": 0}, ["patch"]), (DONE, None, {"green": 25})]
    assert len(api.writes()) == 1


def test_a_step_that_fails_says_why_and_the_error_stays_what_it_was(api: Api) -> None:
    failure = ReleaseError("green answers 500", where="https://shop", stderr="password=hunter2")
    with pytest.raises(ReleaseError) as raised, journal(api.client(), begun(api)) as book, book.step(STEP):
        raise failure
    assert raised.value is failure
    assert entries(api)[1] == (FAILED, None, {"reason": "green answers 500"})


def test_a_bug_is_recorded_by_name_only(api: Api) -> None:
    with pytest.raises(KeyError), journal(api.client(), begun(api)) as book, book.step(STEP):
        raise KeyError("hunter2")
    assert entries(api)[1] == (FAILED, None, {"reason": "KeyError"})


def test_a_long_reason_is_cut(api: Api) -> None:
    with pytest.raises(ReleaseError), journal(api.client(), begun(api)) as book, book.step(STEP):
        raise ReleaseError("x" * 100_000)
    assert len(entries(api)[1][2]["reason"]) < 600


def test_a_note_stands_alone(api: Api) -> None:
    with journal(api.client(), begun(api)) as book:
        book.note("gate step shop", after={"verdict": "pass"})
    assert entries(api) == [("gate step shop", None, {"verdict": "pass"})]


def test_the_lock_is_renewed_on_entering(api: Api) -> None:
    run = begun(api)
    api.sleep(30)
    with journal(api.client(), run):
        assert renewed(api).startswith("2026-11-21T16:00:30")


def test_a_run_whose_token_is_stale_does_not_begin(api: Api) -> None:
    run = begun(api)
    stolen(api)
    with pytest.raises(Refused, match=r"bob@laptop has held it .* stop this run"), journal(api.client(), run):
        raise AssertionError("it went on")
    assert whats(api) == []


def test_every_write_asks_the_lock_first(api: Api) -> None:
    client = api.client()
    with journal(client, begun(api)) as book, book.step(STEP):
        before = len(api.heard)
        write(client)
        assert [method for method, _path in api.heard[before:]] == ["GET", "POST"]


def test_a_lock_stolen_in_the_middle_of_a_step_stops_the_next_write(api: Api) -> None:
    client, run = api.client(), begun(api)

    def work() -> None:
        with journal(client, run) as book, book.step(STEP):
            write(client)
            stolen(api)
            write(client)

    with pytest.raises(Refused, match="stop this run"):
        work()
    assert len(api.writes()) == 1
    assert whats(api) == [SAID], "a stale run wrote into the ledger of its successor"


def test_a_write_that_is_sent_again_asks_again(api: Api) -> None:
    """The API server is away for a while, and meanwhile the lock goes to somebody else."""
    client = api.client(patience=60)

    def steal(request: Request) -> SimpleNamespace | None:
        if request.method != "POST":
            return None
        api.trouble = lambda request: None
        stolen(api)
        return failure(429, "busy")

    with journal(client, begun(api)):
        api.trouble = steal
        with pytest.raises(Refused, match="is stale"):
            write(client)
    assert api.writes() == []


def test_an_expired_lock_that_nobody_took_is_renewed_before_the_write(api: Api) -> None:
    run, client = begun(api), api.client()
    with journal(client, run):
        api.sleep(600)
        write(client)
        assert renewed(api).startswith("2026-11-21T16:10:00")
    with pytest.raises(Refused, match="alice@build-7 has held the lock"):
        acquired(api, "bob@laptop")


def check_for_long(book: Book) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        book.check()
        time.sleep(0.02)


def test_a_long_wait_ends_when_the_lock_is_lost(api: Api) -> None:
    with journal(api.client(), begun(api, ttl=1)) as book:
        book.check()
        stolen(api)
        with pytest.raises(Refused, match="bob@laptop has held it"):
            check_for_long(book)


def test_who_changes_something_elsewhere_looks_at_the_lock_itself(api: Api) -> None:
    with journal(api.client(), begun(api)) as book:
        book.look()
        stolen(api)
        book.check()
        with pytest.raises(Refused, match="does not hold the lock"):
            book.look()


def test_the_lock_is_renewed_while_a_task_works(api: Api) -> None:
    with journal(api.client(), begun(api, ttl=1)):
        api.sleep(45)
        until = time.monotonic() + 10
        while not renewed(api).startswith("2026-11-21T16:00:45"):
            assert time.monotonic() < until, "it was not renewed"
            time.sleep(0.02)


def test_renewing_goes_on_after_the_api_server_was_away(api: Api) -> None:
    with journal(api.client(), begun(api, ttl=1)):
        failed: list[str] = []

        def away(request: Request) -> SimpleNamespace | None:
            failed.append(request.path)
            raise urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]

        api.trouble = away
        until = time.monotonic() + 10
        while len(failed) < 5:
            assert time.monotonic() < until, "it gave up"
            time.sleep(0.02)
        api.trouble = lambda request: None
        api.sleep(300)
        now = f"{api.now:%Y-%m-%dT%H:%M}"
        while not renewed(api).startswith(now):
            assert time.monotonic() < until, "it gave up"
            time.sleep(0.02)


def test_nothing_is_changed_when_the_beginning_cannot_be_recorded(api: Api) -> None:
    client, run = api.client(patience=60), begun(api)

    def away(request: Request) -> SimpleNamespace | None:
        if "configmaps" in request.path:
            raise urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
        return None

    with journal(client, run) as book:
        api.trouble = away
        with pytest.raises(Unreachable), book.step(STEP):
            write(client)
    assert api.writes() == []


@pytest.mark.parametrize("lost_after", [False, True])
@pytest.mark.parametrize("entry", [1, 2])
def test_an_entry_whose_answer_got_lost_is_there_once(api: Api, entry: int, lost_after: bool) -> None:
    run, lost = begun(api), []

    def lose(request: Request) -> SimpleNamespace | None:
        if request.method == "GET" or "configmaps" not in request.path:
            return None
        lost.append(request)
        if len(lost) != entry:
            return None
        if lost_after:
            api.handle(request)
        raise urllib3.exceptions.ProtocolError("connection lost")

    with journal(api.client(), run) as book:
        api.trouble = lose
        with book.step(STEP) as done:
            done({"green": 25})
    assert whats(api) == [SAID, DONE]
    assert verify(RELEASE, Store(api.client(), "shop", RELEASE).texts(), []) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_api_server_in_trouble_is_waited_for(api: Api, status: int) -> None:
    run, left = begun(api), [7]

    def busy(request: Request) -> SimpleNamespace | None:
        left[0] -= 1
        return failure(status, "busy") if left[0] >= 0 else None

    client = api.client(patience=60)
    with journal(client, run) as book:
        for _write in range(3):
            left[0] = 7
            api.trouble = busy
            with book.step(STEP):
                pass
    assert whats(api) == [SAID, DONE] * 3


def test_the_mirror_has_what_the_cluster_has(api: Api, tmp_path: Path) -> None:
    with journal(api.client(), begun(api, str(tmp_path / "ledger"))) as book, book.step(STEP):
        pass
    kept = (tmp_path / "ledger" / "ledger.jsonl").read_text().splitlines()
    assert kept == Store(api.client(), "shop", RELEASE).texts()


def test_a_mirror_that_cannot_be_written_warns_once_and_catches_up(api: Api, tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("a file where the folder should be")
    run, warnings = begun(api, str(tmp_path / "ledger")), list[str]()
    with journal(api.client(), run, warnings.append) as book, book.step(STEP):
        book.note("gate step shop")
        (tmp_path / "ledger").unlink()
    assert ["mirror cannot be written" in warning for warning in warnings] == [True]
    assert len((tmp_path / "ledger" / "ledger.jsonl").read_text().splitlines()) == 3


def test_without_a_run_nothing_is_recorded_or_asked(api: Api) -> None:
    client = api.client()
    with journal(client, None) as book, book.step(STEP) as done:
        book.note("gate step shop")
        write(client)
        done({})
    assert api.heard == [("POST", SERVICE.path("shop"))]
    assert book.fence == 0


def test_check_mode_renews_and_records_nothing(api: Api) -> None:
    run = begun(api)
    before = len(api.heard)
    with journal(api.client(dry_run=True), run) as book, book.step(STEP):
        pass
    assert len(api.heard) == before
    assert book.fence == run.token, "a patch that is only shown is not the one that would be sent"


def test_the_guard_is_gone_with_the_book(api: Api) -> None:
    run, client = begun(api), api.client()
    with journal(client, run):
        pass
    stolen(api)
    write(client)
    assert len(api.writes()) == 1
