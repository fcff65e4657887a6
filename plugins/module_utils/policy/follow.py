# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback policy that looks on while criteria are evaluated, round by round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..tor.verdict import FAIL, PASS, Verdict
from .engine import CALM, Decision, Engine
from .rules import HOLD, ROLLBACK, Rule, compares, read_policy

if TYPE_CHECKING:
    from ..tor.baseline import Baseline
    from ..tor.criterion import Criterion
    from ..tor.evaluate import Gate

LEAST_PATIENCE = 600.0
Note = Callable[[Decision], None]


@dataclass(frozen=True)
class Policy:
    """What is asked of one evaluation: its rules, what an earlier look left, and who may end it, see `Follower`."""

    rules: tuple[Rule, ...]
    standing: Mapping[str, Any]
    strict: bool

    @classmethod
    def of(cls, rules: Sequence[Mapping[str, Any]], standing: Mapping[str, Any], *, strict: bool) -> Policy:
        return cls(read_policy(rules), standing, strict)

    @property
    def compares(self) -> bool:
        return compares(self.rules)

    def follower(self, criteria: Sequence[Criterion], baseline: Baseline, note: Note) -> Follower:
        measures = {criterion.name: criterion.measure for criterion in criteria}
        engine = Engine(self.rules, lambda name: baseline.of(name, measures.get(name, "")), self.standing)
        return Follower(engine, note, strict=self.strict)


class Follower:
    """`note` is told each hold and each rollback, and what became of a hold.

    `strict`, for a gate, leaves it to the gate to end as soon as a blocking criterion fails, and one component never
    goes back alone. Otherwise only the policy decides.
    """

    def __init__(self, engine: Engine, note: Note, *, strict: bool) -> None:
        self._engine = engine
        self._note = note
        self._strict = strict
        self._noted: Decision | None = None
        self._undecided_since: float | None = None
        longest = max((rule.after for rule in engine.rules), default=0.0)
        self._patience = max(LEAST_PATIENCE, 2 * longest + CALM)
        self.decision = engine.decision()

    def see(self, gate: Gate, over: bool) -> bool | None:
        """One round; `over` says that the gate would end with it.

        False ends it now, True looks on, and None leaves it to the gate. What may still pass is not counted before the
        gate is over. A round that a blocking criterion ended is cut short and says nothing about the others, so a
        strict follower leaves it alone. Nothing is waited for without end.
        """
        if self._strict and any(one.settled for one in gate.blockers):
            return None
        now = time.time()
        self._engine.see(now, [_finding(one) for one in gate.verdicts if over or _is_known(one)])
        found = self._engine.decision()
        self.decision = replace(found.whole() if self._strict else found, standing=self._engine.left())
        self._tell()
        if self.decision.action == ROLLBACK:
            return False
        if not over or not self.decision.pending:
            return None
        self._undecided_since = self._undecided_since or now
        return True if now - self._undecided_since < self._patience else None

    def _tell(self) -> None:
        before, now = self._noted, self.decision
        another = before is None or before.key != now.key
        if another and (now.keeps or (before and before.action == HOLD)):
            self._note(now)
            self._noted = now


def _is_known(verdict: Verdict) -> bool:
    return verdict.verdict in (PASS, FAIL) and not verdict.by_chance


def _finding(verdict: Verdict) -> Mapping[str, Any]:
    return {
        "name": verdict.criterion.name,
        "severity": verdict.criterion.severity,
        "verdict": verdict.verdict,
        "observed": verdict.observed,
        "unit": verdict.unit,
        "threshold": verdict.criterion.expect.text,
    }
