# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge: whether the new version is worse than the one it replaces, out of a witness's log or of counters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import ReleaseError
from ...witness.lines import read_parts
from ...witness.log import NO_VERSION, read_description
from ..expect import NothingMeasured
from ..judge.counts import Counts, Interval, Terms, percent
from ..judge.heard import Heard, Window, from_log
from ..judge.ranks import HIGH, LOW, NODATA, Shift, compare
from ..judge.sequential import FAIL, INSUFFICIENT, PASS, judge
from ..judge.telling import Names, figures, tell, times
from ..units import UnitError, quantity
from .base import Ask, Readings, World
from .counters import QUERIES, Counters

ERRORS, SLOW, SHIFT = "error_share", "slow_share", "shift"
_LOOK_EVERY = 1.0
_SLOW_TOLERATED = 1.1
_DIRECTIONS = {"increase": (HIGH,), "decrease": (LOW,), "either": (HIGH, LOW)}
_SHARES = ("slo", "limit", "min_excess", "hopeless")

Ruled = tuple[str, str, int, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Judge(Counters):
    """Options: `canary` and `baseline`, the new and the old version; without a baseline the objective alone counts.
    `path` of a witness's folder; or the options of `Counters`. `since`: when traffic moved, seconds since the epoch;
    what the baseline answered in the hour before tells how errors come in bursts. `interval`: seconds (10) whose
    answers count together.

    `slower_than`: what is slow, as in `500 ms`. `tolerated`: how
    many times as bad the canary may be (1, of slow answers 1.1); `min_excess`: by how much it has to be worse, at
    least (0.1 %); `unacceptable`: how many times as bad is proven not to be the case before it passes (2); `limit`: or
    what share (1 %); `slo`: the share that is promised (0.1 %); `hopeless`: the share of errors that fails at once
    (20 %, from 50 answers on). `alpha`: the probability to fail a good canary, however often one looks (0.01), which
    all `metrics` judged at the same gate share (1); `beta`: to pass a bad one (0.05). `minimum`: answers of the canary
    without which it does not pass (300). `direction` of `shift` that fails: increase, decrease or either.

    Selects: `error_share` and `slow_share`, judged by evidence that may be looked at as often as one likes, so that it
    fails as soon as it is sure; `shift`, Mann and Whitney's test as Kayenta has it, of the mean latency in each
    interval or of `value`, of 12 intervals at least, to be looked at once. The value is "pass" or "fail", so expect
    `== "pass"`. Too few answers, and evidence for neither, are `insufficient`; it waits for more until the time is
    up. Answers by a version that may not answer fail at once. Requests that nobody answered count for neither version.
    """

    canary: str
    baseline: str = ""
    path: str = ""
    slower_than: str = ""
    tolerated: float = 0.0
    min_excess: str = "0.1 %"
    unacceptable: float = 2.0
    slo: str = "0.1 %"
    limit: str = "1 %"
    hopeless: str = "20 %"
    alpha: float = 0.01
    metrics: int = 1
    beta: float = 0.05
    minimum: int = 300
    direction: str = "increase"

    selects: ClassVar[Mapping[str, str | None]] = {ERRORS: None, SLOW: None, SHIFT: None}
    selects_freely: ClassVar[bool] = False

    def check_options(self) -> list[str]:
        mistakes = self._place_mistakes()
        if self.direction not in _DIRECTIONS:
            mistakes.append(f".direction: {self.direction!r} is none of {', '.join(_DIRECTIONS)}")
        if self.baseline and self.baseline == self.canary:
            mistakes.append(".baseline: is the canary itself")
        for name in _SHARES:
            mistakes += _mistake(name, getattr(self, name), "share")
        if self.slower_than:
            mistakes += _mistake("slower_than", self.slower_than, "s")
        if not mistakes:
            try:
                self.terms(ERRORS)
                self.terms(SLOW)
            except ReleaseError as exc:
                mistakes.append(f".{exc.where}: {exc.remedy}")
        return mistakes

    def _place_mistakes(self) -> list[str]:
        if self.path:
            given = [name for name in ("url", "service", *QUERIES) if getattr(self, name)]
            return [f".{name}: there is a path, too" for name in given]
        return super().check_options()

    def terms(self, select: str) -> Terms:
        slow = select == SLOW
        return Terms(
            tolerated=self.tolerated or (_SLOW_TOLERATED if slow else 1.0),
            unacceptable=self.unacceptable,
            min_excess=_number(self.min_excess, "share"),
            slo=_number(self.slo, "share"),
            limit=_number(self.limit, "share"),
            hopeless=1.0 if slow else _number(self.hopeless, "share"),
            alpha=self.alpha,
            beta=self.beta,
            metrics=self.metrics,
            minimum=self.minimum,
            interval=self.interval,
        )

    @property
    def text(self) -> str:
        against = f" against {self.baseline}" if self.baseline else ""
        since = f" since {self.since:.3f}" if self.since else ""
        return f"judge of {self.canary}{against} by " + (f"witness {self.path}" if self.path else self.where) + since

    def read(self, ask: Ask, world: World) -> Readings:
        """Looks again until it can say something, or the time is up."""
        if ask.select == SLOW and not self.slower_than:
            raise ReleaseError("It is not said what is slow", where="source.slower_than", remedy="set it, as in 500 ms")
        while True:
            verdict, sentence, answers, evidence = self._look(ask, world)
            if verdict != INSUFFICIENT:
                return Readings([verdict], answers, evidence, sentence)
            if not (ask.patient and ask.wait(_LOOK_EVERY)):
                raise NothingMeasured(sentence)

    def _look(self, ask: Ask, world: World) -> Ruled:
        if self.path:
            return self._by_log(ask.select)
        if ask.select == SHIFT:
            canary, baseline = (self.values(ask, world, version) for version in (self.canary, self.baseline))
            return _shifted(canary, baseline, self.direction)
        intervals, history = self._by_counters(ask, world)
        return self._ruled(intervals, history, ask.select)

    def _ruled(self, intervals: Sequence[Interval], history: Sequence[Counts], select: str) -> Ruled:
        terms = self.terms(select)
        bad = "errors" if select == ERRORS else f"more than {self.slower_than}"
        names = Names(self.canary, self.baseline, bad)
        ruling = judge(intervals, terms, compared=bool(self.baseline), history=history)
        return ruling.verdict, tell(ruling, terms, names), ruling.canary.total, figures(ruling, terms)

    def _by_log(self, select: str) -> Ruled:
        description = read_description(self.path)
        spec, window = description["spec"], Window(self.since or float(description["started"]), self.interval)
        slower = 1000 * _number(self.slower_than, "s") if select == SLOW else None
        timeout = spec["timeout_ms"] / 1000
        parts = read_parts(self.path, window.begins * 1000)
        heard = from_log(parts, window, timeout, slower, description.get("stopped") or -math.inf)
        if failed := self._hard_fail(heard, {self.canary, self.baseline, *spec["versions"]}, select):
            return failed
        if select == SHIFT:
            return _shifted(heard.means(self.canary), heard.means(self.baseline), self.direction)
        ruled = self._ruled(heard.intervals(self.canary, self.baseline), heard.history(self.baseline), select)
        lost = heard.everything(NO_VERSION).total
        return (*ruled[:3], {**ruled[3], "lost": lost}) if lost else ruled

    def _hard_fail(self, heard: Heard, allowed: set[str], select: str) -> Ruled | None:
        """What needs no statistics and no complete interval."""
        speaks, hopeless = self.terms(ERRORS).speaks_from, _number(self.hopeless, "share")
        ours, lost = heard.everything(self.canary), heard.everything(NO_VERSION)
        everybody = sum(map(heard.everything, heard.answers), Counts())
        wrong = {version: heard.everything(version).total for version in set(heard.answers) - allowed - {NO_VERSION}}
        said = ""
        if any(wrong.values()):
            named = ", ".join(f"{version} ({count})" for version, count in sorted(wrong.items()) if count)
            said = f"versions that may not answer did: {named}"
        elif everybody.total >= speaks and lost.total > hopeless * everybody.total:
            said = f"{lost.total} of {everybody.total} requests were answered by nobody, more than {percent(hopeless)}"
        elif select == ERRORS and ours.total >= speaks and ours.share > hopeless:
            said = f"errors in {ours} answers of {self.canary}, more than {percent(hopeless)}: no comparison is needed"
        return (FAIL, said, everybody.total, {"wrong_version": wrong, "lost": lost.total}) if said else None

    def _by_counters(self, ask: Ask, world: World) -> tuple[list[Interval], list[Counts]]:
        now = self.server_now(ask, world)
        since, before = self.grid(self.since + self.scrape, now), self.grid(self._window.begins, self.since)
        ours = self.counts(ask, world, self.canary, since)
        theirs = self.counts(ask, world, self.baseline, since) if self.baseline else [Counts()] * len(ours)
        history = self.counts(ask, world, self.baseline, before) if self.baseline else []
        return [Interval(*both) for both in zip(ours, theirs, strict=True)], [one for one in history if one.total]

    @property
    def _window(self) -> Window:
        return Window(self.since, self.interval)


def _shifted(canary: Sequence[float], baseline: Sequence[float], direction: str) -> Ruled:
    shift = compare(canary, baseline)
    evidence = {"values": [len(canary), len(baseline)], "direction": shift.direction}
    if shift.direction == NODATA:
        said = f"there are {len(canary)} values of the canary and {len(baseline)} of the baseline, each needs 12"
        return INSUFFICIENT, said, len(canary), evidence
    verdict = FAIL if shift.direction in _DIRECTIONS[direction] else PASS
    estimate = {"estimate": shift.estimate, "low": shift.low, "high": shift.high}
    return verdict, _of_shift(shift), len(canary), {**evidence, **estimate}


def _of_shift(shift: Shift) -> str:
    ratio = "" if math.isnan(shift.ratio) else f", on average {times(shift.ratio)} as large"
    bounds = f"{shift.estimate:.4g} (98 % sure: {shift.low:.4g} to {shift.high:.4g})"
    return f"the canary's values lie {bounds} above the baseline's{ratio}: {shift.direction}"


def _number(text: str, unit: str) -> float:
    return float(quantity(text).within(unit).number)


def _mistake(name: str, text: str, unit: str) -> list[str]:
    try:
        _number(text, unit)
    except UnitError as exc:
        return [f".{name}: {exc}"]
    return []
