# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate canaries: how often the judge fails a good one, and how soon it sees a bad one."""

from __future__ import annotations

import math
import random
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[2] / "build" / "collections"))

from ansible_collections.runbook.release.plugins.module_utils.tor.judge.counts import Counts, Interval, Terms
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.power import Traffic, detected
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.sequential import FAIL, PASS, judge

if TYPE_CHECKING:
    from runner import Line

RATE, LOOKS, BEFORE = 100, 120, 360

Draw = Callable[[], int]


@dataclass(frozen=True)
class Case:
    """A canary with a share of the answers; `burst` bad answers always come together."""

    baseline: float
    canary: float
    share: float
    p95: float = math.nan
    terms: Terms = field(default_factory=Terms)
    burst: int = 1

    @property
    def title(self) -> str:
        bursts = f", in bursts of {self.burst}" if self.burst > 1 else ""
        return f"{self.baseline:.2%} -> {self.canary:.2%} bad at {self.share:.0%}{bursts}"

    @property
    def traffic(self) -> Traffic:
        return Traffic(RATE, self.share, self.baseline, self.burst)


def binomial(chance: random.Random, trials: int, probability: float) -> Draw:
    """A way to draw from the binomial distribution, by its inverse."""
    log_odds = math.log(probability) - math.log1p(-probability)
    at_none = trials * math.log1p(-probability)
    size = min(trials, math.ceil(trials * probability + 12 * math.sqrt(trials * probability) + 12))
    logs = [
        at_none + math.lgamma(trials + 1) - math.lgamma(bad + 1) - math.lgamma(trials - bad + 1) + bad * log_odds
        for bad in range(size + 1)
    ]
    cumulated = list(accumulate(map(math.exp, logs)))
    return lambda: min(size, bisect_left(cumulated, chance.random()))


def answers(chance: random.Random, total: int, bad: float, burst: int) -> Callable[[], Counts]:
    """A way to draw what a version answers in one interval."""
    draw = binomial(chance, total // burst, bad)
    return lambda: Counts(draw() * burst, total)


def canary_of(case: Case, chance: random.Random, looks: int = LOOKS) -> tuple[list[Counts], list[Interval]]:
    """What the baseline answered for an hour before, and both versions in so many intervals since."""
    every = round(RATE * case.terms.interval)
    of_canary = round(every * case.share)
    canary = answers(chance, of_canary, case.canary, case.burst)
    baseline = answers(chance, every - of_canary, case.baseline, case.burst)
    before = [baseline() for _interval in range(BEFORE)]
    return before, [Interval(canary(), baseline()) for _look in range(looks)]


def run(case: Case, chance: random.Random, looks: int = LOOKS) -> tuple[str, float | None]:
    """The verdict of one canary after so many looks, and the seconds after which it failed, if it did."""
    before, intervals = canary_of(case, chance, looks)
    ruling = judge(intervals, case.terms, history=before)
    return ruling.verdict, ruling.seconds if ruling.verdict == FAIL else None


@dataclass(frozen=True)
class Outcome:
    """What came of many canaries of one case."""

    case: Case
    verdicts: Sequence[str]
    seconds: Sequence[float]

    def failed_by(self, seconds: float) -> float:
        return sum(one <= seconds for one in self.seconds) / len(self.verdicts)

    @property
    def failed(self) -> float:
        return self.verdicts.count(FAIL) / len(self.verdicts)

    @property
    def passed(self) -> float:
        return self.verdicts.count(PASS) / len(self.verdicts)

    def quantile(self, certainty: float) -> float:
        """Seconds after which so many of all canaries had failed; infinite if fewer ever did."""
        ranked = [*sorted(self.seconds), *[math.inf] * (len(self.verdicts) - len(self.seconds))]
        return ranked[math.ceil(certainty * len(ranked)) - 1]


def simulate(case: Case, runs: int, seed: int = 1, looks: int = LOOKS) -> Outcome:
    chance = random.Random(seed)
    results = [run(case, chance, looks) for _canary in range(runs)]
    return Outcome(case, [verdict for verdict, _s in results], [seconds for _v, seconds in results if seconds])


GOOD = (
    *(Case(bad, bad, share) for bad in (0.001, 0.005, 0.02) for share in (0.1, 0.5)),
    Case(0.1, 0.1, 0.1),
)
BURSTS = tuple(Case(0.002, 0.002, 0.1, burst=burst) for burst in (2, 5, 20))
BAD = (
    Case(0.001, 0.01, 0.1, p95=140),
    Case(0.001, 0.01, 0.5, p95=60),
    Case(0.001, 0.05, 0.1, p95=20),
    Case(0.001, 0.20, 0.1, p95=10),
    Case(0.001, 0.005, 0.1, p95=410),
    Case(0.005, 0.01, 0.1, p95=780),
    Case(0.05, 0.10, 0.1, p95=110, terms=Terms(tolerated=1.1)),
)


def judge_table(runs: int = 2000) -> Iterator[Line]:
    """False fails of good canaries, and how soon bad ones are seen, beside what is foretold."""
    from runner import Line

    for case in (*GOOD, *BURSTS):
        yield Line(
            f"judge: good canaries failed in {LOOKS} looks, {case.title}", [100 * simulate(case, runs).failed], "%", 1.0
        )
    for case in BAD:
        outcome = simulate(case, runs)
        foretold = {"name": "power", "median": detected(case.traffic, case.canary / case.baseline, case.terms, 0.5)}
        foretold["p95"] = detected(case.traffic, case.canary / case.baseline, case.terms)
        yield Line(f"judge: seen after, {case.title}", outcome.seconds, "s", case.p95, peer=foretold)
        late = 100 * (1 - outcome.failed_by(foretold["p95"]))
        yield Line(f"judge: not seen by the time foretold, {case.title}", [late], "%", 6.0)
        yield Line(f"judge: never seen in {LOOKS} looks, {case.title}", [100 * (1 - outcome.failed)], "%", 5.0)
