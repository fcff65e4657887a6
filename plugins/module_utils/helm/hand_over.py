# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The work goes to the live colour: the other one stops, and when nothing of it works any more, the live one starts.

Only what the entry and the workers say now is looked at, so that a run that was killed anywhere is gone on with. Pure.
"""

from __future__ import annotations

import typing as t

from .capacity import Key
from .observe import Have
from .plan import AwaitRest, Plan, Prove, Rest, Step, Work
from .workers import CRONJOB, Worker


def handed_over(have: Have, overlap: bool = False) -> Plan:
    """With ``overlap`` the live colour starts while the other one still ends."""
    if not have.live:
        return Plan(have.pointed)
    ours, theirs = have.workers(have.live), have.workers(have.idle)
    sizes = _sizes(have, ours, theirs)
    stops = [Rest(one.key, one.full) for one in theirs if one.works]
    starts = [Work(one.key, sizes[one.key]) for one in ours if one.rests]
    steps: list[Step] = [*stops]
    if theirs and (stops or starts) and not overlap:
        steps.append(AwaitRest(have.idle, tuple(one.key for one in theirs)))
    steps += starts
    counts = _counts(have, ours, sizes)
    if any(one.key in counts and one.ready < counts[one.key] for one in ours):
        steps.append(Prove(have.live))
    return Plan(have.live, tuple(steps), counts)


def _sizes(have: Have, ours: t.Iterable[Worker], theirs: t.Iterable[Worker]) -> dict[Key, int]:
    """As large as it was, as large as the one that worked until now, no larger than its autoscaler allows."""
    before = {one.twin: one.full for one in theirs}
    largest = {one.target: one.maximum for one in have.colours[have.live].autoscalers}
    wanted = {one.key: max(one.full, before.get(one.twin, 0)) for one in ours}
    return {key: min(size, largest.get(key, size)) for key, size in wanted.items()}


def _counts(have: Have, ours: t.Iterable[Worker], sizes: t.Mapping[Key, int]) -> dict[Key, int]:
    """The pods that have to be ready at the end; an autoscaler may have taken some away by then."""
    least = {one.target: one.minimum for one in have.colours[have.live].autoscalers}
    pods = {one.key: sizes[one.key] if one.rests else one.size for one in ours if one.kind != CRONJOB}
    return {key: min(count, least.get(key, count)) for key, count in pods.items()}


def stopped(have: Have, colour: str, named: t.Container[Key] = ()) -> list[Step]:
    """What works in a colour that is not live stops, unless it is all that works: then it waits for the hand-over."""
    if have.live and any(one.rests for one in have.workers(have.live)):
        return []
    return [Rest(one.key, one.full) for one in have.workers(colour, named) if one.works]


def warnings(have: Have) -> tuple[str, ...]:
    """Work that nobody does."""
    names = [one.title for one in have.workers(have.live) if one.rests] if have.live else []
    if not names:
        return ()
    told = f"{', '.join(names)} of {have.live}, which is live, rest{'s' if len(names) == 1 else ''}"
    return (f"{told}; the state handed_over of helm_bluegreen lets what is live work",)
