# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria about a real Redis."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.verdict import Verdict
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import certificate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.redis import Redis
from services_cases.live import Ask, judge


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(certificate(tmp_path_factory.mktemp("trust"), days=30)) as server:
        assert isinstance(server, Redis)
        yield server


@pytest.fixture
def cache(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setenv("REDIS_PASSWORD", redis.password)
    login = {"kind": "redis", "host": "127.0.0.1", "port": redis.port, "password_environment": "REDIS_PASSWORD"}
    redis.say("CONFIG", "RESETSTAT")
    redis.say("FLUSHALL")

    def asking(select: str, expect: Any, more: dict[str, Any] | None = None, **entry: Any) -> Verdict:
        source = {key: value for key, value in {**login, **(more or {})}.items() if value is not None}
        return judge(source, select, expect, **entry)

    return asking


class TestRedis:
    def test_it_answers(self, cache: Ask) -> None:
        assert cache("ping", "== true").verdict == "pass"
        assert cache("latency", "< 5 s", samples=5, aggregate="max").samples == 5
        assert cache("role", '== "master"').verdict == "pass"
        assert cache("redis_version", ">= v6.0").verdict == "pass"
        assert cache("used_memory in B", "< 1 GiB").verdict == "pass"
        assert cache("hit_rate", ">= 0").verdict == "insufficient"

    def test_the_share_of_hits(self, cache: Ask, redis: Redis) -> None:
        assert cache("hit_share", ">= 0 %").verdict == "insufficient"
        redis.say("SET", "here", "1")
        for key in ("here", "here", "here", "gone"):
            redis.say("GET", key)
        found = cache("hit_share", ">= 75 %")
        assert (found.verdict, found.samples) == ("pass", 4)
        assert cache("keys", "== 1").verdict == "pass"
        assert cache("keys", "== 0", {"db": 3}).verdict == "pass"

    def test_hits_are_counted_over_a_duration(self, cache: Ask, redis: Redis) -> None:
        redis.say("SET", "here", "1")
        redis.say("GET", "here")
        assert cache("hits", "> 0", {"duration": 0.1}).verdict == "fail"
        over = threading.Event()

        def look_up() -> None:
            while not over.is_set():
                redis.say("GET", "here")

        reader = threading.Thread(target=look_up)
        reader.start()
        try:
            assert cache("hits", "> 0", {"duration": 1.0}).verdict == "pass"
        finally:
            over.set()
            reader.join()

    def test_the_share_of_memory(self, cache: Ask, redis: Redis) -> None:
        assert cache("memory_share", "< 100 %").verdict == "insufficient"
        redis.say("CONFIG", "SET", "maxmemory", "100mb")
        assert cache("memory_share", "< 90 %").verdict == "pass"
        redis.say("CONFIG", "SET", "maxmemory", "0")

    @pytest.mark.parametrize("password", [None, "WRONG"])
    def test_a_wrong_password_is_an_error_and_not_shown(
        self, cache: Ask, monkeypatch: pytest.MonkeyPatch, password: str | None
    ) -> None:
        monkeypatch.setenv("WRONG", "wr0ng-password")
        found = cache("ping", "== true", {"password_environment": password})
        assert found.verdict == "error"
        assert "wr0ng-password" not in repr(found.report())

    def test_tls(self, cache: Ask, redis: Redis) -> None:
        assert redis.trust
        tls = {"port": redis.tls_port, "tls": True}
        assert cache("ping", "== true", {**tls, "ca_cert": str(redis.trust[0])}).verdict == "pass"
        found = cache("ping", "== true", tls)
        assert (found.verdict, "certificate of the server is not accepted" in found.sentence) == ("error", True)
        assert cache("ping", "== true", {"port": redis.tls_port}, timeout=1).verdict == "error"

    def test_one_that_does_not_answer_is_an_error_at_the_deadline(self, cache: Ask, redis: Redis) -> None:
        redis.freeze()
        try:
            found = cache("ping", "== true", timeout=0.5)
        finally:
            redis.thaw()
        assert (found.verdict, "no complete answer within" in found.sentence) == ("error", True)
