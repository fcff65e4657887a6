# SPDX-License-Identifier: GPL-3.0-or-later
"""The module cache_keys with a real Redis."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.cache.base import Cache, Deadline
from ansible_collections.runbook.release.plugins.module_utils.cache.operate import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.cache.pod import PodCache
from ansible_collections.runbook.release.plugins.module_utils.cache.tcp import Login, TcpCache
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.plugins.modules import cache_keys
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import certificate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.redis import Redis
from services_cases.exec_stand_in import LocalExec

MINUTE = 60.0
ODD = (b"cache:\n\x00\xff", b'cache:"a b"\\', b"cache:,1", "cache:\u00e9".encode())
Open = Callable[..., Cache]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(certificate(tmp_path_factory.mktemp("trust"), days=30)) as server:
        assert isinstance(server, Redis)
        yield server


@pytest.fixture(autouse=True)
def empty(redis: Redis) -> None:
    redis.say("FLUSHALL")


@pytest.fixture
def login(redis: Redis) -> Login:
    return Login(redis.host, redis.port, password=redis.password)


@pytest.fixture
def client(redis: Redis, tmp_path: Path) -> Path:
    """A folder with a redis-cli that finds its libraries, as the one of a container does."""
    program = redis.package.folder / "usr/bin/redis-cli"
    script = tmp_path / "redis-cli"
    script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={redis.folder / "libraries"} exec {program} "$@"\n')
    script.chmod(0o755)
    return tmp_path


@pytest.fixture(params=["tcp", "exec"])
def open_cache(request: pytest.FixtureRequest, client: Path) -> Open:
    def opened(login: Login, seconds: float = MINUTE) -> Cache:
        deadline = Deadline(seconds, "the cache")
        if request.param == "tcp":
            return TcpCache(login, deadline)
        return PodCache(lambda argv: LocalExec(argv, path=client), login, deadline, "pod shop/redis-0 (redis)")

    return opened


@pytest.fixture
def options(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("CACHE_PASSWORD", redis.password)
    return {"server": {"host": redis.host, "port": redis.port, "password_environment": "CACHE_PASSWORD"}}


def fill(redis: Redis, prefix: str, count: int) -> None:
    redis.say("EVAL", "for n = 1, ARGV[2] do redis.call('SET', ARGV[1] .. n, n) end", "0", prefix, str(count))


def keys(redis: Redis) -> int:
    return int(redis.say("DBSIZE"))


def test_only_what_matches_goes_whatever_bytes_are_in_a_key(open_cache: Open, login: Login, redis: Redis) -> None:
    fill(redis, "cache:", 2500)
    fill(redis, "session:", 40)
    with open_cache(login) as cache:
        for key in ODD:
            cache.say("SET", key, b"\x00 1")
        looked = operate(cache, Request("flush", "cache:*", check=True), Book())
        assert (looked.changed, looked.found["removed"], keys(redis)) == (True, 2504, 2544)
        done = operate(cache, Request("flush", "cache:*"), Book())
        assert (done.changed, done.before, done.found["removed"], done.after) == (True, 2544, 2504, 40)
        assert not operate(cache, Request("flush", "cache:*"), Book()).changed


def test_keys_of_queues_are_left_alone_without_consent(open_cache: Open, login: Login, redis: Redis) -> None:
    for key in ("celery", "_kombu.binding.celery", "unacked", "bull:mail:1"):
        redis.say("SET", key, "1")
    fill(redis, "cache:", 3)
    with open_cache(login) as cache:
        with pytest.raises(ReleaseError, match=r"keys of a queue \(Bull, Celery\).*queues: true"):
            operate(cache, Request("flush", everything=True), Book())
        left = operate(cache, Request("flush", "*c*"), Book())
        assert (left.found, left.after) == ({"removed": 3, "queue_keys": 3}, 4)
        assert "queue (Celery)" in left.warnings[0]
        assert operate(cache, Request("flush", "*c*", queues=True), Book()).found == {"removed": 3, "queue_keys": 0}


def test_everything_is_everything_in_one_database(open_cache: Open, login: Login, redis: Redis) -> None:
    fill(redis, "cache:", 5)
    other = Login(login.host, login.port, 3, password=login.password)
    with open_cache(other) as cache:
        cache.say("SET", "here", "1")
        looked = operate(cache, Request("flush", everything=True, check=True), Book())
        assert (looked.changed, looked.after) == (True, 1)
        done = operate(cache, Request("flush", everything=True), Book())
        assert (done.changed, done.before, done.after, keys(redis)) == (True, 1, 0, 5)
        assert not operate(cache, Request("flush", everything=True), Book()).changed


def test_one_key_is_filled_and_left_while_it_is_fresh(open_cache: Open, login: Login, redis: Redis) -> None:
    fresh = Request("set", key="markets:active", value='{"a": "\u00e9\n"}', ttl=300)
    with open_cache(login) as cache:
        assert operate(cache, fresh, Book()).changed
        assert cache.say("GET", "markets:active") == fresh.value.encode()
        assert not operate(cache, fresh, Book()).changed
        redis.say("EXPIRE", "markets:active", "100")
        assert operate(cache, fresh, Book()).changed
        assert 290 < int(redis.say("TTL", "markets:active")) <= 300
        redis.say("RPUSH", "list", "1")
        with pytest.raises(ReleaseError, match="is no text"):
            operate(cache, Request("set", key="list", value="1", ttl=300), Book())


def test_a_replica_is_refused(open_cache: Open, login: Login, redis: Redis) -> None:
    redis.say("REPLICAOF", "127.0.0.1", "1")
    try:
        with open_cache(login) as cache, pytest.raises(ReleaseError, match="a replica, which takes no writes"):
            operate(cache, Request("flush", "cache:*"), Book())
    finally:
        redis.say("REPLICAOF", "NO", "ONE")


def test_a_wrong_password_and_a_wrong_address_are_said_and_not_shown(open_cache: Open, login: Login) -> None:
    wrong = Login(login.host, login.port, password="wr0ng-password")
    with pytest.raises(ReleaseError, match="WRONGPASS") as found:
        open_cache(wrong)
    assert "wr0ng-password" not in str(found.value)
    with pytest.raises(ReleaseError, match="refused"):
        open_cache(Login(login.host, 1, password=login.password))


def test_one_that_does_not_answer_is_an_error_at_the_deadline(open_cache: Open, login: Login, redis: Redis) -> None:
    with open_cache(login, 0.5) as cache:
        redis.freeze()
        try:
            with pytest.raises(ReleaseError, match=r"within 0\.5 s"):
                cache.say("DBSIZE")
        finally:
            redis.thaw()


def test_the_module_flushes_by_tls_and_verifies_who_answers(run: Run, redis: Redis, options: dict[str, Any]) -> None:
    assert redis.trust
    fill(redis, "cache:", 7)
    tls = {**options["server"], "port": redis.tls_port, "tls": True}
    refused = run(cache_keys, do="flush", pattern="cache:*", server=tls)
    assert "certificate of the server is not accepted" in refused["msg"]
    trusted = {**tls, "ca_cert": str(redis.trust[0])}
    planned = run(cache_keys, do="flush", pattern="cache:*", server=trusted, _ansible_check_mode=True)
    assert (planned["changed"], planned["removed"], planned["after"]) == (True, 7, 7)
    found = run(cache_keys, do="flush", pattern="cache:*", server=trusted, _ansible_diff=True)
    assert (found["changed"], found["removed"], found["after"]) == (True, 7, 0)
    assert found["diff"]["after"] == "0 keys\nremove the keys that match cache:*\n"
    assert redis.password not in json.dumps([refused, planned, found])
