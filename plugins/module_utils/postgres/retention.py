# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups to keep and why. Pure: knows manifests and a policy, and is never told of a backup that is broken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..errors import Refused
from . import age
from .manifest import Manifest

PROVEN = "restore"
"""The level from which a backup counts as proven."""


@dataclass(frozen=True)
class Policy:
    """How many backups, or how young ones, to keep; a backup is kept if any of these keeps it.

    ``last`` newest, ``within`` this age, one a day, week, month and year (the newest of each, UTC). The
    ``min_valid`` newest are kept whatever the rest says.
    """

    last: int = 0
    within: timedelta | None = None
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    min_valid: int = 2

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("last", "daily", "weekly", "monthly", "yearly")}
        wrong = [name for name, count in counts.items() if count < 0]
        if wrong:
            raise Refused(f"a policy cannot keep fewer than no backups: {', '.join(wrong)}")
        if self.min_valid < 1:
            raise Refused(
                f"min_valid is {self.min_valid}: a policy that may delete every backup is no policy",
                remedy="keep at least 1",
            )
        if not any(counts.values()) and self.within is None:
            raise Refused(
                "the policy says nothing about which backups to keep",
                remedy="give last, within, daily, weekly, monthly or yearly",
            )


@dataclass(frozen=True)
class Keep:
    id: str
    why: str


@dataclass(frozen=True)
class Drop:
    id: str
    why: str


def plan(
    manifests: Iterable[Manifest], policy: Policy, now: datetime, pinned_ids: Collection[str] = ()
) -> list[Keep | Drop]:
    """Each backup of one database, newest first, with the reasons that keep it or the reason it goes.

    ``pinned_ids`` are those a release names as its way back. Age is that of the contents (``made_at``). One whose proof
    failed is counted by no rule, and goes only if another one is proven.
    """
    ordered = sorted(manifests, key=lambda one: (one.made_at, one.id), reverse=True)
    reasons: dict[str, list[str]] = {one.id: [] for one in ordered}
    for one, why in _kept(ordered, policy, now, pinned_ids):
        reasons[one.id].append(why)
    return [
        Keep(one.id, ", ".join(reasons[one.id])) if reasons[one.id] else Drop(one.id, _gone(one)) for one in ordered
    ]


def _kept(
    ordered: Sequence[Manifest], policy: Policy, now: datetime, pinned_ids: Collection[str]
) -> Iterable[tuple[Manifest, str]]:
    yield from ((one, f"pinned: {one.pinned}") for one in ordered if one.pinned)
    yield from ((one, "a release goes back to it") for one in ordered if one.id in pinned_ids)
    valid = [one for one in ordered if age.sound(one)]
    proven = [one for one in valid if age.proven(one, PROVEN)]
    yield from ((one, "the newest proven") for one in proven[:1])
    if not proven:
        yield from ((one, "its proof failed, and no other one is proven") for one in ordered if not age.sound(one))
    yield from _counted(valid, policy, now)


def _counted(ordered: Sequence[Manifest], policy: Policy, now: datetime) -> Iterable[tuple[Manifest, str]]:
    yield from (
        (one, f"one of the {policy.min_valid} newest, the fewest to keep") for one in ordered[: policy.min_valid]
    )
    yield from ((one, f"one of the last {policy.last}") for one in ordered[: policy.last])
    if policy.within is not None:
        yield from ((one, "young enough") for one in ordered if now - one.made_at <= policy.within)
    for count, name, of in _PERIODS:
        wanted = getattr(policy, count)
        yield from ((one, f"of one of the last {wanted} {name}") for one in _first_of_each(ordered, of)[:wanted])


def _gone(manifest: Manifest) -> str:
    return "nothing in the policy keeps it" if age.sound(manifest) else "its proof failed, and another one is proven"


def _first_of_each(ordered: Iterable[Manifest], period: Callable[[datetime], Hashable]) -> list[Manifest]:
    """The newest backup of each period that has one, newest first."""
    found: dict[Hashable, Manifest] = {}
    for one in ordered:
        found.setdefault(period(one.made_at.astimezone(UTC)), one)
    return list(found.values())


_PERIODS: tuple[tuple[str, str, Callable[[datetime], Hashable]], ...] = (
    ("daily", "days", lambda at: at.date()),
    ("weekly", "weeks", lambda at: at.isocalendar()[:2]),
    ("monthly", "months", lambda at: (at.year, at.month)),
    ("yearly", "years", lambda at: at.year),
)
