# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a release at every moment its ledger knows, start it again, and see what becomes of it.

The moments are those of the state machine: a step somebody adds to a release is killed here without a line changed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release import machine
from ansible_collections.runbook.release.plugins.module_utils.release.machine import BACK, Point, Said
from ansible_collections.runbook.release.plugins.module_utils.release.machine import Path as Way

from .operators import QUICK, SYSTEM, deploy, rollback
from .site import HOST, VERSIONS, OwnWitness, Site, View

WAY = Way.of([SYSTEM], QUICK["release_shift"]["steps"])
LOCK_TTL = 60.0
FAILING = ("", "gate staged", "gate live")
AT_100 = next(one for one in machine.points(WAY) if one.what == machine.done(machine.switch(SYSTEM, 100)))
BEGUN = next(one for one in machine.points(WAY) if one.what == machine.RELEASE_BEGINS)


@dataclass(frozen=True)
class Death:
    """A point to die at, of a release that fails at a gate or at none, and how it is started again."""

    point: Point
    fails: str
    policy: str

    @property
    def id(self) -> str:
        fails = f" (fails at {self.fails})" if self.fails else ""
        return f"{self.point.ledger} {self.point.number}: {self.point.what}{fails}"


def deaths() -> list[Any]:
    """Every point of a release that succeeds, and of those that fail every point from the failing gate on."""
    found = [(point, fails) for fails in FAILING for point in _points(fails)]
    cases = [
        Death(point, fails, "rollback" if nth % 3 == 1 else "continue") for nth, (point, fails) in enumerate(found)
    ]
    sample = [nth % 8 == nth // 8 % 8 for nth in range(len(cases))]  # not always the same neighbour, nor policy
    marks = [[pytest.mark.sample] if chosen else [] for chosen in sample]
    return [pytest.param(case, id=case.id, marks=marked) for case, marked in zip(cases, marks, strict=True)]


def _points(fails: str) -> list[Point]:
    points = machine.points(WAY, fails)
    turn = next((nth for nth, point in enumerate(points) if fails and point.way == BACK), 1)
    return points[turn - 1 :]


def gates(fails: str) -> dict[str, Any]:
    """A criterion that no version meets, at the gate the release is to fail at."""
    if not fails:
        return {}
    address, port = os.environ["GATEWAY_ADDRESS"], os.environ["GATEWAY_HTTP_PORT"]
    impossible = {
        "name": "nobody meets this",
        "source": {"kind": "http", "url": f"http://{HOST}:{port}/version", "address": address},
        "select": "status",
        "expect": "== 299",
    }
    return {"release_gates": {fails.removeprefix("gate "): [impossible]}}


@pytest.mark.parametrize(
    "fails",
    [pytest.param("", marks=pytest.mark.sample), *FAILING[1:]],
    ids=lambda fails: f"undisturbed, {fails or 'nothing'} fails",
)
def test_a_release_nobody_kills_keeps_the_journal_the_machine_says(
    site: Site, versions: tuple[str, str], fails: str, tell: Callable[..., None], tmp_path: Path
) -> None:
    old, new = versions
    users = OwnWitness(tmp_path / "witness", versions)
    with users.asking():
        run = deploy(new, tmp_path, release_lift="chaos", **gates(fails))
        code = run.wait()
    view = site.view()
    tell(outcome=view.end(view.newest).get("verdict", ""), requests=users.requests)
    assert view.whats(view.newest) == WAY.whats(fails), run.said[-4000:]
    assert (code == 0, site.live()) == ((False, old) if fails else (True, new))
    assert site.trouble(users) == []


@pytest.mark.parametrize("death", deaths())
def test_killed_and_started_again(
    site: Site, versions: tuple[str, str], death: Death, tell: Callable[..., None], tmp_path: Path
) -> None:
    old, new = versions
    tell(policy=death.policy)
    before = site.view()
    users = OwnWitness(tmp_path / "witness", versions)
    with users.asking():
        first = deploy(new, tmp_path, release_lift="chaos", **gates(death.fails))
        site.until(reached(death.point, before), first)
        first.kill()
        dead = site.view()
        second = deploy(new, tmp_path, release_resume=death.policy, **taking_over(dead), **gates(death.fails))
        site.until(consistent(dead, death.policy), second)
        seconds = time.monotonic() - second.began
        code = second.wait()
    view = site.view()
    verdict = view.end(view.newest).get("verdict", "")
    tell(outcome=verdict, consistent=seconds, requests=users.requests)
    expected = outcome(death, dead)
    assert verdict == expected, second.said[-6000:]
    assert (code == 0, site.live()) == ((True, new) if expected == "released" else (False, old)), second.said[-6000:]
    assert site.trouble(users) == []
    assert seconds < LOCK_TTL, "it waited until the lock of the dead run had expired"


def test_a_release_is_given_up_for_the_version_that_mends_it(
    site: Site, versions: tuple[str, str], tell: Callable[..., None], tmp_path: Path
) -> None:
    """What is live then is the version that is given up, and its release is on hold."""
    old, new = versions
    (mending,) = set(VERSIONS) - {old, new}
    before = site.view()
    users = OwnWitness(tmp_path / "witness", VERSIONS)
    with users.asking():
        first = deploy(new, tmp_path, release_lift="chaos")
        site.until(reached(AT_100, before), first)
        first.kill()
        dead = site.view()
        again = {"release_takeover": True, "release_reason": "killed by chaos", "release_resume": "forward"}
        second = deploy(mending, tmp_path, release_lift="chaos", **again)
        code = second.wait()
    view = site.view()
    tell(policy="forward", outcome=view.end(view.newest).get("verdict", ""), requests=users.requests)
    assert (code, site.live()) == (0, mending), second.said[-6000:]
    assert view.end(dead.newest)["verdict"] == "failed"
    assert site.trouble(users) == []


def test_what_died_before_it_was_staged_is_taken_back_by_hand_and_nothing_else_is(
    site: Site, versions: tuple[str, str], tell: Callable[..., None], tmp_path: Path
) -> None:
    """Twice, as one does at night: the second time there is nothing to take back."""
    old, new = versions
    before = site.view()
    users = OwnWitness(tmp_path / "witness", versions)
    with users.asking():
        first = deploy(new, tmp_path, release_lift="chaos")
        site.until(reached(BEGUN, before), first)
        first.kill()
        dead = site.view()
        reason = {"release_takeover": True, "release_reason": "killed by chaos"}
        for sentence in ("it is taken back", "there is no release to take back"):
            back = rollback(tmp_path, release_record=str(tmp_path / "record"), **reason)
            assert back.wait() == 0, back.said[-6000:]
            assert sentence in back.said
    view = site.view()
    tell(outcome=view.end(view.newest).get("verdict", ""), requests=users.requests)
    assert (site.live(), view.weights) == (old, dead.weights)
    assert (view.newest, view.end(view.newest)["version"]) == (dead.newest, new)
    assert site.trouble(users) == []


def taking_over(dead: View) -> dict[str, Any]:
    """What it takes to have the lock at once; nothing when the release had ended and its lock was all it left."""
    return {} if dead.end(dead.newest) else {"release_takeover": True, "release_reason": "killed by chaos"}


def reached(point: Point, before: View) -> Callable[[View], bool]:
    """Whether a release that was not there before has the entry of the point."""
    known = len(before.index)

    def holds(view: View) -> bool:
        if point.ledger == "index":
            return point.what in [entry.what for entry in view.index[known:]]
        begun = view.newest if view.newest != before.newest else ""
        return len(view.entries(begun)) >= point.number

    return holds


def consistent(dead: View, policy: str) -> Callable[[View], bool]:
    """Whether the release that was killed is in somebody's hands again, with traffic where its journal says.

    On the way back that is: where it came from. A release that had ended, or never begun, only needs an index that
    knows it.
    """
    release = dead.newest

    def holds(view: View) -> bool:
        if view.end(release):
            return True
        whats = view.whats(release)
        named = {said.step.weight or 0 for said in map(Said.parse, whats) if said and said.step.verb != "stage"} | {0}
        back = policy == "rollback" or any(said.step.way == BACK for said in map(Said.parse, whats) if said)
        settled = machine.done(machine.switch_back(SYSTEM)) in whats if back and _shifted(whats) else True
        return machine.RESUMED in whats and bool(named & set(view.weights.values())) and settled

    return holds


def outcome(death: Death, dead: View) -> str:
    """The verdict that has to be the end of it, by what had happened when it died."""
    whats = dead.whats(dead.newest)
    nothing_started = not whats
    ended = machine.RELEASE_ENDS in whats
    turns_back = bool(death.fails) or (death.policy == "rollback" and not nothing_started and not ended)
    if not turns_back:
        return "released"
    return "rolled back" if _shifted(whats) or death.fails == "gate live" else "stopped"


def _shifted(whats: list[str]) -> bool:
    return any(said.step.weight for said in map(Said.parse, whats) if said)
