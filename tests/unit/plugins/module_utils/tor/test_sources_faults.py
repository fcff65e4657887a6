# SPDX-License-Identifier: GPL-3.0-or-later
"""Every source that asks over HTTP, and everything a server can do wrong: never a pass, and never late."""

from __future__ import annotations

import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import measure
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import (
    FAULTS,
    MEBIBYTE,
    certificate,
    refused_port,
    serving,
)

ASKED = {
    "http body": ({"kind": "http"}, "version", '== "1.0"'),
    "http latency": ({"kind": "http"}, "latency", "< 60 s"),
    "http header": ({"kind": "http"}, "header:x-version", '== "1.0"'),
    "prometheus": ({"kind": "prometheus", "query": "up"}, "value", ">= 0"),
    "prometheus range": ({"kind": "prometheus", "query": "up", "range": 60}, "value", ">= 0"),
    "alertmanager": ({"kind": "alertmanager"}, "firing", "== 0"),
    "opensearch": ({"kind": "opensearch"}, "count", ">= 0"),
    "opensearch health": ({"kind": "opensearch"}, "health", '!= "red"'),
    "grafana": ({"kind": "grafana", "dashboard": "Overview"}, "exists", "== false"),
}
PATHS = ("/", "/api/v1/query", "/api/v1/query_range", "/api/v2/alerts", "/*/_search", "/_cluster/health", "/api/search")
DOCUMENTS = (None, [], {}, 0, "text", {"status": "success"}, {"data": {"result": []}}, [1, 2], [{}], {"hits": 7})


def judge(name, url, timeout=10.0, **more):
    source, select, expect = ASKED[name]
    entry = {"name": "it", "source": {**source, "url": url, **more}, "select": select, "expect": expect}
    (criterion,) = parse_criteria([{**entry, "timeout": timeout}])
    return measure(criterion, World(), time.monotonic() + 60)


@pytest.fixture
def server():
    with serving() as own:
        yield own


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_answers_badly_never_passes(server, name, fault):
    server.fault = fault
    html_is_fast = (name, fault) in (("http latency", "html"), ("http latency", "loop"), ("http latency", "empty"))
    slow = fault in ("hang", "drip", "drip head")
    found = judge(name, server.url, timeout=0.3 if slow else 10.0)
    assert "no complete answer within" in found.sentence if slow else server.asked
    if html_is_fast:
        assert found.verdict == "pass"  # how long the answer took was measured, whatever it says
    else:
        assert found.verdict in ("error", "insufficient"), found.sentence
    assert found.seconds < 12, "the deadline did not hold"
    assert server.sent <= 64 * MEBIBYTE


@pytest.mark.parametrize("name", ASKED)
def test_a_server_that_is_down_is_an_error(name):
    found = judge(name, f"http://127.0.0.1:{refused_port()}")
    assert (found.verdict, "refused" in found.sentence) == ("error", True)


@pytest.mark.parametrize("name", [name for name in ASKED if name != "http latency"])
@pytest.mark.parametrize("document", DOCUMENTS, ids=repr)
def test_json_of_something_else_never_passes(server, name, document):
    for path in PATHS:
        server.answers[path] = document
    if (name, document) == ("grafana", []):
        server.answers["/api/search"] = None  # an empty list is an answer: there is no such dashboard
    found = judge(name, server.url)
    assert server.asked
    assert found.verdict in ("error", "insufficient"), found.sentence


@pytest.mark.parametrize("name", ASKED)
def test_a_certificate_of_another_authority_is_an_error(tmp_path, name):
    with serving(certificate(tmp_path, days=90)) as server:
        found = judge(name, f"https://127.0.0.1:{server.server_port}")
    assert found.verdict == "error"
    assert "certificate is not accepted" in found.sentence


@pytest.mark.parametrize(("days", "name"), [(-1, "127.0.0.1"), (90, "shop.test")], ids=["expired", "other name"])
def test_a_bad_certificate_is_an_error_although_its_authority_is_trusted(tmp_path, days, name):
    paths = certificate(tmp_path, days, name)
    with serving(paths) as server:
        found = judge("prometheus", f"https://127.0.0.1:{server.server_port}", ca_cert=str(paths[0]))
    assert found.verdict == "error"
    assert "certificate is not accepted" in found.sentence


def test_a_file_without_certificates_is_an_error_that_names_it(tmp_path):
    for path in (tmp_path / "absent", tmp_path / "text"):
        (tmp_path / "text").write_text("no certificate")
        found = judge("prometheus", "https://127.0.0.1:1", ca_cert=str(path))
        assert found.verdict == "error"
        assert str(path) in found.sentence


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("fault", ["", "500", "reset", "html", "loop"])
def test_secrets_are_sent_and_never_shown(server, monkeypatch, name, fault):
    monkeypatch.setenv("TOKEN", "t0ps3cret")
    server.fault = fault
    server.answers["/"] = {"said": "t0ps3cret is your token"}
    url = server.url.replace("//", "//me:p4ssw0rd@") if name.startswith("http ") else server.url
    found = judge(name, url + "/?api_key=k3y" if name.startswith("http ") else url, token_environment="TOKEN")
    shown = repr(found.report())
    assert not [secret for secret in ("t0ps3cret", "p4ssw0rd", "k3y") if secret in shown]
    _path, _query, _body, headers = server.asked[0]
    assert headers["Authorization"] == "Bearer t0ps3cret"


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.startswith("drip")])
@pytest.mark.parametrize("source", [{"kind": "service", "path": "/version"}, {"kind": "prometheus", "query": "up"}])
def test_what_is_passed_on_by_the_api_server_never_passes_either(server, source, fault):
    server.fault = fault
    select = "version" if source["kind"] == "service" else "value"
    entry = {"name": "it", "source": {"service": "web", "port": 80, **source}, "select": select, "expect": "== 1"}
    (criterion,) = parse_criteria([{**entry, "timeout": 5.0 if fault == "hang" else 10.0}])
    world = World("shop", lambda: KubeClient(KubeAuth(host=server.url, api_key="x"), patience=1.0))
    found = measure(criterion, world, time.monotonic() + 60)
    assert server.asked[0][0].startswith("/api/v1/namespaces/shop/services/web:80/proxy/")
    assert found.verdict in ("error", "insufficient"), found.sentence
    assert server.sent <= 64 * MEBIBYTE


@pytest.mark.parametrize("status", [302, 401, 404, 500, 503])
@pytest.mark.parametrize(
    ("name", "path", "document", "more"),
    [
        ("alertmanager", "/api/v2/alerts", [], {"watchdog": ""}),
        ("opensearch health", "/_cluster/health", {"status": "green"}, {}),
        ("grafana", "/api/search", [], {}),
    ],
)
def test_what_would_be_a_pass_is_none_under_a_bad_status(server, name, path, document, more, status):
    server.answers[path] = document
    assert judge(name, server.url, **more).verdict == "pass"
    server.answers[path] = (status, document)
    found = judge(name, server.url, **more)
    assert (found.verdict, f"the answer was {status}" in found.sentence) == ("error", True)
