# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils import lock
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of, lease_name
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import ATTEMPTS, Outcome, keep, observe

from .lease_api import BEGAN, LeaseApi, LeaseClient

CLAIMS = itertools.count()
FIRST = int(BEGAN.timestamp())


def ask(client: Any, state: str = "held", holder: str = "alice@a", **more: Any) -> Outcome:
    return keep(client, Want("shop/shop-prod", state, holder, f"claim-{next(CLAIMS)}", **more))


@pytest.fixture
def api() -> LeaseApi:
    return LeaseApi()


@pytest.fixture
def client(api: LeaseApi) -> LeaseClient:
    return LeaseClient(api)


def test_the_first_one_gets_a_lease(api, client):
    report = ask(client).report()
    assert report == {
        "changed": True,
        "lease": "shop/shop-prod",
        "holder": "alice@a",
        "token": FIRST,
        "ttl": 60,
        "since": "2026-11-24T19:00:00Z",
        "renewed": "2026-11-24T19:00:00Z",
        "taken_over": {},
    }
    assert api.lease["spec"] == {
        "holderIdentity": "alice@a",
        "leaseDurationSeconds": 60,
        "acquireTime": "2026-11-24T19:00:00.000000Z",
        "renewTime": "2026-11-24T19:00:00.000000Z",
    }


def test_the_second_one_is_told_who_holds_it(api, client):
    ask(client)
    api.pass_time(18)
    with pytest.raises(Refused) as refused:
        ask(client, holder="bob@b")
    assert "alice@a has held the lock since 2026-11-24T19:00:00Z and may hold it for another 42 s" in str(refused.value)
    assert "takeover: true" in str(refused.value)
    assert "Lease shop/shop-prod" in str(refused.value)
    assert refused.value.details["owner"]["remaining"] == 42
    assert api.versions == 1


def test_the_same_name_is_not_the_same_run(client):
    ask(client)
    with pytest.raises(Refused, match="alice@a has held the lock"):
        ask(client)


def test_who_has_the_token_holds_it_without_a_change(api, client):
    token = ask(client).after.token
    api.pass_time(59)
    assert not ask(client, token=token).report()["changed"]
    assert api.versions == 1
    api.pass_time(2)
    assert ask(client, token=token).report()["renewed"] == "2026-11-24T19:01:01Z"


def test_renewing_starts_its_time_anew(api, client):
    token = ask(client).after.token
    api.pass_time(50)
    report = ask(client, "renewed", token=token, ttl=90).report()
    assert (report["changed"], report["token"], report["ttl"]) == (True, token, 90)
    assert (report["since"], report["renewed"]) == ("2026-11-24T19:00:00Z", "2026-11-24T19:00:50Z")
    api.pass_time(90)
    with pytest.raises(Refused, match="another 0 s"):
        ask(client, holder="bob@b")


@pytest.mark.parametrize(("seconds", "taken"), [(60.0, False), (60.99, False), (61.0, True)])
def test_it_is_taken_over_when_its_time_is_certainly_over(api, client, seconds, taken):
    ask(client)
    api.pass_time(seconds)
    if not taken:
        with pytest.raises(Refused):
            ask(client, holder="bob@b")
        return
    report = ask(client, holder="bob@b").report()
    assert (report["token"], report["holder"]) == (FIRST + 1, "bob@b")
    assert report["taken_over"] == {
        "from": "alice@a",
        "token": FIRST,
        "by": "bob@b",
        "why": "not renewed for more than 60 s",
        "at": "2026-11-24T19:01:01Z",
    }
    assert '"from":"alice@a"' in api.lease["metadata"]["annotations"]["runbook.release/taken-over"]


def test_a_living_one_is_taken_over_on_request_and_it_is_recorded(api, client):
    old = ask(client).after.token
    report = ask(client, holder="bob@b", takeover=True, reason="CHG-7").report()
    assert (report["token"], report["taken_over"]["why"]) == (old + 1, "CHG-7")
    with pytest.raises(Refused, match=f"Token {old} is stale.* bob@b has held it with token {old + 1}"):
        ask(client, "renewed", token=old)
    assert "taken-over" in str(ask(client, "renewed", holder="bob@b", token=old + 1) and api.lease)


def test_a_takeover_of_a_free_lock_takes_it_from_nobody(client):
    token = ask(client).after.token
    ask(client, "released", token=token)
    assert ask(client, takeover=True, reason="CHG-7").report()["taken_over"] == {}


def test_a_release_lets_others_in_and_keeps_the_token(api, client):
    token = ask(client).after.token
    assert ask(client, "released", token=token).report()["holder"] == ""
    assert not ask(client, "released", token=token).report()["changed"]
    assert ask(client, holder="bob@b").report()["token"] == token + 1
    for state in ("released", "renewed", "held"):
        with pytest.raises(Refused, match="is stale") as refused:
            ask(client, state, token=token)
        assert refused.value.details["owner"]["holder"] == "bob@b"


def test_what_was_released_is_not_renewed(client):
    token = ask(client).after.token
    ask(client, "released", token=token)
    for state in ("renewed", "held"):
        with pytest.raises(Refused, match="was released"):
            ask(client, state, token=token)


def test_a_released_token_of_before_is_stale(client):
    first = ask(client).after.token
    ask(client, "released", token=first)
    second = ask(client).after.token
    ask(client, "released", token=second)
    with pytest.raises(Refused, match=f"acquired with token {second} and released since"):
        ask(client, "renewed", token=first)


def test_a_deleted_lease_does_not_bring_old_tokens_back(api, client):
    token = ask(client).after.token
    api.lease = None
    with pytest.raises(Refused, match="does not exist any more"):
        ask(client, "renewed", token=token)
    assert ask(client, "released", token=token).report()["changed"] is False
    api.pass_time(1)
    assert ask(client, holder="bob@b").after.token > token
    with pytest.raises(Refused, match="is stale"):
        ask(client, "renewed", token=token)


def test_foreign_annotations_survive(api, client):
    token = ask(client).after.token
    api.lease["metadata"]["annotations"]["example.com/note"] = "kept"
    ask(client, "renewed", token=token)
    assert api.lease["metadata"]["annotations"]["example.com/note"] == "kept"


def test_a_lost_race_ends_with_the_winners_name(api, client):
    other = LeaseClient(api)
    client.before_write = [lambda: ask(other, holder="bob@b")]
    with pytest.raises(Refused, match="bob@b has held the lock"):
        ask(client)
    api.pass_time(61)
    client.before_write = [lambda: ask(other, holder="carol@c")]
    with pytest.raises(Refused, match="carol@c has held the lock"):
        ask(client)


def test_two_runs_of_one_name_stay_apart_when_an_answer_is_lost(api, client):
    ask(client)
    api.pass_time(61)
    client.lost = True
    client.before_write = [lambda: ask(LeaseClient(api), holder="bob@b")]
    with pytest.raises(Refused, match="bob@b"):
        ask(client, holder="bob@b")


def test_endless_writers_are_named(api, client):
    token = ask(client).after.token
    client.before_write = [lambda: api.store(api.lease)] * ATTEMPTS
    with pytest.raises(ReleaseError, match="during each of 5 attempts"):
        ask(client, "renewed", token=token)
    client.before_write = [lambda: api.store(api.lease)] * (ATTEMPTS - 1)
    assert ask(client, "renewed", token=token).report()["changed"]


def test_check_mode_writes_nothing(api):
    report = ask(LeaseClient(api, dry_run=True)).report()
    assert (report["changed"], report["holder"], api.lease) == (True, "alice@a", None)


def test_the_diff(api, client):
    token = ask(client).after.token
    api.pass_time(5)
    diff = ask(client, "renewed", token=token).diff()
    assert diff["before_header"] == "Lease shop/shop-prod"
    assert (diff["before"]["renewed"], diff["after"]["renewed"]) == ("2026-11-24T19:00:00Z", "2026-11-24T19:00:05Z")


def test_a_lease_of_something_else_is_left_alone(api, client):
    api.store({"metadata": {"name": "shop-prod", "namespace": "shop"}, "spec": {"holderIdentity": "operator"}})
    with pytest.raises(Refused, match="not a lock of this collection: it lacks runbook"):
        ask(client, takeover=True, reason="CHG-7")
    assert api.versions == 1


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
def test_without_the_servers_time_nobody_judges(client, headers):
    client.headers = headers
    with pytest.raises(ReleaseError, match="no usable Date header"):
        observe(client, "shop/shop-prod")


def test_no_clock_of_an_operator_is_read():
    clocks = re.compile(r"^import time|from time import|datetime\.(?:now|utcnow|today)|time\.(?:time|monotonic)", re.M)
    files = sorted(Path(lock.__path__[0]).glob("*.py"))
    assert files
    assert [path.name for path in files if clocks.search(path.read_text())] == []


def test_the_holder_is_the_awx_job_or_the_user():
    environ = {"AWX_HOST": "https://awx.example.com", "JOB_ID": "4711"}
    assert holder_of(environ) == "AWX job 4711 of https://awx.example.com"
    assert "@" in holder_of({"JOB_ID": "4711"})


def test_a_user_without_a_name_has_a_number(monkeypatch):
    def nobody() -> str:
        raise KeyError("uid")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert holder_of({}).split("@")[0].isdigit()


def test_the_name_of_the_lease_is_one_the_api_server_takes():
    assert lease_name("Web_Shop", "prod") == "web-shop-prod"
