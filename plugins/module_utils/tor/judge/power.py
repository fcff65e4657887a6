# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which degradation a canary shows, and after which time: said before traffic moves, and beside every verdict.

The evidence is a random walk to its boundary. A walk of mean m and variance v a second first reaches the height h at a
time with the inverse Gaussian distribution of mean h/m and shape h2/v (Wald, "Sequential Analysis", 1947; Folks and
Chhikara, Journal of the Royal Statistical Society B 40, 1978). A mixture is taken for the alternative that grows
fastest, which has to go as high as it stands when the mixture of all means is at the boundary. Time is then rounded up
to whole intervals, as the judge looks at nothing less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from .counts import Terms, percent
from .evidence import BETTER, WORSE, gains
from .objective import steps

CERTAIN = 0.95
SHOWN = (2.0, 3.0, 5.0, 10.0)
WORST = 1000.0
NEVER = math.inf


@dataclass(frozen=True)
class Traffic:
    """Answers a second of both versions, the canary's share of them, and the share that is bad at the baseline."""

    rate: float
    share: float
    bad: float
    dispersion: float = 1.0


@dataclass(frozen=True)
class _Walk:
    """Evidence per second, its variance, and how high it has to go."""

    mean: float
    variance: float
    height: float = 0.0

    def reached(self, certainty: float) -> float:
        """Seconds until the boundary is reached with this certainty."""
        if self.mean <= 0:
            return NEVER
        if self.variance <= 0:
            return self.height / self.mean
        low, high = 0.0, self.height / self.mean
        while self._by(high) < certainty:
            low, high = high, high * 2
        for _step in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self._by(middle) < certainty else (low, middle)
        return high

    def _by(self, seconds: float) -> float:
        mean, shape = self.height / self.mean, self.height**2 / self.variance
        root, normal = math.sqrt(shape / seconds), NormalDist()
        first, second = root * (seconds / mean - 1), root * (seconds / mean + 1)
        tail = normal.cdf(-second)
        return normal.cdf(first) + (math.exp(2 * shape / mean + math.log(tail)) if tail > 0 else 0.0)


def detected(traffic: Traffic, ratio: float, terms: Terms, certainty: float = CERTAIN) -> float:
    """Seconds after which a canary `ratio` times as bad has failed, in so many of all cases."""
    canary_bad = min(1.0, traffic.bad * ratio)
    if not 0 < traffic.share < 1:
        return _against_the_objective(traffic, canary_bad, terms, certainty)
    if canary_bad - traffic.bad < terms.min_excess or not canary_bad:
        return NEVER
    if canary_bad > terms.hopeless:
        return _rounded(terms.speaks_from / (traffic.rate * traffic.share), terms)
    walk = _mixed(
        [_compared(traffic, ratio, terms.tolerated, terms.tolerated * factor) for factor in WORSE], terms.fails_at
    )
    return _soonest([walk], traffic, terms, terms.speaks_from, certainty)


def cleared(traffic: Traffic, ratio: float, terms: Terms, certainty: float = CERTAIN) -> float:
    """Seconds after which a canary `ratio` times as bad has passed, in so many of all cases."""
    share = traffic.share or 1.0
    good, bad = (-step / traffic.dispersion for step in reversed(steps(terms.slo, terms.limit)))
    walks = [_walk(traffic.rate * share, min(1.0, traffic.bad * ratio), bad, good, terms.passes_at)]
    if 0 < share < 1 and traffic.bad:
        others = [terms.unacceptable * factor for factor in BETTER]
        compared = [_compared(traffic, ratio, terms.unacceptable, other) for other in others]
        walks.append(_mixed(compared, terms.passes_at))
    return _soonest(walks, traffic, terms, terms.minimum, certainty)


def smallest(traffic: Traffic, within: float, terms: Terms, certainty: float = CERTAIN) -> float | None:
    """The smallest ratio that fails `within` so many seconds, in so many of all cases; None if none does."""
    if detected(traffic, WORST, terms, certainty) > within:
        return None
    low, high = 0.0, math.log(WORST)
    for _step in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if detected(traffic, math.exp(middle), terms, certainty) > within else (low, middle)
    return math.exp(high)


def _against_the_objective(traffic: Traffic, bad: float, terms: Terms, certainty: float) -> float:
    on_bad, on_good = (step / traffic.dispersion for step in steps(terms.slo, terms.limit))
    return _soonest(
        [_walk(traffic.rate, bad, on_bad, on_good, terms.fails_at)], traffic, terms, terms.speaks_from, certainty
    )


def _walk(rate: float, bad: float, on_bad: float, on_good: float, height: float) -> _Walk:
    """`rate` answers a second, each bad with the probability `bad`."""
    mean = bad * on_bad + (1 - bad) * on_good
    square = bad * on_bad**2 + (1 - bad) * on_good**2
    return _Walk(rate * mean, rate * (square - mean**2), height)


def _mixed(walks: Sequence[_Walk], height: float) -> _Walk:
    """The fastest of them, with the height it has when the mean of all is at `height`."""
    fastest = max(walks, key=lambda walk: walk.mean)
    if fastest.mean <= 0:
        return fastest
    low, high = height / fastest.mean, (height + math.log(len(walks))) / fastest.mean
    for _step in range(40):
        middle = (low + high) / 2
        gained = math.log(math.fsum(math.exp((walk.mean - fastest.mean) * middle) for walk in walks) / len(walks))
        low, high = (middle, high) if fastest.mean * middle + gained < height else (low, middle)
    return replace(fastest, height=fastest.mean * high)


def _compared(traffic: Traffic, ratio: float, against: float, alternative: float) -> _Walk:
    """Only bad answers say anything; those of both versions come as Poisson processes."""
    on_canary, on_baseline = (gain / traffic.dispersion for gain in gains(traffic.share, against, alternative))
    of_canary = traffic.rate * traffic.share * min(1.0, traffic.bad * ratio)
    of_baseline = traffic.rate * (1 - traffic.share) * traffic.bad
    return _Walk(
        of_canary * on_canary + of_baseline * on_baseline,
        (of_canary * on_canary**2 + of_baseline * on_baseline**2) * traffic.dispersion,
    )


def _soonest(walks: Iterable[_Walk], traffic: Traffic, terms: Terms, answers: int, certainty: float) -> float:
    waits = answers / (traffic.rate * (traffic.share or 1.0)) if traffic.rate else NEVER
    return _rounded(max(waits, min(walk.reached(certainty) for walk in walks)), terms)


def _rounded(seconds: float, terms: Terms) -> float:
    return seconds if math.isinf(seconds) else math.ceil(seconds / terms.interval - 1e-9) * terms.interval


def foresee(rate: float, weight: float, hold: float, terms: Terms, bad: float | None = None) -> dict[str, Any]:
    """What a step at `weight` percent, held for so many seconds, can show.

    `rate` is answers a second of both versions. `bad` is the baseline's share, that of the objective if not known.
    """
    traffic = Traffic(rate, weight / 100, terms.slo if bad is None else bad)
    sees = smallest(traffic, hold, terms) if rate and weight else None
    after = {f"{ratio:g}": detected(traffic, ratio, terms) if rate and weight else NEVER for ratio in SHOWN}
    passes = cleared(traffic, 1.0, terms) if rate and weight else NEVER
    return {
        "weight": weight,
        "answers": int(rate * hold * weight / 100),
        "sees": None if sees is None else round(sees, 1),
        "after": {ratio: None if seconds == NEVER else seconds for ratio, seconds in after.items()},
        "passes": None if passes == NEVER else passes,
        "sufficient": sees is not None and sees <= terms.unacceptable and passes <= hold,
        "sentence": _foretold(traffic, hold, sees, after, passes),
    }


def _foretold(traffic: Traffic, hold: float, sees: float | None, after: Mapping[str, float], passes: float) -> str:
    said = f"{percent(traffic.share)} of {traffic.rate:g} answers a second held for {hold:g} s"
    if sees is None:
        shown = f"shows no degradation of {percent(traffic.bad)} bad answers"
    else:
        worse = percent(min(1.0, traffic.bad * sees))
        shown = f"shows {percent(traffic.bad)} bad answers becoming {worse} ({sees:.1f} times) in 95 of 100 cases"
    waits = [f"{ratio} times after {seconds:g} s" for ratio, seconds in after.items() if seconds != NEVER]
    good = "a good version never passes" if passes == NEVER else f"a good version passes after {passes:g} s"
    return "; ".join([f"{said} {shown}", *([", ".join(waits)] if waits else []), good])
