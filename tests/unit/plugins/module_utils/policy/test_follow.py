# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy that looks on while a gate is held; time is told by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from ansible_collections.runbook.release.plugins.module_utils.policy import follow
from ansible_collections.runbook.release.plugins.module_utils.policy.engine import Decision
from ansible_collections.runbook.release.plugins.module_utils.policy.follow import Policy
from ansible_collections.runbook.release.plugins.module_utils.tor import evaluate as evaluating
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import Criterion
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import Gate, evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.expect import NothingMeasured
from ansible_collections.runbook.release.plugins.module_utils.tor.grammar import parse
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import Readings, Source, World

from .series import BEGAN, MATRIX


@dataclass
class Clock:
    """Passes only when somebody sleeps."""

    now: float = BEGAN

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)


@dataclass(frozen=True)
class Measured(Source):
    """Answers by the second of the test."""

    clock: Clock
    answers: Callable[[float], Any]

    selects: ClassVar[dict[str, str]] = {"errors": "%"}
    text = "a test"

    def read(self, _ask: Any, _world: World) -> Readings:
        found = self.answers(self.clock.now - BEGAN)
        if found is None:
            raise NothingMeasured("nothing there")
        return Readings([found], 1, None)


@dataclass
class Held:
    """How a gate was held: its end, when that was, and what the ledger was told."""

    gate: Gate
    decision: Decision
    seconds: float
    noted: list[tuple[int, str]] = field(default_factory=list)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    own = Clock()
    monkeypatch.setattr(evaluating, "time", own)
    monkeypatch.setattr(follow, "time", own)
    return own


@pytest.fixture
def hold(clock: Clock) -> Callable[..., Held]:
    def held(answers: Any, seconds: float = 120, *, strict: bool = True, policy: Any = None, **more: Any) -> Held:
        asked = {"severity": "advisory", **more}
        errors = Criterion("errors", Measured(clock, answers), "errors", parse("< 5 %"), **asked)
        up = Criterion("up", Measured(clock, lambda _second: 1), "errors", parse("== 1 %"))
        noted: list[tuple[int, str]] = []
        began, world, rules = clock.now, World(), Policy.of(MATRIX if policy is None else policy, {}, strict=strict)
        follower = rules.follower(
            [errors, up], world.baseline, lambda one: noted.append((round(clock.now - began), one.action))
        )
        gate = evaluate([errors, up], world, 60, seconds, follow=follower.see)
        return Held(Gate(gate.verdicts, follower.decision), follower.decision, clock.now - began, noted)

    return held


Hold = Callable[..., Held]


def test_a_good_version_is_held_as_long_as_without_a_policy(hold: Hold) -> None:
    found = hold(lambda _second: 0.2)
    assert (found.gate.passed, round(found.seconds), found.noted) == (True, 120, [])


def test_the_worst_band_ends_the_hold_at_once(hold: Hold) -> None:
    found = hold(lambda second: 0.2 if second < 30 else 25)
    assert (found.gate.passed, round(found.seconds)) == (False, 30)
    assert found.noted == [(30, "rollback")]


def test_a_band_that_has_to_last_is_waited_for_beyond_the_hold_and_then_goes_back(hold: Hold) -> None:
    found = hold(lambda second: 0.2 if second < 30 else 12)
    assert (found.gate.passed, round(found.seconds)) == (False, 330)
    assert found.noted == [(30, "hold"), (330, "rollback")]


def test_a_band_that_was_left_in_time_lets_the_gate_pass_after_a_calm_minute(hold: Hold) -> None:
    found = hold(lambda second: 12 if 30 <= second < 100 else 0.2)
    assert found.gate.passed
    assert round(found.seconds) in (159, 160)
    assert [action for _second, action in found.noted] == ["hold", "nothing"]


def test_without_a_hold_one_look_goes_on_while_it_is_undecided(hold: Hold) -> None:
    assert hold(lambda _second: 0.2, 0).seconds == 0
    assert round(hold(lambda _second: 12, 0).seconds) == 300


def test_a_blocking_criterion_ends_a_gate_at_once_whatever_the_policy_says(hold: Hold) -> None:
    strict = hold(lambda _second: 12, severity="blocking")
    assert (strict.gate.passed, strict.seconds, strict.noted) == (False, 0, [])


def test_a_look_leaves_it_to_the_policy_how_long_a_blocking_criterion_may_fail(hold: Hold) -> None:
    looked = hold(lambda _second: 12, 0, strict=False, severity="blocking")
    assert (round(looked.seconds), looked.decision.action) == (300, "rollback")


def test_what_nobody_decides_keeps_the_gate_closed_and_is_not_waited_for_without_end(hold: Hold) -> None:
    found = hold(lambda second: 12 if second < 30 else None, 60)
    assert (found.gate.passed, found.decision.action) == (False, "hold")
    assert 600 <= found.seconds <= 800


def test_what_may_still_pass_is_not_counted_before_the_end(hold: Hold) -> None:
    policy = [{"when": "any", "action": "rollback"}]
    found = hold(lambda second: None if second < 60 else 0.2, severity="blocking", policy=policy)
    assert (found.gate.passed, found.noted) == (True, [])
    closed = hold(lambda _second: None, severity="blocking", policy=policy)
    assert (closed.gate.passed, closed.decision.action, round(closed.seconds)) == (False, "rollback", 120)


def test_a_hold_that_a_person_decides_keeps_the_gate_closed(hold: Hold) -> None:
    found = hold(lambda _second: 8, policy=[{"criterion": "errors", "when": "> 5 %", "action": "hold"}])
    assert (found.gate.passed, round(found.seconds), found.noted) == (False, 120, [(0, "hold")])


def test_the_record_of_the_gate_has_the_decision_and_its_numbers(hold: Hold) -> None:
    record = hold(lambda _second: 30).gate.record()
    assert record["verdict"] == "fail"
    assert record["decision"]["numbers"][0]["observed"] == 30
    assert "decision" not in hold(lambda _second: 0.2).gate.record()


@pytest.mark.parametrize(("strict", "components"), [(True, ()), (False, ("api",))])
def test_a_release_that_has_not_ended_goes_back_as_a_whole_and_says_so(
    hold: Hold, strict: bool, components: tuple[str, ...]
) -> None:
    policy = [{"criterion": "errors", "when": "> 20 %", "action": "rollback", "component": "api"}]
    decision = hold(lambda _second: 30, policy=policy, strict=strict).decision
    assert (decision.action, decision.components) == ("rollback", components)
    assert ("goes back with all its components" in decision.sentence) == strict
