# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a lock becomes: a pure function of what the Lease says, what is wanted, and the API server's time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..errors import Refused
from .record import Record, moment


@dataclass(frozen=True)
class Want:
    """One request to a lock; ``lease`` is ``namespace/name``, ``token`` the proof of an earlier acquisition."""

    lease: str
    state: str
    holder: str
    claim: str
    ttl: int = 60
    token: int | None = None
    takeover: bool = False
    reason: str = ""

    @property
    def where(self) -> str:
        return f"Lease {self.lease}"


@dataclass(frozen=True)
class Plan:
    """The lock before and after; the same object twice when nothing is to be done."""

    before: Record | None
    after: Record | None

    @property
    def changes(self) -> bool:
        return self.before is not self.after

    @property
    def taken_over(self) -> Mapping[str, Any] | None:
        """From whom, when this plan takes the lock from somebody."""
        had = self.before.taken_over if self.before else None
        return self.after.taken_over if self.after and self.after.taken_over is not had else None


def decide(have: Record | None, want: Want, now: datetime) -> Plan:
    """The next state of the lock, or ``Refused`` with the name of the holder."""
    if want.token is None:
        return Plan(have, acquired(have, want, now))
    if have is None and want.state == "released":
        return Plan(None, None)
    mine = own(have, want, now)
    if want.state == "released":
        return Plan(have, replace(mine, holder="") if mine.holder else mine)
    if not mine.holder:
        raise Refused(
            f"The lock with token {want.token} was released", where=want.where, remedy="acquire it again, without token"
        )
    if want.state == "held" and not mine.expired(now):
        return Plan(have, mine)
    return Plan(have, replace(mine, ttl=want.ttl, renewed=now))


def own(have: Record | None, want: Want, now: datetime) -> Record:
    """The lock, if ``want.token`` is still the newest one."""
    if have is None:
        found = "The Lease does not exist any more"
    elif have.token == want.token:
        return have
    elif have.holder:
        found = f"{have.holder} has held it with token {have.token} since {moment(have.since)}"
    else:
        found = f"It was acquired with token {have.token} and released since"
    raise Refused(
        f"Token {want.token} is stale: this run does not hold the lock. {found}",
        where=want.where,
        remedy="stop this run; it must not change anything any more",
        owner=owner(have, now) if have else {},
    )


def acquired(have: Record | None, want: Want, now: datetime) -> Record:
    """The lock in the hands of ``want.holder``, with a token above all earlier ones.

    The first token is the API server's time in seconds, so a Lease that somebody deleted does not bring back tokens
    that were given before.
    """
    token = have.token + 1 if have else int(now.timestamp())
    taken_over = have.taken_over if have else None
    if have and have.holder:
        taken_over = takeover(have, want, now)
    return Record(want.holder, token, want.claim, want.ttl, now, now, taken_over, have.version if have else "")


def takeover(have: Record, want: Want, now: datetime) -> dict[str, Any]:
    """The record of a takeover, unless the holder is alive and nobody said to take the lock from it."""
    if not want.takeover and not have.expired(now):
        raise Refused(
            f"{have.holder} has held the lock since {moment(have.since)} and may hold it for another "
            f"{have.remaining(now)} s without a renewal",
            where=want.where,
            remedy="wait for that run to end; if it is dead, try again when its time is over, or at once with "
            "takeover: true and a reason",
            owner=owner(have, now),
        )
    why = want.reason if want.takeover else f"not renewed for more than {have.ttl} s"
    return {"from": have.holder, "token": have.token, "by": want.holder, "why": why, "at": moment(now)}


def owner(have: Record, now: datetime) -> dict[str, Any]:
    return {**have.shown(), "remaining": max(0, have.remaining(now)) if have.holder else 0}
