# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Redis never says, or what is no Redis; a real one is asked in tests/services_cases."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import measure
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import refused_port

GIBIBYTE = 2**30


class FaultyRedis(socketserver.ThreadingTCPServer):
    """Answers every command with the next of its `answers`, and the last of them for good."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.heard, self.sent = [], b"", 0
        self.flood = b""
        self.drips = False
        self.ended = threading.Event()


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            while heard := self.request.recv(65536):
                self.server.heard += heard
                answers = self.server.answers
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                self.request.sendall(answer)
                while self.server.flood and self.server.sent < GIBIBYTE:
                    self.server.sent += self.request.send(self.server.flood)
                while self.server.drips and not self.server.ended.wait(0.05):
                    self.request.sendall(b"x")


@pytest.fixture
def server():
    with FaultyRedis() as own:
        threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True).start()
        yield own
        own.ended.set()
        own.shutdown()


def judge(port, select="ping", expect="== true", timeout=10.0, **source):
    given = {"kind": "redis", "host": "127.0.0.1", "port": port, **source}
    entry = {"name": "it", "timeout": timeout, "source": given, "select": select, "expect": expect}
    (criterion,) = parse_criteria([entry])
    return measure(criterion, World(), time.monotonic() + 60)


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


ASKED = [("ping", "== true"), ("latency", "< 60 s"), ("keys", ">= 0"), ("hits", ">= 0"), ("role", '!= "slave"')]


@pytest.mark.parametrize(("select", "expect"), ASKED)
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"$x\r\n",
        b"*1\r\n+PONG\r\n",
        b"\r\n",
    ],
)
def test_an_answer_that_is_none_is_an_error(server, select, expect, answer):
    server.answers = [answer]
    assert judge(server.server_address[1], select, expect).verdict == "error"


@pytest.mark.parametrize(("select", "expect"), ASKED)
@pytest.mark.parametrize(
    ("length", "said"), [(b"$-1", "is not one of Redis"), (b"$99999999999", "has 99999999999 bytes")]
)
def test_a_length_that_cannot_be_is_refused_and_not_waited_for(server, select, expect, length, said):
    server.answers = [length + b"\r\n"]
    found = judge(server.server_address[1], select, expect)
    assert (found.verdict, said in found.sentence) == ("error", True)


def test_lists_in_lists_without_end_are_an_error(server):
    server.answers = [b"*1\r\n"]
    server.flood = b"*1\r\n" * 2**16
    assert judge(server.server_address[1], timeout=5.0).verdict == "error"
    assert server.sent < 2**26


@pytest.mark.parametrize(("select", "expect"), ASKED)
def test_a_server_that_never_stops_sending_is_an_error(server, select, expect):
    server.answers = [b"+"]
    server.flood = b"x" * 2**20
    found = judge(server.server_address[1], select, expect)
    assert (found.verdict, "without end" in found.sentence) == ("error", True)
    assert server.sent < 2**26


@pytest.mark.parametrize(("answer", "drips"), [(b"", False), (b"+", True), (b"$10\r\nab", False), (b"$900\r\n", True)])
def test_a_server_that_is_slow_without_end_is_an_error_at_the_deadline(server, answer, drips):
    server.answers, server.drips = [answer], drips
    found = judge(server.server_address[1], timeout=1.0)
    assert (found.verdict, "no complete answer within 1 s" in found.sentence) == ("error", True)
    assert found.seconds < 5


def test_a_server_that_is_down_is_an_error():
    found = judge(refused_port())
    assert (found.verdict, "refused" in found.sentence) == ("error", True)


def test_a_server_without_tls_is_an_error_where_tls_is_asked_for(server):
    server.answers = [b"-ERR unknown command\r\n"]
    assert judge(server.server_address[1], tls=True).verdict == "error"


@pytest.mark.parametrize(
    ("fields", "select", "expect"),
    [
        (b"role:master", "hit_share", ">= 0 %"),
        (b"role:master", "used_memory in B", "< 1 GiB"),
        (b"keyspace_hits:0\r\nkeyspace_misses:0", "hit_share", ">= 0 %"),
        (b"used_memory:5\r\nmaxmemory:0", "memory_share", "< 90 %"),
        (b"keyspace_hits:nan\r\nkeyspace_misses:1", "hits", ">= 0"),
        (b"uptime_in_seconds:nan", "uptime_in_seconds in s", ">= 0 s"),
        (b"uptime_in_seconds:inf", "uptime_in_seconds in s", ">= 0 s"),
    ],
)
def test_what_the_server_does_not_tell_is_insufficient(server, fields, select, expect):
    server.answers = [bulk(fields)]
    found = judge(server.server_address[1], select, expect)
    assert found.verdict == "insufficient", found.sentence


@pytest.mark.parametrize("later", [b"run_id:b\r\nkeyspace_hits:99", b"run_id:a\r\nkeyspace_hits:3"])
def test_counters_that_were_reset_in_between_are_insufficient(server, later):
    server.answers = [bulk(b"run_id:a\r\nkeyspace_hits:7\r\nkeyspace_misses:1"), bulk(later + b"\r\nkeyspace_misses:1")]
    found = judge(server.server_address[1], "hits", ">= 0", duration=0.05)
    assert (found.verdict, "restarted" in found.sentence) == ("insufficient", True)


def test_a_duration_longer_than_the_time_there_is_is_insufficient(server):
    server.answers = [bulk(b"keyspace_hits:7\r\nkeyspace_misses:1")]
    found = judge(server.server_address[1], "hits", ">= 0", duration=60)
    assert (found.verdict, found.seconds < 5) == ("insufficient", True)


def test_a_password_is_sent_and_not_shown_although_the_server_repeats_it(server, monkeypatch):
    monkeypatch.setenv("REDIS_PASSWORD", "t0ps3cret")
    server.answers = [b"-WRONGPASS t0ps3cret is not it\r\n"]
    found = judge(server.server_address[1], username="me", password_environment="REDIS_PASSWORD")
    assert b"$9\r\nt0ps3cret\r\n" in server.heard
    assert (found.verdict, "WRONGPASS" in found.sentence) == ("error", True)
    assert "t0ps3cret" not in repr(found.report())


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"username": "me"}, ".source.username: a user name needs"),
        ({"ca_cert": "x"}, ".source.ca_cert: only with tls"),
        ({"duration": -1}, ".source.duration: is less than 0"),
        ({"tls": "perhaps"}, ".source.tls: 'perhaps' is not of the type bool"),
    ],
)
def test_mistakes(options, mistake):
    with pytest.raises(ReleaseError) as caught:
        judge(1, **options)
    assert mistake in str(caught.value)


@pytest.mark.parametrize("select", ["FLUSHALL now", "keys in", "used_memory in acres", "hits; DEL x"])
def test_only_fields_can_be_selected(select):
    with pytest.raises(ReleaseError, match=r"\.select: "):
        judge(1, select)


def part(cursor, *keys):
    return b"*2\r\n" + bulk(cursor) + b"*%d\r\n" % len(keys) + b"".join(map(bulk, keys))


def test_entries_that_never_expire_are_counted_over_all_parts_of_a_scan(server):
    server.answers = [part(b"17", b"markets:1", b"s:token"), b":-1\r\n:30\r\n", part(b"0", b"markets:2"), b":-1\r\n"]
    verdict = judge(server.server_address[1], "lasting_keys", "== 0", pattern="*")
    assert (verdict.verdict, verdict.observed, verdict.samples) == ("fail", 2, 3)
    assert verdict.evidence == {"keys": 3, "lasting": {"markets": 2}}


def test_a_key_that_a_scan_tells_twice_counts_once_and_one_that_is_gone_does_not_last(server):
    server.answers = [part(b"17", b"a"), b":-2\r\n", part(b"0", b"a")]
    verdict = judge(server.server_address[1], "lasting_keys", "== 0")
    assert (verdict.verdict, verdict.observed, verdict.samples) == ("pass", 0, 1)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(part(b"0"), "insufficient"), (b"*1\r\n" + bulk(b"0"), "error"), (b"*2\r\n*1\r\n*1\r\n*1\r\n:0\r\n", "error")],
)
def test_no_keys_and_no_scan_are_no_pass(server, answer, verdict):
    server.answers = [answer]
    assert judge(server.server_address[1], "lasting_keys", "== 0").verdict == verdict
