# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of cache_keys: observe, decide, apply."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Refused, ReleaseError
from ..release.journal import Book
from ..window.spans import seconds
from .base import Cache, Failure
from .queues import means_everything
from .scan import Swept, first_queues, sweep

if TYPE_CHECKING:
    from .base import Answer

FLUSH, SET = "flush", "set"


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``ttl`` and ``timeout`` in seconds."""

    do: str
    pattern: str = ""
    everything: bool = False
    queues: bool = False
    key: str = ""
    value: str = ""
    ttl: float = 0.0
    timeout: float = 600.0
    check: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any], *, check: bool = False) -> Request:
        request = cls(
            do=params["do"],
            pattern=params["pattern"] or "",
            everything=params["everything"],
            queues=params["queues"],
            key=params["key"] or "",
            value=params["value"] or "",
            ttl=seconds("ttl", params["ttl"] or 0),
            timeout=float(params["timeout"]),
            check=check,
        )
        request.refuse_unmeant()
        return request

    def refuse_unmeant(self) -> None:
        """Before any server is asked."""
        if self.do == SET:
            if self.ttl <= 0:
                raise Refused("ttl is no time in which the key could expire", remedy="write it like 5m")
            return
        if not self.pattern and not self.everything:
            raise Refused("nothing says which keys to remove", remedy="set pattern, or everything if that is meant")
        if self.pattern and means_everything(self.pattern) and not self.everything:
            raise Refused(
                f"the pattern {self.pattern} leaves nothing out, so every key of the database would be removed",
                remedy="set a pattern with a fixed part, or everything: true if that is meant",
            )
        if self.everything and self.pattern and not means_everything(self.pattern):
            raise Refused("there is a pattern, and everything is asked for", remedy="leave out one of them")


@dataclass
class Outcome:
    """What was done, or in check mode would be; ``found`` are further keys of the module's result."""

    plan: list[str]
    changed: bool
    before: int
    after: int
    found: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        counts = {"before": self.before, "after": self.after, "seconds": round(self.seconds, 2)}
        return {"changed": self.changed, "plan": self.plan, **counts, **self.found}

    def diff(self) -> dict[str, str]:
        after = self.after if self.plan else self.before
        lines = "".join(f"{sentence}\n" for sentence in self.plan) if self.changed else ""
        return {"before": f"{self.before} keys\n", "after": f"{after} keys\n{lines}"}


def operate(cache: Cache, request: Request, book: Book) -> Outcome:
    began = time.monotonic()
    _refuse_part(cache)
    doing = _fill if request.do == SET else _empty if request.everything else _flush
    outcome = doing(cache, request, book)
    outcome.seconds = time.monotonic() - began
    return outcome


def _refuse_part(cache: Cache) -> None:
    """A replica takes no writes, and a node of a cluster has a part of the keys. Who may not be asked may go on."""
    role, slot = cache.ask([("ROLE",), ("CLUSTER", "KEYSLOT", "key")])
    if isinstance(role, list) and role and role[0] != b"master":
        raise Refused("this server is a replica, which takes no writes", where=cache.where, remedy="name the primary")
    if isinstance(slot, int):
        raise Refused(
            "this server is a node of a cluster and has only a part of the keys",
            where=cache.where,
            remedy="do it with the tools of the cluster",
        )


def _flush(cache: Cache, request: Request, book: Book) -> Outcome:
    before, swept = _count(cache), Swept()
    sentence = f"remove the keys that match {request.pattern}"
    try:
        if request.check:
            sweep(cache, request.pattern, swept, book, queues=request.queues, remove=False)
        else:
            with book.step(f"flush {cache.where}", {"keys": before}, [sentence]) as done:
                book.look()
                sweep(cache, request.pattern, swept, book, queues=request.queues, remove=True)
                done({"removed": swept.removed, "queue_keys": swept.kept})
    except ReleaseError as error:
        error.details |= {"removed": swept.removed, "changed": bool(swept.removed)}
        raise
    removed = swept.seen if request.check else swept.removed
    outcome = Outcome([sentence], bool(removed), before, _count(cache))
    outcome.found = {"removed": removed, "queue_keys": swept.kept}
    if swept.kept:
        outcome.warnings.append(
            f"{swept.kept} keys that match look like those of a queue ({', '.join(sorted(swept.owners))}) and were "
            "left alone: set queues: true if they are meant, too"
        )
    return outcome


def _empty(cache: Cache, request: Request, book: Book) -> Outcome:
    before = _count(cache)
    owners = [] if request.queues else first_queues(cache, book)
    if owners:
        raise Refused(
            f"this database has keys of a queue ({', '.join(owners)}), and what is in the queue would be lost",
            where=cache.where,
            remedy="flush by a pattern; or set queues: true if the queue is meant, too",
        )
    sentence = "remove every key of the database"
    if before and not request.check:
        with book.step(f"flush {cache.where}", {"keys": before}, [sentence]) as done:
            book.look()
            cache.say("FLUSHDB", "ASYNC")
            done({"removed": before})
    plan = [sentence] if before else []
    return Outcome(plan, bool(before), before, _count(cache), {"removed": before})


def _fill(cache: Cache, request: Request, book: Book) -> Outcome:
    before, (found, left) = _count(cache), cache.ask([("GET", request.key), ("PTTL", request.key)])
    if isinstance(found, Failure):
        raise Refused(
            f"the key {request.key} holds something that is no text", where=cache.where, remedy="name another key"
        )
    plan = [] if _fresh(found, left, request) else [f"set {request.key} for {request.ttl:g} s"]
    if plan and not request.check:
        with book.step(f"fill {cache.where}", None, plan):
            book.look()
            cache.say("SET", request.key, request.value, "PX", str(round(request.ttl * 1000)))
    return Outcome(plan, bool(plan), before, _count(cache))


def _fresh(found: Answer, left: Answer, request: Request) -> bool:
    """It has the value, and more than half of its time, but not more than that."""
    if found != request.value.encode() or not isinstance(left, int):
        return False
    return request.ttl * 500 < left <= request.ttl * 1000


def _count(cache: Cache) -> int:
    number = cache.say("DBSIZE")
    return number if isinstance(number, int) else 0
