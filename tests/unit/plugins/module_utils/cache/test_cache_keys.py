# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a cache before a server is, and how keys get through redis-cli."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.cache import cli
from ansible_collections.runbook.release.plugins.module_utils.cache.base import Failure
from ansible_collections.runbook.release.plugins.module_utils.cache.pod import arguments
from ansible_collections.runbook.release.plugins.module_utils.cache.queues import means_everything, queue_of
from ansible_collections.runbook.release.plugins.module_utils.cache.tcp import Login, encoded
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.modules import cache_keys

NOWHERE = {"host": "127.0.0.1", "port": 1}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run_module(**options: Any) -> dict[str, Any]:
        with patch_module_args({"server": NOWHERE, **options}), pytest.raises(SystemExit):
            cache_keys.main()
        return dict(json.loads(capsys.readouterr().out))

    return run_module


@pytest.mark.parametrize("pattern", ["*", "**", "?*", "[a-z]*", "*[^x]*"])
def test_a_pattern_that_leaves_nothing_out_needs_consent_in_so_many_words(run: Any, pattern: str) -> None:
    assert means_everything(pattern)
    assert "everything: true if that is meant" in run(do="flush", pattern=pattern)["msg"]
    assert "cannot be reached" in run(do="flush", pattern=pattern, everything=True)["msg"]


@pytest.mark.parametrize("pattern", ["cache:*", "*:1", r"\*", "a", r"\?x*"])
def test_a_pattern_with_a_fixed_part_needs_none(run: Any, pattern: str) -> None:
    assert not means_everything(pattern)
    assert "127.0.0.1:1" in run(do="flush", pattern=pattern)["msg"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"do": "flush"}, "nothing says which keys"),
        ({"do": "flush", "pattern": "cache:*", "everything": True}, "leave out one of them"),
        ({"do": "set", "key": "a", "value": "b", "ttl": "0"}, "no time in which the key could expire"),
        ({"do": "set", "key": "a", "value": "b", "ttl": "soon"}, "ttl is 'soon', not a duration"),
        ({"do": "set", "key": "a", "value": "b"}, "missing: ttl"),
        ({"do": "flush", "pattern": "a", "server": {**NOWHERE, "ca_cert": "/x"}}, "TLS is not used"),
        ({"do": "flush", "pattern": "a", "server": {**NOWHERE, "username": "x"}}, "without a password"),
        ({"do": "flush", "pattern": "a", "server": {"mode": "exec", "namespace": "shop"}}, "pod, selector"),
    ],
)
def test_what_is_not_meant_is_refused_before_any_server_is_asked(run: Any, options: Any, said: str) -> None:
    found = run(**options)
    assert found["failed"]
    assert said in found["msg"]


@pytest.mark.parametrize(
    ("key", "owner"),
    [
        (b"celery", "Celery"),
        (b"celery\x06\x163", "Celery"),
        (b"unacked_index", "Celery"),
        (b"_kombu.binding.reports", "Celery"),
        (b"rq:queue:default", "RQ"),
        (b"bull:mail:wait", "Bull"),
        (b"queue:default", "Sidekiq or Resque"),
        (b"queues:default", "Laravel"),
        (b"arq:queue", "arq, Dramatiq, Huey or TaskIQ"),
        (b"celery-like", ""),
        (b"cache:celery", ""),
        (b"forecast:queue:1", ""),
    ],
)
def test_keys_of_queues_are_known_by_their_names(key: bytes, owner: str) -> None:
    assert queue_of(key) == owner


def test_whatever_bytes_a_key_has_it_gets_through_redis_cli() -> None:
    key = bytes(range(256))
    line = cli.line_of(("UNLINK", key, "é"))
    assert line.count(b"\n") == 1
    assert cli.answer_of(line.split(b" ", 1)[1].rsplit(b" ", 1)[0]) == key


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b'"0","a,\\"b\\"","c\\n\\x00"', [b"0", b'a,"b"', b"c\n\x00"]),
        (b"-2", -2),
        (b"NULL", None),
        (b'"ERROR"', b"ERROR"),
        (b'ERROR,"NOPERM no \\"x\\""', Failure('NOPERM no "x"')),
        (b'"master",0', [b"master", 0]),
    ],
)
def test_answers_of_redis_cli_are_told_apart(line: bytes, answer: Any) -> None:
    assert cli.answer_of(line) == answer


@pytest.mark.parametrize("line", [b"Could not connect", b'"a" "b"', b"1,,2", b'"open'])
def test_what_is_no_answer_is_an_error_with_its_words(line: bytes) -> None:
    with pytest.raises(ReleaseError, match="redis-cli says"):
        cli.answer_of(line)


def test_a_command_is_framed_and_its_password_is_no_argument() -> None:
    assert encoded(("SET", b"\r\n", "é")) == b"*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$2\r\n\xc3\xa9\r\n"
    login = Login("redis", 6380, 2, "ops", "hush-hush", tls=True, ca_cert="/ca.pem")
    assert "hush-hush" not in " ".join(arguments(login)) + repr(login)
    assert arguments(login)[-6:] == ["redis", "--user", "ops", "--tls", "--cacert", "/ca.pem"]
