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
from collections.abc import Callable, Mapping, Sequence
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
        high = self.height / self.mean
        while self._by(high) < certainty:
            high *= 2
        return _rising(self._by, certainty, 0.0, high)

    def _by(self, seconds: float) -> float:
        mean, shape = self.height / self.mean, self.height**2 / self.variance
        root, normal = math.sqrt(shape / seconds), NormalDist()
        first, second = root * (seconds / mean - 1), root * (seconds / mean + 1)
        tail = normal.cdf(-second)
        return normal.cdf(first) + (math.exp(2 * shape / mean + math.log(tail)) if tail > 0 else 0.0)


def detected(traffic: Traffic, ratio: float, terms: Terms, certainty: float = CERTAIN) -> float:
    """Seconds after which a canary `ratio` times as bad has failed, in so many of all cases at least."""
    bad = min(1.0, traffic.bad * ratio)
    compared = 0 < traffic.share < 1
    walk = _worse(traffic, ratio, terms) if compared else _against_the_objective(traffic, bad, terms)
    proven = walk.reached(certainty)
    if compared:
        proven = max(proven, _excess_seen(traffic, bad, terms, certainty))
    heard = traffic.rate * (traffic.share or 1.0)
    hopeless = _seen_above(bad - terms.hopeless, bad * (1 - bad) * traffic.dispersion / heard, certainty)
    return _rounded(max(min(proven, hopeless), terms.speaks_from / heard), terms)


def cleared(traffic: Traffic, ratio: float, terms: Terms, certainty: float = CERTAIN) -> float:
    """Seconds after which a canary `ratio` times as bad has passed, in so many of all cases."""
    on_bad, on_good = (-step for step in steps(terms.slo, terms.limit))
    walks = [_walk(traffic, min(1.0, traffic.bad * ratio), on_bad, on_good, terms.passes_at)]
    if 0 < traffic.share < 1 and traffic.bad:
        others = [terms.unacceptable * factor for factor in BETTER]
        compared = [_compared(traffic, ratio, terms.unacceptable, other) for other in others]
        walks.append(_mixed(compared, terms.passes_at))
    heard = traffic.rate * (traffic.share or 1.0)
    return _rounded(max(min(walk.reached(certainty) for walk in walks), terms.minimum / heard), terms)


def smallest(traffic: Traffic, within: float, terms: Terms, certainty: float = CERTAIN) -> float | None:
    """The smallest ratio that fails `within` so many seconds, in so many of all cases; None if none does."""

    def in_time(log_ratio: float) -> float:
        return float(detected(traffic, math.exp(log_ratio), terms, certainty) <= within)

    worst = math.log(WORST)
    return math.exp(_rising(in_time, 1.0, 0.0, worst)) if in_time(worst) else None


def _rising(function: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a function that rises to `level` between `low` and `high` has reached it."""
    for _step in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < level else (low, middle)
    return high


def _worse(traffic: Traffic, ratio: float, terms: Terms) -> _Walk:
    others = [terms.tolerated * factor for factor in WORSE]
    return _mixed([_compared(traffic, ratio, terms.tolerated, other) for other in others], terms.fails_at)


def _excess_seen(traffic: Traffic, bad: float, terms: Terms, certainty: float) -> float:
    """When the canary's share is seen to be larger than the baseline's by as much as it takes to fail."""
    of_canary = bad * (1 - bad) / traffic.share
    of_baseline = traffic.bad * (1 - traffic.bad) / (1 - traffic.share)
    variance = (of_canary + of_baseline) * traffic.dispersion / traffic.rate
    return _seen_above(bad - traffic.bad - terms.min_excess, variance, certainty)


def _seen_above(gap: float, variance: float, certainty: float) -> float:
    """When a mean is seen to be above a bound that it exceeds by `gap`; `variance` is that of a second's mean."""
    if gap <= 0:
        return NEVER
    return variance * (max(0.0, NormalDist().inv_cdf(certainty)) / gap) ** 2


def _against_the_objective(traffic: Traffic, bad: float, terms: Terms) -> _Walk:
    on_bad, on_good = steps(terms.slo, terms.limit)
    return _walk(traffic, bad, on_bad, on_good, terms.fails_at)


def _walk(traffic: Traffic, bad: float, on_bad: float, on_good: float, height: float) -> _Walk:
    """Of the canary's answers, each bad with the probability `bad`; bursts make it slower, and no less sure."""
    rate, dispersion = traffic.rate * (traffic.share or 1.0), traffic.dispersion
    mean = bad * on_bad + (1 - bad) * on_good
    square = bad * on_bad**2 + (1 - bad) * on_good**2
    return _Walk(rate * mean / dispersion, rate * (square - mean**2) / dispersion, height)


def _mixed(walks: Sequence[_Walk], height: float) -> _Walk:
    """The fastest of them, with the height it has when the mean of all is at `height`."""
    fastest = max(walks, key=lambda walk: walk.mean)
    if fastest.mean <= 0:
        return fastest

    def mixture(seconds: float) -> float:
        gains_on = [math.exp((walk.mean - fastest.mean) * seconds) for walk in walks]
        return fastest.mean * seconds + math.log(math.fsum(gains_on) / len(walks))

    alone, last = height / fastest.mean, (height + math.log(len(walks))) / fastest.mean
    return replace(fastest, height=fastest.mean * _rising(mixture, height, alone, last))


def _compared(traffic: Traffic, ratio: float, against: float, alternative: float) -> _Walk:
    """Only bad answers say anything; those of both versions come as Poisson processes."""
    on_canary, on_baseline = (gain / traffic.dispersion for gain in gains(traffic.share, against, alternative))
    of_canary = traffic.rate * traffic.share * min(1.0, traffic.bad * ratio)
    of_baseline = traffic.rate * (1 - traffic.share) * traffic.bad
    return _Walk(
        of_canary * on_canary + of_baseline * on_baseline,
        (of_canary * on_canary**2 + of_baseline * on_baseline**2) * traffic.dispersion,
    )


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
    late = "" if passes <= hold else ": held so long, this step is never passed"
    good = "a good version never passes" if passes == NEVER else f"a good version passes after {passes:g} s{late}"
    return "; ".join([f"{said} {shown}", *([", ".join(waits)] if waits else []), good])
