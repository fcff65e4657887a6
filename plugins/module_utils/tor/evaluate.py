# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate criteria: all at once, none waits for another, and what is not measured is not a pass."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import ReleaseError
from ..web import without_secrets
from .aggregate import COUNT, aggregate
from .chance import may_be_chance
from .criterion import Criterion
from .expect import ExpectError, NothingMeasured, Reference
from .moments import shown
from .sources.base import Ask, World
from .verdict import FAIL, PASS, Verdict, error, insufficient, judged

if TYPE_CHECKING:
    from ..policy.engine import Decision

DEADLINE = 60.0
MOST_RECORDED = 60
_PACE = 1.0
_GRACE = 0.5
_LOOK_EVERY = 0.25
_AT_ONCE, _AT_MOST, _ONE_MORE = 100, 500, 0.005


@dataclass(frozen=True)
class Gate:
    """The verdicts of one evaluation; passed when every blocking criterion passed and no policy keeps it closed."""

    verdicts: tuple[Verdict, ...]
    decision: Decision | None = None

    @property
    def passed(self) -> bool:
        return not self.blockers and not (self.decision and self.decision.keeps)

    @property
    def blockers(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.blocks]

    def record(self) -> dict[str, Any]:
        """What a ledger keeps of it: of very many criteria those that did not pass first."""
        kept = self.verdicts
        if len(kept) > MOST_RECORDED:
            kept = tuple(sorted(kept, key=lambda verdict: verdict.verdict == PASS)[:MOST_RECORDED])
        verdict = PASS if self.passed else FAIL
        decided = {"decision": self.decision.told()} if self.decision and self.decision.rules else {}
        return {"verdict": verdict, "criteria": [one.record() for one in kept], **decided}


Follow: TypeAlias = "Callable[[Gate, bool], bool | None]"


def evaluate(
    criteria: Sequence[Criterion],
    world: World,
    deadline: float | None = None,
    hold: float = 0.0,
    check: Callable[[], None] = lambda: None,
    follow: Follow = lambda gate, over: None,
) -> Gate:
    """One round; or round after round for `hold` seconds, until a blocking criterion fails. The last round counts.

    A share that may exceed its limit by chance fails at the end only, after looking on until its timeout.
    A source that is not repeatable is read in the first round only, and its verdict ends a hold that it does not pass.
    `deadline` is in seconds for each round, by default as long as the longest timeout and `DEADLINE` at least.
    `check` may end it between two rounds by an error. `follow` sees each round, and whether it would be the last: it
    may end it at once, or go on looking.
    """
    if not criteria:
        raise ReleaseError("There is no criterion, so nothing was measured", where="criteria", remedy="name one")
    if deadline is None:
        deadline = max(DEADLINE, *(criterion.timeout for criterion in criteria))
    if not (0 <= hold < math.inf and 0 < deadline < math.inf):
        raise ReleaseError(f"A hold of {hold} s or a deadline of {deadline} s has no end", where="hold, deadline")
    until = time.monotonic() + hold
    known: dict[int, Verdict] = {}
    while True:
        began = time.monotonic()
        last = began >= until
        gate = _round(criteria, world, began + deadline, known, impatient=hold > 0, last=last)
        over = last or (gate.passed and time.monotonic() >= until)
        over = over or any(verdict.settled for verdict in gate.blockers)
        onwards = follow(gate, over)
        if onwards is False or (over and not onwards):
            return gate
        known = {place: one for place, one in enumerate(gate.verdicts) if not one.criterion.source.repeatable}
        paced = began + _PACE
        time.sleep(max(0.0, (paced if over else min(paced, until)) - time.monotonic()))
        check()


def measure(criterion: Criterion, world: World, deadline: float, *, last: bool = True) -> Verdict:
    """The verdict on one criterion; whatever goes wrong is a verdict, too.

    The last one waits for samples, looks on while a failure may be by chance, and leaves nothing open.
    """
    began, at = time.monotonic(), shown(datetime.now(UTC))
    ask = Ask(criterion.select, criterion.samples, min(began + criterion.timeout, deadline), patient=last)
    verdict = _measure(criterion, world, ask)
    while last and verdict.by_chance and ask.wait(_LOOK_EVERY):
        verdict = _measure(criterion, world, ask)
    return replace(verdict, by_chance=verdict.by_chance and not last).of(at, time.monotonic() - began)


def _measure(criterion: Criterion, world: World, ask: Ask) -> Verdict:
    source = criterion.source
    try:
        readings = source.read(ask, world)
        if readings.samples < criterion.samples:
            why = f"{readings.samples} of {criterion.samples} samples were there"
            return insufficient(criterion, why, readings.samples, source.text, readings.evidence)
        if readings.silent and criterion.aggregate != COUNT:
            why = f"{readings.silent} of {readings.samples} samples have no value"
            return insufficient(criterion, why, readings.samples, source.text, readings.evidence)
        value = aggregate(readings.values, criterion.aggregate)
        unit = "" if criterion.aggregate == COUNT else source.unit_of(criterion.select)
        beside = Reference(partial(world.baseline.of, criterion.name, criterion.measure))
        judgement = criterion.expect.judge(value, unit, beside)
        verdict = judged(criterion, judgement, readings, source.text)
        chance = verdict.verdict == FAIL and may_be_chance(criterion.expect, readings.heard)
        return replace(verdict, by_chance=chance)
    except NothingMeasured as exc:
        return insufficient(criterion, str(exc), source=source.text)
    except (ExpectError, ReleaseError, OSError) as exc:
        return error(criterion, without_secrets(str(exc)).rstrip(".") or type(exc).__name__, source.text)
    except Exception as exc:  # a source must never take the verdicts of the others with it
        return error(criterion, without_secrets(f"{type(exc).__name__}: {exc}"), source.text)


def _round(
    criteria: Sequence[Criterion],
    world: World,
    deadline: float,
    known: Mapping[int, Verdict],
    *,
    impatient: bool,
    last: bool,
) -> Gate:
    """Impatient: the first failure that settles it ends it, without a verdict on what has not answered yet."""
    found = dict(known)
    asked = [(place, criterion) for place, criterion in enumerate(criteria) if place not in known]
    for place, verdict in _as_they_come(asked, partial(measure, world=world, deadline=deadline, last=last), deadline):
        found[place] = verdict
        if impatient and verdict.blocks and verdict.settled:
            return Gate(tuple(found[place] for place in sorted(found)))
    return Gate(
        tuple(
            found.get(place) or insufficient(criterion, "its source has not answered yet", source=criterion.source.text)
            for place, criterion in enumerate(criteria)
        )
    )


def _as_they_come(
    criteria: Sequence[tuple[int, Criterion]], look: Callable[[Criterion], Verdict], deadline: float
) -> Iterator[tuple[int, Verdict]]:
    """A thread each, so that a source that hangs holds up nobody; what has no verdict by the deadline gets none.

    Of very many only some begin at once, the others one by one: each as soon as another one ends, or a moment later.
    """
    done: queue.SimpleQueue[tuple[int, Verdict]] = queue.SimpleQueue()
    latest = time.monotonic()
    waiting = 0

    def work(place: int, criterion: Criterion) -> None:
        done.put((place, look(criterion)))

    for place, criterion in criteria:
        if waiting >= _AT_ONCE:
            with contextlib.suppress(queue.Empty):
                yield done.get(timeout=_ONE_MORE if waiting < _AT_MOST else max(0.0, latest - time.monotonic()))
                waiting -= 1
            if time.monotonic() >= deadline:
                break
        threading.Thread(target=work, args=(place, criterion), daemon=True).start()
        latest = min(max(latest, time.monotonic() + criterion.timeout + _GRACE), deadline + _GRACE)
        waiting += 1
    while waiting:
        try:
            yield done.get(timeout=max(0.0, latest - time.monotonic()))
        except queue.Empty:
            return
        waiting -= 1
