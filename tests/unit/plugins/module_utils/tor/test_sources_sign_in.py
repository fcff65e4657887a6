# SPDX-License-Identifier: GPL-3.0-or-later
"""Who signs in with a password gets a token that later requests bear, and reaches what the status of an object says."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import serving

PASSWORD, TOKEN = "correct-horse", "token-of-today"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("SMOKE_PASSWORD", PASSWORD)
    with serving() as own:
        own.answers["/login"] = {"data": {"token": TOKEN}}
        own.answers["/me"] = own.answers["/orders"] = {"said": TOKEN}
        yield own


def judge(server, *paths, world=None, sign_in=None, **more):
    base = f"http://shop.test:{server.server_port}"
    login = {"url": f"{base}/login", "user": "email", "token": "data.token", **(sign_in or {})}
    who = {"username": "test@example.com", "password_environment": "SMOKE_PASSWORD", "sign_in": login}
    place = {"address": "127.0.0.1"} if "address_of" not in more else {}
    sources = [{"kind": "http", "url": f"{base}{path}", **who, **place, **more} for path in paths]
    criteria = [{"name": source["url"], "source": source, "select": "status", "expect": "== 200"} for source in sources]
    return evaluate(parse_criteria(criteria), world or World()).verdicts


def asked(server, path):
    return [(body, headers) for at, _query, body, headers in server.asked if at == path]


def test_one_sign_in_gives_the_token_that_every_later_flow_bears(server):
    verdicts = judge(server, "/me", "/orders")
    assert [one.verdict for one in verdicts] == ["pass", "pass"], [one.sentence for one in verdicts]
    ((body, _headers),) = asked(server, "/login")
    assert body == {"email": "test@example.com", "password": PASSWORD}
    for path in ("/me", "/orders"):
        ((_body, headers),) = asked(server, path)
        assert headers["Authorization"] == f"Bearer {TOKEN}"


def test_neither_the_password_nor_the_token_is_shown(server):
    (verdict,) = judge(server, "/me")
    shown = json.dumps(verdict.report())
    assert "(hidden)" in shown
    assert TOKEN not in shown
    assert PASSWORD not in shown


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((401, {"error": PASSWORD}), "test@example.com cannot sign in: POST http://shop.test"),
        ({"data": {}}, "has no token at data.token"),
        ({"data": {"token": 7}}, "has no token at data.token"),
        ({"data": {"token": "a\r\nX-Admin: 1"}}, "has no token at data.token"),
        (b"welcome", "has no token at data.token"),
    ],
)
def test_who_cannot_sign_in_is_told_so_and_asks_no_further(server, answer, told):
    server.answers["/login"] = answer
    (verdict,) = judge(server, "/me")
    assert verdict.verdict == "error"
    assert told in verdict.sentence
    assert PASSWORD not in verdict.sentence
    assert asked(server, "/me") == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"sign_in": {"url": ""}}, ".sign_in.url: missing"),
        ({"sign_in": {"pass": "word"}}, ".sign_in.pass: unknown"),
        ({"token_environment": "TOKEN"}, "there is a token"),
        ({"username": "", "password_environment": ""}, ".sign_in: it takes a username"),
        ({"address_of": {"kind": "Pod", "name": "a"}}, ".address_of.kind: 'Pod' is none of Service, Ingress, Gateway"),
        ({"address_of": {"kind": "Service"}}, ".address_of.name: missing"),
        ({"address_of": {"kind": "Service", "name": "a"}, "address": "::1"}, ".address: there is address_of, too"),
    ],
)
def test_a_mistake_names_its_field(server, more, told):
    with pytest.raises(ReleaseError) as caught:
        judge(server, "/me", **more)
    assert told in str(caught.value)


def cluster(status):
    """A cluster with one Service of this status."""
    found = None if status is None else {"kind": "Service", "status": status}
    return World("shop", lambda: SimpleNamespace(get=lambda _kind, _name, _namespace: found))


@pytest.mark.parametrize(
    "status",
    [
        {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}},
        {"loadBalancer": {"ingress": [{"hostname": "localhost"}]}},
        {"addresses": [{"type": "IPAddress", "value": "127.0.0.1"}]},
    ],
)
def test_the_address_is_the_one_that_the_status_tells_and_the_name_stays(server, status):
    (verdict,) = judge(server, "/me", world=cluster(status), address_of={"kind": "Service", "name": "gateway"})
    assert verdict.verdict == "pass", verdict.sentence
    ((_body, headers),) = asked(server, "/me")
    assert headers["Host"].startswith("shop.test")


@pytest.mark.parametrize(
    ("status", "verdict"), [({}, "insufficient"), ({"loadBalancer": {"ingress": []}}, "insufficient"), (None, "error")]
)
def test_without_an_address_nothing_passes(server, status, verdict):
    (found,) = judge(server, "/me", world=cluster(status), address_of={"kind": "Service", "name": "gateway"})
    assert found.verdict == verdict, found.sentence
    assert server.asked == []
