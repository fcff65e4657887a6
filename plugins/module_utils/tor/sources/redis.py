# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis or Valkey server, asked PING, DBSIZE, INFO, and TTL of its keys."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from ...cache.base import Cache, Deadline
from ...cache.tcp import Login, TcpCache
from ...errors import ReleaseError
from ..expect import ExpectError, NothingMeasured
from .base import Ask, Readings, Source, World
from .measure import check_unit, finite, split
from .secrets import Reference, hidden

_PART, _NO_EXPIRY = 1000, -1
_LONGEST = 1 << 20
_HITS, _MISSES = "keyspace_hits", "keyspace_misses"


@dataclass(frozen=True, kw_only=True)
class Redis(Source):
    """Options: `host`; `port` (6379); `db`, number of the database (0); `username` and its password by `password_file`
    (path), `password_secret` ({name, key, namespace} of a Secret in the cluster) or `password_environment` (variable);
    `tls` with `ca_cert`, the PEM file to trust; `duration`: seconds over which `hits`, `misses` and `hit_share` are
    counted, 0 (default) counts since the server started; `pattern` of the keys that `lasting_keys` is about (`*`).

    Selects: `ping`, true when it answers PONG; `latency` (ms) of a PING on an open connection, `samples` times; `hits`,
    `misses` and `hit_share` of lookups; `keys` of the database; `lasting_keys`, those that never expire;
    `memory_share` used of `maxmemory`; or any field of INFO by its name, `FIELD in B` (or another unit) where it has
    one. No lookups, no keys that match, no limit of memory and a field that INFO does not have are `insufficient`.
    """

    host: str
    port: int = 6379
    db: int = 0
    username: str = ""
    password_file: str = ""
    password_secret: dict[str, str] = field(default_factory=dict)
    password_environment: str = ""
    tls: bool = False
    ca_cert: str = ""
    duration: float = 0.0
    pattern: str = "*"

    selects: ClassVar[Mapping[str, str | None]] = {
        "ping": None,
        "latency": "ms",
        "hits": "",
        "misses": "",
        "hit_share": "share",
        "keys": "",
        "lasting_keys": "",
        "memory_share": "share",
    }

    @classmethod
    def check_select(cls, select: str) -> None:
        if not split(select)[0].isidentifier():
            raise ExpectError(f"{select!r} is none of {', '.join(cls.selects)}, or a field of INFO")
        check_unit(select)

    @classmethod
    def unit_of(cls, select: str) -> str | None:
        return cls.selects.get(select, split(select)[1])

    def check_options(self) -> list[str]:
        mistakes = self._password.mistakes()
        if self.username and not self._password.given:
            mistakes.append(".username: a user name needs one of the options password_*")
        if self.ca_cert and not self.tls:
            mistakes.append(".ca_cert: only with tls")
        return mistakes + ([".duration: is less than 0"] if self.duration < 0 else [])

    @property
    def _password(self) -> Reference:
        return Reference("password", self.password_file, self.password_secret, self.password_environment)

    @property
    def text(self) -> str:
        return f"Redis {self.host}:{self.port}" + (f" database {self.db}" if self.db else "")

    def read(self, ask: Ask, world: World) -> Readings:
        password = self._password.value(world)
        try:
            login = Login(self.host, self.port, self.db, self.username, password, self.tls, self.ca_cert)
            with TcpCache(login, Deadline(ask.left, self.text), _LONGEST) as cache:
                return self._measured(cache, ask)
        except ReleaseError as exc:
            said = hidden(exc.what, (password,) if password else ())
            raise ReleaseError(str(said), where=self.text, remedy=exc.remedy) from exc

    def _measured(self, cache: Cache, ask: Ask) -> Readings:
        if ask.select == "latency":
            return _latencies(cache, ask)
        if ask.select == "ping":
            return Readings([_text(cache, "PING") == "PONG"], 1)
        if ask.select == "keys":
            return Readings([_counted(cache)], 1)
        if ask.select == "lasting_keys":
            return self._lasting(cache)
        info = _info(cache)
        if ask.select in ("hits", "misses", "hit_share"):
            return self._lookups(cache, ask, info)
        if ask.select == "memory_share":
            used, limit = _number(info, "used_memory"), _number(info, "maxmemory")
            if not limit:
                raise NothingMeasured("the server has no limit of memory (maxmemory)")
            return Readings([used / limit], 1, {"used_memory": int(used), "maxmemory": int(limit)})
        name = split(ask.select)[0]
        if name not in info:
            raise NothingMeasured(f"INFO has no field {name}")
        return Readings([_plain(info[name])], 1)

    def _lookups(self, cache: Cache, ask: Ask, info: Mapping[str, str]) -> Readings:
        hits, misses = _number(info, _HITS), _number(info, _MISSES)
        if self.duration:
            if not ask.wait(self.duration):
                raise NothingMeasured(f"the time is up before the {self.duration:g} s of duration are")
            later = _info(cache)
            if later.get("run_id") != info.get("run_id") or _number(later, _HITS) < hits:
                raise NothingMeasured("the server was restarted, or its counters reset, in between")
            hits, misses = _number(later, _HITS) - hits, _number(later, _MISSES) - misses
        evidence = {"hits": int(hits), "misses": int(misses)}
        if ask.select != "hit_share":
            return Readings([int(hits if ask.select == "hits" else misses)], 1, evidence)
        if not hits + misses:
            raise NothingMeasured("there was no lookup")
        return Readings([hits / (hits + misses)], int(hits + misses), evidence)

    def _lasting(self, cache: Cache) -> Readings:
        """Scanned in parts, so the server goes on answering others; a key is told by what stands before its colon."""
        cursor, seen, lasting = "0", set[str](), Counter[str]()
        while True:
            cursor, keys = _part(cache.say("SCAN", cursor, "MATCH", self.pattern, "COUNT", str(_PART)))
            new = [key for key in keys if key not in seen]
            seen.update(new)
            times = cache.checked([("TTL", key) for key in new]) if new else []
            lasting.update(key.partition(":")[0] for key, left in zip(new, times, strict=True) if left == _NO_EXPIRY)
            if cursor == "0":
                break
        if not seen:
            raise NothingMeasured(f"no key matches {self.pattern}")
        return Readings([lasting.total()], len(seen), {"keys": len(seen), "lasting": dict(lasting.most_common(10))})


def _part(answer: Any) -> tuple[str, list[str]]:
    if not (isinstance(answer, list) and len(answer) == 2 and isinstance(answer[1], list)):
        raise ReleaseError("the answer to SCAN is not one of Redis")
    words = [answer[0], *answer[1]]
    if not all(isinstance(word, bytes) for word in words):
        raise ReleaseError("the answer to SCAN is not one of Redis")
    cursor, *keys = (word.decode("utf-8", "replace") for word in words)
    return cursor, keys


def _text(cache: Cache, *words: str) -> str:
    answer = cache.say(*words)
    if not isinstance(answer, bytes):
        raise ReleaseError(f"the answer to {words[0]} is not one of Redis", remedy="correct host, port or tls")
    return answer.decode("utf-8", "replace")


def _counted(cache: Cache) -> int:
    answer = cache.say("DBSIZE")
    if not isinstance(answer, int):
        raise ReleaseError("the answer to DBSIZE is not one of Redis", remedy="correct host, port or tls")
    return answer


def _latencies(cache: Cache, ask: Ask) -> Readings:
    found: list[Any] = []
    while len(found) < max(1, ask.samples) and ask.left:
        began = time.monotonic_ns()
        _text(cache, "PING")
        found.append(Fraction(time.monotonic_ns() - began, 10**6))
    return Readings(found, len(found))


def _info(cache: Cache) -> dict[str, str]:
    lines = _text(cache, "INFO").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _number(info: Mapping[str, str], name: str) -> Fraction:
    if name not in info:
        raise NothingMeasured(f"INFO has no field {name}")
    return Fraction(str(finite(info[name])))


def _plain(text: str) -> Any:
    """A number where the field is one."""
    try:
        return finite(text)
    except ExpectError:
        return text
