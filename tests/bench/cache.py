# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to flush a million keys by pattern, beside redis-cli --scan piped into its own UNLINK."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from postgres import MEGABYTE, module
from runner import Line
from services.redis import Redis

SMALL, LARGE, OTHERS = 10_000, 1_000_000, 1_000
ROUNDS = 3
PATTERN = "forecast:*"
FILL = "for n = ARGV[2], ARGV[3] do redis.call('SET', ARGV[1] .. n, 'value') end"
AT_ONCE = 100_000


def fill(redis: Redis, count: int) -> None:
    redis.say("FLUSHALL")
    redis.say("EVAL", FILL, "0", "session:", "1", str(OTHERS))
    for begin in range(1, count + 1, AT_ONCE):
        redis.say("EVAL", FILL, "0", "forecast:", str(begin), str(min(begin + AT_ONCE - 1, count)))


class Bystander:
    """Somebody who reads a key all the time; ``slowest`` answer in milliseconds."""

    def __init__(self, redis: Redis) -> None:
        self.slowest = 0.0
        self._redis, self._over = redis, threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        from ansible_collections.runbook.release.plugins.module_utils.cache.base import Deadline
        from ansible_collections.runbook.release.plugins.module_utils.cache.tcp import Login, TcpCache

        login = Login(self._redis.host, self._redis.port, password=self._redis.password)
        with TcpCache(login, Deadline(600, "the cache")) as cache:
            while not self._over.wait(0.002):
                began = time.monotonic()
                cache.say("GET", "session:1")
                self.slowest = max(self.slowest, 1000 * (time.monotonic() - began))


def peer(redis: Redis) -> float:
    """Seconds of the pipe that deletes key by key names, as runbooks have it, with SCAN in the place of KEYS."""
    program = redis.package.folder / "usr/bin/redis-cli"
    call = f"{program} -h {redis.host} -p {redis.port}"
    environment = {
        **os.environ,
        "REDISCLI_AUTH": redis.password,
        "LD_LIBRARY_PATH": str(redis.folder / "libraries"),
    }
    began = time.monotonic()
    pipe = f"{call} --scan --pattern '{PATTERN}' | xargs -n 1000 {call} UNLINK"
    subprocess.run(["sh", "-c", pipe], check=True, env=environment, stdout=subprocess.PIPE)
    return time.monotonic() - began


def cache() -> Iterator[Line]:
    seconds: list[float] = []
    peers: list[float] = []
    slowest: list[float] = []
    memory: dict[int, list[float]] = {SMALL: [], LARGE: []}
    with Redis() as redis:
        assert isinstance(redis, Redis)
        os.environ["CACHE_PASSWORD"] = redis.password
        server = {"host": redis.host, "port": redis.port, "password_environment": "CACHE_PASSWORD"}
        for count in (SMALL, LARGE) * ROUNDS:
            fill(redis, count)
            with Bystander(redis) as bystander:
                ended = module("cache_keys", do="flush", pattern=PATTERN, server=server)
            if (ended.result["removed"], redis.say("DBSIZE")) != (count, str(OTHERS)):
                sys.exit("the flush removed too much or too little")
            memory[count].append(ended.peak / MEGABYTE)
            if count == LARGE:
                seconds.append(ended.seconds)
                slowest.append(bystander.slowest)
                fill(redis, count)
                peers.append(peer(redis))
    against = {"name": "redis-cli --scan | xargs redis-cli UNLINK", "values": peers}
    ratio = round(sum(seconds) / sum(peers), 3)
    yield Line("cache_keys: flush of 1,000,000 keys by pattern", seconds, "s", peer={**against, "ratio": ratio})
    yield Line("cache_keys: slowest answer to somebody else meanwhile", slowest, "ms", statistic="max")
    grown = [large - small for small, large in zip(memory[SMALL], memory[LARGE], strict=True)]
    yield Line("cache_keys: memory for 1,000,000 keys above that for 10,000", grown, "MB", 8.0, "max")
    yield Line("cache_keys: memory for 1,000,000 keys", memory[LARGE], "MB", 80.0, "max")
