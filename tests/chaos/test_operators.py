# SPDX-License-Identifier: GPL-3.0-or-later
"""Several operators, and one who is not who they think they are: one of them releases, the others name the owner."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release import machine

from .faults import audited_writes, steal_lock, wrong_clock
from .operators import ELSEWHERE, QUICK, SYSTEM, called, deploy
from .site import OwnWitness, Site, View

GRACE = 1.0
UNWITNESSED = {"release_witness": {**QUICK["release_witness"], "rate": 0}}
TAKEOVER = {"release_takeover": True, "release_reason": "chaos"}


def tells(what: str, before: View) -> Callable[[View], bool]:
    """Whether the release that came after ``before`` has this entry."""
    return lambda view: view.newest != before.newest and what in view.whats(view.newest)


@pytest.mark.parametrize(
    "crowd",
    [pytest.param(2, id="2 operators at once", marks=pytest.mark.sample), pytest.param(20, id="20 operators at once")],
)
def test_one_releases_and_the_others_name_the_owner(
    site: Site, versions: tuple[str, str], crowd: int, tell: Callable[..., None], tmp_path: Path
) -> None:
    _old, new = versions
    users = OwnWitness(tmp_path / "witness", versions)
    shift = {**QUICK["release_shift"], "hold": 4 * crowd}  # the winner must not be done before the last one has tried
    with users.asking():
        runs = {
            f"{nth}": deploy(
                new,
                tmp_path / f"{nth}",
                env=called(f"{nth}"),
                prefix=ELSEWHERE,
                release_lift="chaos",
                release_shift=shift,
                **UNWITNESSED,
            )
            for nth in range(1, crowd + 1)
        }
        codes = {name: run.wait() for name, run in runs.items()}
    winners = [name for name, code in codes.items() if code == 0]
    tell(outcome=f"{len(winners)} released", requests=users.requests)
    assert len(winners) == 1, "\n".join(run.last_words for run in runs.values())
    losers = [run.last_words for name, run in runs.items() if name not in winners]
    assert [words for words in losers if f"AWX job {winners[0]} of chaos has held the lock" not in words] == []
    assert site.trouble(users) == []
    assert site.live() == new


@pytest.mark.parametrize(
    ("step", "grace"),
    [
        pytest.param(machine.stage(SYSTEM), 10 * GRACE, id="lock stolen while the new version is staged"),
        pytest.param(machine.switch(SYSTEM, 25), GRACE, id="lock stolen while traffic moves"),
    ],
)
def test_whoever_lost_the_lock_stops_and_writes_nothing_more(
    site: Site, versions: tuple[str, str], step: str, grace: float, tell: Callable[..., None], tmp_path: Path
) -> None:
    """What was on its way to the API server, or in Helm's hands, when the lock was stolen has ``grace`` to arrive."""
    _old, new = versions
    users = OwnWitness(tmp_path / "witness", versions)
    before = site.view()
    with users.asking():
        robbed = deploy(new, tmp_path, release_lift="chaos")
        site.until(tells(machine.begins(step), before), robbed)
        steal_lock(site, "thief@elsewhere")
        stolen = time.time()
        with audited_writes() as writes:
            code = robbed.wait()
        resumed = deploy(new, tmp_path, **TAKEOVER)
        resumed.wait()
    view = site.view()
    tell(outcome=view.end(view.newest).get("verdict", ""), requests=users.requests)
    assert code != 0
    assert "thief@elsewhere" in robbed.last_words, robbed.said[-4000:]
    assert [write for write in writes if write.received > stolen + grace] == []
    assert resumed.process.returncode == 0, resumed.said[-6000:]
    assert site.trouble(users) == []
    assert site.live() == new


def test_a_clock_ten_minutes_ahead_takes_no_lock_from_the_living(
    site: Site, versions: tuple[str, str], tell: Callable[..., None], tmp_path: Path
) -> None:
    _old, new = versions
    users = OwnWitness(tmp_path / "witness", versions)
    before = site.view()
    with users.asking():
        holder = deploy(new, tmp_path, env=called("right"), release_lift="chaos")
        site.until(tells(machine.begins(machine.stage(SYSTEM)), before), holder)
        other = deploy(new, tmp_path / "other", env={**called("ahead"), **wrong_clock(tmp_path, 600)})
        code = other.wait()
        holder.wait()
    view = site.view()
    tell(outcome=view.end(view.newest).get("verdict", ""), requests=users.requests)
    assert code != 0
    assert "AWX job right of chaos has held the lock" in other.last_words
    assert holder.process.returncode == 0, holder.said[-6000:]
    assert site.trouble(users) == []


@pytest.mark.parametrize("shift", [600, -600], ids=lambda shift: f"killed with a clock {shift} s off")
def test_a_release_begun_by_a_wrong_clock_goes_on_by_a_right_one(
    site: Site, versions: tuple[str, str], shift: int, tell: Callable[..., None], tmp_path: Path
) -> None:
    """Without a witness of the release: on one machine that keeps the right time, which no operator's would."""
    _old, new = versions
    users = OwnWitness(tmp_path / "witness", versions)
    before = site.view()
    with users.asking():
        first = deploy(new, tmp_path, env=wrong_clock(tmp_path, shift), release_lift="chaos", **UNWITNESSED)
        site.until(tells(machine.done(machine.switch(SYSTEM, 25)), before), first)
        first.kill()
        second = deploy(new, tmp_path, **TAKEOVER, **UNWITNESSED)
        code = second.wait()
    view = site.view()
    tell(outcome=view.end(view.newest).get("verdict", ""), requests=users.requests)
    assert code == 0, second.said[-6000:]
    assert site.trouble(users) == []
    assert site.live() == new
