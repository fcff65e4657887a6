# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.web import Call, send, without_secrets
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import certificate, serving

HEALTHY = {"version": "1.0", "took": 12}


def judge(entry):
    (verdict,) = evaluate(parse_criteria([{"name": "it", "timeout": 10, **entry}]), World()).verdicts
    return verdict


@pytest.fixture
def server():
    with serving() as own:
        own.answers["/"] = HEALTHY
        own.answers["/plain"] = b"<up>"
        own.answers["/503"] = (503, {"version": "1.0"})
        own.answers["/big"] = b"x" * 2_000_000
        yield own


def in_turn(*statuses):
    """One status after the other, the last one for good."""
    left = list(statuses)
    return lambda _query, _body: (left.pop(0) if len(left) > 1 else left[0], HEALTHY)


@pytest.fixture
def ask(server):
    def asking(path="", source=None, **entry):
        url = f"http://shop.test:{server.server_port}/{path}"
        return judge({"source": {"kind": "http", "url": url, "address": "127.0.0.1", **(source or {})}, **entry})

    return asking


@pytest.mark.parametrize(
    ("path", "entry", "verdict"),
    [
        ("", {"select": "status", "expect": "200..299"}, "pass"),
        ("503", {"select": "status", "expect": "200..299"}, "fail"),
        ("404", {"select": "status", "expect": "200..299"}, "fail"),
        ("", {"select": "version", "expect": '== "1.0"'}, "pass"),
        ("503", {"select": "version", "expect": '== "1.0"'}, "error"),
        ("503", {"select": "header:content-length", "expect": "> 0"}, "error"),
        ("", {"select": "took", "expect": "< 20 ms"}, "pass"),
        ("", {"select": "took in s", "expect": "< 20 ms"}, "fail"),
        ("", {"select": "took in us", "expect": "< 20 ms"}, "pass"),
        ("", {"select": "missing", "expect": "< 20 ms"}, "insufficient"),
        ("plain", {"select": "version", "expect": '== "1.0"'}, "error"),
        ("plain", {"select": "/<(\\w+)>/", "expect": '== "up"'}, "pass"),
        ("plain", {"select": "/is in stock/", "expect": '== "up"'}, "insufficient"),
        ("", {"select": "latency", "expect": "< 10 s", "samples": 5, "aggregate": "p95"}, "pass"),
        ("503", {"select": "latency", "expect": "< 10 s", "samples": 5, "aggregate": "p95"}, "insufficient"),
        ("big", {"select": "status", "expect": "== 200"}, "error"),
    ],
)
def test_verdicts(ask, path, entry, verdict):
    found = ask(path, **entry)
    assert found.verdict == verdict, found.sentence


@pytest.mark.parametrize("aggregate", ["", "max", "min", "avg", "last"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "null", '"NaN"'])
def test_a_number_that_is_none_is_never_a_pass(ask, server, number, aggregate):
    server.answers["/"] = f'{{"took": {number}, "all": [{number}, {number}], "mixed": [{number}, 1]}}'.encode()
    for select in ("took", "all", "mixed"):
        for expect in ("< 1 ms", "> 1 ms"):
            if (select, aggregate) != ("mixed", "last"):
                found = ask(select=select, expect=expect, aggregate=aggregate)
                assert found.verdict in ("insufficient", "error"), found.sentence


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"took": ' + b"9" * 9000 + b"}", b"\xff\xfe{}", b'{"took": 1'])
def test_json_that_is_none_is_an_error(ask, server, body):
    server.answers["/"] = body
    assert ask(select="took", expect=">= 0").verdict == "error"


def test_each_sample_is_a_request(ask, server):
    assert ask(select="status", expect="== 200", samples=7).samples == 7
    assert len(server.asked) == 7


@pytest.mark.parametrize("select", ["version", '/"version": "([^"]+)"/'])
def test_one_answer_without_the_value_keeps_the_others_from_passing(ask, server, select):
    answers = iter([HEALTHY, HEALTHY, {}])
    server.answers["/turns"] = lambda _query, _body: next(answers)
    found = ask("turns", select=select, expect='== "1.0"', samples=3)
    assert found.verdict == "insufficient", found.sentence


@pytest.mark.parametrize("status", [200, 500])
def test_a_page_that_repeats_the_token_does_not_show_it(ask, server, monkeypatch, status):
    monkeypatch.setenv("TOKEN", "t0ps3cret-token")
    server.answers["/echo"] = lambda _query, _body: (status, b"you sent Bearer t0ps3cret-token")
    found = ask("echo", {"token_environment": "TOKEN"}, select="/sent (.*)/", expect='== "nothing"')
    assert found.verdict == ("fail" if status == 200 else "error")
    assert "t0ps3cret" not in repr(found.report())


def test_a_long_text_is_shown_in_part(ask):
    found = ask("big", {"body_limit": 4_000_000}, select="/x+/", expect='== "up"')
    assert found.verdict == "fail"
    assert len(found.sentence) < 1000
    assert len(found.observed) < 10_000


def test_half_of_the_answers_are_errors(ask, server):
    server.answers["/"] = in_turn(200, 500, 200, 500)
    assert ask(select="error_share", expect="== 50 %", samples=4).verdict == "pass"


def test_a_request_nobody_answers_is_an_error_of_the_share_and_holds_up_only_itself(ask, server):
    server.fault = "hang"
    found = ask(source={"request_timeout": 0.1}, select="error_share", expect="< 1 %", samples=3)
    assert (found.verdict, found.observed, found.samples) == ("fail", 100, 3)


def test_the_longest_run_of_failures_counts_not_their_number(ask, server):
    server.answers["/"] = in_turn(500, 200, 500, 502, 503, 200, 500, 200)
    found = ask(select="failures_in_a_row", expect="<= 3", samples=8)
    assert (found.verdict, found.observed) == ("pass", 3)


def test_the_latency_of_errors_does_not_count_and_other_requests_make_up_for_them(ask, server):
    server.answers["/"] = in_turn(200, 401, 200)
    found = ask(select="latency", expect="< 10 s", samples=3, aggregate="max")
    assert (found.verdict, found.samples, len(server.asked)) == ("pass", 3, 4)
    assert "1 of 4 answers were errors" in found.sentence


def test_samples_are_spread_over_the_duration(ask, server):
    began = time.monotonic()
    found = ask(source={"duration": 0.6}, select="error_share", expect="== 0 %", samples=3)
    assert (found.verdict, len(server.asked)) == ("pass", 3)
    assert time.monotonic() - began >= 0.4


def test_a_duration_longer_than_the_time_there_is_leaves_too_few_samples(ask):
    entry = {"select": "error_share", "expect": "== 0 %", "samples": 5, "timeout": 0.3}
    assert ask(source={"duration": 60}, **entry).verdict == "insufficient"


def test_time_that_runs_out_between_samples_is_insufficient(ask):
    assert ask(select="status", expect="== 200", samples=10**6, timeout=1.0).verdict == "insufficient"


def test_the_host_of_the_url_is_asked_for_at_the_address(ask, server):
    ask(select="status", expect=200)
    assert server.asked[0][3]["Host"] == f"shop.test:{server.server_port}"


@pytest.mark.parametrize(("port", "asked_for"), [("", "127.0.0.1"), (":443", "127.0.0.1"), (":80", "127.0.0.1:80")])
def test_the_port_https_has_anyway_is_no_part_of_the_host_that_is_asked_for(tmp_path, monkeypatch, port, asked_for):
    paths, connect, ports = certificate(tmp_path, 90), socket.create_connection, []

    def elsewhere(address, timeout):
        ports.append(address[1])
        return connect(("127.0.0.1", secure.server_port), timeout)

    with serving(paths) as secure:
        monkeypatch.setattr(socket, "create_connection", elsewhere)
        send(Call(f"https://127.0.0.1{port}/", ca_cert=str(paths[0])), timeout=10)
    assert (secure.asked[0][3]["Host"], ports) == (asked_for, [int(port[1:] or 443)])


def test_a_post_sends_its_body_and_headers(ask, server):
    source = {"method": "POST", "body": '{"horizon": 60}', "headers": {"Content-Type": "application/json"}}
    assert ask(source=source, select="status", expect=200).verdict == "pass"
    _path, _query, body, headers = server.asked[0]
    assert (body, headers["Content-Type"]) == ({"horizon": 60}, "application/json")


@pytest.mark.parametrize(("method", "once"), [("POST", True), ("GET", False)])
def test_what_a_post_does_a_hold_does_not_repeat(server, method, once):
    source = {"kind": "http", "url": f"{server.url}/status", "method": method}
    entry = {"name": "order", "source": source, "select": "status", "expect": ">= 200", "timeout": 10}
    assert evaluate(parse_criteria([entry]), World(), hold=1.2).passed
    assert (len(server.asked) == 1) is once


def test_a_larger_body_is_read_when_it_is_allowed(ask):
    assert ask("big", {"body_limit": 3_000_000}, select="/x/", expect='== "x"').verdict == "pass"


class TestRedirects:
    @pytest.fixture(autouse=True)
    def loops(self, server):
        server.fault = "loop"

    def test_a_redirect_is_an_answer_unless_they_are_followed(self, ask):
        assert ask(select="status", expect=302).verdict == "pass"

    @pytest.mark.parametrize("select", ["status", "version", "latency"])
    def test_a_loop_of_redirects_is_an_error_once_they_are_followed(self, ask, server, select):
        found = ask(source={"redirects": 3}, select=select, expect="< 500 ms" if select == "latency" else "== 302")
        assert (found.verdict, "more than 3 redirects" in found.sentence) == ("error", True)
        assert len(server.asked) == 4

    def test_a_loop_of_redirects_is_a_failed_request(self, ask):
        found = ask(source={"redirects": 3}, select="error_share", expect="< 1 %")
        assert (found.verdict, found.observed) == ("fail", 100)


def redirecting(server, target):
    server.fault = "away"
    handler = server.RequestHandlerClass

    class Away(handler):
        def _away(self):
            self._send(302, b"", more=f"Location: {target}\r\n")

    server.RequestHandlerClass = Away


def test_another_origin_is_told_no_secret(server):
    with serving() as other:
        other.answers["/here"] = HEALTHY
        redirecting(server, f"{other.url}/here")
        call = Call(f"{server.url}/", headers={"Authorization": "Bearer s3cret"})
        status, _headers, _body = send(call, timeout=10, redirects=1)
        assert status == 200
        assert server.asked[0][3]["Authorization"] == "Bearer s3cret"
        assert "Authorization" not in other.asked[0][3]


def test_a_redirect_away_from_tls_is_refused(tmp_path):
    paths = certificate(tmp_path, 90)
    with serving(paths) as secure:
        redirecting(secure, "http://127.0.0.1:1/")
        call = Call(f"https://127.0.0.1:{secure.server_port}/", ca_cert=str(paths[0]))
        with pytest.raises(ReleaseError, match="leaves TLS"):
            send(call, timeout=10, redirects=1)


class TestCertificate:
    @pytest.mark.parametrize(("expect", "verdict"), [("> 29 d", "pass"), ("> 31 d", "fail")])
    def test_the_time_until_it_expires(self, tmp_path, expect, verdict):
        paths = certificate(tmp_path, days=30)
        with serving(paths) as server:
            source = {"kind": "http", "url": f"https://127.0.0.1:{server.server_port}/", "ca_cert": str(paths[0])}
            found = judge({"source": source, "select": "certificate_age_left", "expect": expect})
        assert found.verdict == verdict, found.sentence
        assert found.evidence["expires"].endswith("Z")

    def test_one_that_is_not_trusted_or_not_there_is_an_error(self, server, tmp_path):
        with serving(certificate(tmp_path, days=30)) as secure:
            for url in (f"https://127.0.0.1:{secure.server_port}/", server.url, server.url.replace("http", "https")):
                entry = {"source": {"kind": "http", "url": url}, "select": "certificate_age_left", "expect": "> 1 d"}
                assert judge(entry).verdict == "error"

    def test_its_age_needs_a_unit_of_time(self):
        source = {"kind": "http", "url": "https://shop.test"}
        with pytest.raises(ReleaseError, match=r"\.expect: .*unit"):
            parse_criteria([{"name": "it", "source": source, "select": "certificate_age_left", "expect": "> 30"}])


@pytest.mark.parametrize("select", ["latency in s", "took in furlong"])
def test_a_unit_that_is_known_already_or_not_known_is_a_mistake(ask, select):
    with pytest.raises(ReleaseError, match=r"\.select: "):
        ask(select=select, expect="< 1 s")


@pytest.mark.parametrize("url", ["shop.test", "ftp://shop.test", "http://shop.test:99999/"])
def test_what_is_no_url_is_an_error(url):
    found = judge({"source": {"kind": "http", "url": url}, "select": "status", "expect": 200})
    assert (found.verdict, "URL" in found.sentence) == ("error", True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://u:p@ss@host/a?token=s3&q=1#x", "http://host/a?token=…&q=1#x"),
        ("http://host/?API_KEY=s3&x-sig=s3&pwd=s3", "http://host/?API_KEY=…&x-sig=…&pwd=…"),
        ("http://host/@scope/package", "http://host/@scope/package"),
    ],
)
def test_a_url_is_shown_without_secrets(url, shown):
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    "url", ["http://u:pa/s3cret@host/", "http://host/s3 x?token=s3cret", "http://host/é?key=s3cret"]
)
def test_a_url_that_cannot_be_asked_is_not_shown_with_its_secret(url):
    found = judge({"source": {"kind": "http", "url": url}, "select": "status", "expect": 200})
    assert found.verdict == "error"
    assert "s3cret" not in repr(found.sentence)


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"method": "DELETE"}, ".source.method: 'DELETE' is none of GET, HEAD, POST"),
        ({"body": "x"}, ".source.body: only a POST has one"),
        ({"method": "POST", "redirects": 1}, ".source.redirects: a POST is not sent again"),
        ({"duration": -1}, ".source.duration: -1.0 is less than 0"),
        ({"headers": {"authorization": "s3cret"}}, ".source.headers.authorization: write secrets by reference"),
        ({"headers": "s3cret"}, ".source.headers: is not a dictionary of text"),
        ({"token_file": "a", "token_environment": "B"}, ".source.token_environment: there is token_file, too"),
        ({"token_secret": {"name": "s3cret"}}, ".source.token_secret.key: missing"),
        ({"token_secret": {"name": "x", "key": "y", "value": "s3cret"}}, ".source.token_secret.value: unknown"),
        ({"username": "me"}, ".source.username: a user name needs"),
        ({"redirects": 1.5}, ".source.redirects: 1.5 is not of the type int"),
        ({"pasword_file": "x"}, ".source.pasword_file: unknown, did you mean password_file?"),
    ],
)
def test_a_mistake_in_the_options_is_named_and_no_secret_with_it(options, mistake):
    source = {"kind": "http", "url": "http://shop.test", **options}
    with pytest.raises(ReleaseError) as caught:
        parse_criteria([{"name": "it", "source": source, "select": "status", "expect": 200}])
    assert mistake in str(caught.value)
    assert "s3cret" not in str(caught.value)
