# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruling in words: shares, counts, the ratio, its bound, and what would have been seen by now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .counts import Terms, percent
from .power import NEVER, Traffic, cleared, smallest
from .sequential import (
    HOPELESS,
    NEAR_BASELINE,
    TOO_FEW,
    UNDECIDED,
    WITHIN_LIMIT,
    WORSE_THAN_BASELINE,
    WORSE_THAN_OBJECTIVE,
    Ruling,
)

_LARGEST = math.log(1e6)


@dataclass(frozen=True)
class Names:
    """What the versions are called, and what a bad answer is; no baseline if there is none."""

    canary: str
    baseline: str = ""
    bad: str = "errors"


def tell(ruling: Ruling, terms: Terms, names: Names) -> str:
    """One sentence, without a full stop."""
    said = [f"{names.bad} in {ruling.canary} answers of {names.canary}"]
    if names.baseline:
        said.append(f"against {ruling.baseline} of {names.baseline}{_times(ruling)}")
    return f"{' '.join(said)}, {_because(ruling, terms)}"


def figures(ruling: Ruling, terms: Terms) -> dict[str, Any]:
    """The same for machines; evidence as natural logarithms."""
    ratio = ratio_of(ruling)
    return {
        "verdict": ruling.verdict,
        "because": ruling.because,
        "canary": {"bad": ruling.canary.bad, "answers": ruling.canary.total},
        "baseline": {"bad": ruling.baseline.bad, "answers": ruling.baseline.total},
        "ratio": None if ratio is None else round(ratio, 3),
        "seconds": ruling.seconds,
        "log_evidence": {"worse": round(ruling.log_worse, 3), "fails_at": round(terms.fails_at, 3)}
        | {"fine": round(ruling.log_fine, 3), "passes_at": round(terms.passes_at, 3)},
        "dispersion": round(ruling.dispersion, 3),
    }


def ratio_of(ruling: Ruling) -> float | None:
    """How many times as bad the canary is; None if that is not known."""
    return ruling.canary.share / ruling.baseline.share if ruling.canary.total and ruling.baseline.bad else None


def times(ratio: float) -> str:
    return f"{float(f'{ratio:.2g}'):g} times"


def _times(ruling: Ruling) -> str:
    ratio = ratio_of(ruling)
    return "" if ratio is None else f" ({times(ratio)} as bad)"


def _because(ruling: Ruling, terms: Terms) -> str:
    after = f"after {ruling.seconds:g} s"
    worse = f"(evidence {odds(ruling.log_worse)}, {odds(terms.fails_at)} is enough)"
    fine = f"(evidence {odds(ruling.log_fine)}, {odds(terms.passes_at)} is enough)"
    return {
        HOPELESS: f"more than {percent(terms.hopeless)} {after}: no comparison is needed",
        WORSE_THAN_BASELINE: f"more than {_tolerated(terms)} is proven {after} {worse}",
        WORSE_THAN_OBJECTIVE: f"more than {percent(terms.slo)} is proven {after} {worse}",
        NEAR_BASELINE: f"less than {times(terms.unacceptable)} the baseline's share is proven {after} {fine}",
        WITHIN_LIMIT: f"less than {percent(terms.limit)} is proven {after} {fine}",
        TOO_FEW: f"too few {after}: {_missing(ruling, terms)}",
        UNDECIDED: f"not decided {after}: evidence against it is {odds(ruling.log_worse)} of {odds(terms.fails_at)}, "
        f"for it {odds(ruling.log_fine)} of {odds(terms.passes_at)}",
    }[ruling.because] + (f"; {_sight(ruling, terms)}" if ruling.because not in _PROVEN_BAD else "")


_PROVEN_BAD = (HOPELESS, WORSE_THAN_BASELINE, WORSE_THAN_OBJECTIVE)


def _tolerated(terms: Terms) -> str:
    return "the baseline's share" if terms.tolerated == 1 else f"{times(terms.tolerated)} the baseline's share"


def odds(log_e: float) -> str:
    if log_e >= _LARGEST:
        return "over 1000000 to 1"
    return f"{math.exp(log_e):.3g} to 1"


def _missing(ruling: Ruling, terms: Terms) -> str:
    if ruling.canary.total < terms.minimum:
        return f"a pass needs {terms.minimum} answers of the canary"
    return f"a comparison needs {terms.speaks_from} answers of the baseline"


def _sight(ruling: Ruling, terms: Terms) -> str:
    """What was to be seen in the time there was, and when a canary as good as its baseline passes."""
    traffic = _traffic(ruling, terms)
    if traffic is None:
        return "nothing could have been seen yet"
    seen = smallest(traffic, ruling.seconds, terms)
    base = percent(traffic.bad)
    could = f"one {times(seen)} as bad as {base} would have failed by now in 95 of 100 cases" if seen else ""
    passing = cleared(traffic, 1.0, terms)
    if ruling.because in (NEAR_BASELINE, WITHIN_LIMIT):
        return could or "only a small part of the bad ones would have failed by now"
    soon = f"one like {base} passes after {passing:g} s in 95 of 100 cases" if passing != NEVER else ""
    return "; ".join(part for part in (could, soon) if part) or "this traffic can decide nothing"


def _traffic(ruling: Ruling, terms: Terms) -> Traffic | None:
    """What the judge heard as the traffic of a forecast; a baseline without bad answers is as bad as it promised."""
    both = ruling.canary.total + ruling.baseline.total
    if not ruling.canary.total or not ruling.seconds:
        return None
    share = ruling.canary.total / both
    bad = max(ruling.baseline.share, terms.slo / 100) if ruling.baseline.bad else terms.slo
    return Traffic(both / ruling.seconds, share, bad, ruling.dispersion)
