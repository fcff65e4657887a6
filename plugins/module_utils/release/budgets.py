# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""How long the stages of a release may take, and how long they took. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..window.inputs import duration

Given = Mapping[str, Any]

WAY_BACK = "rollback"
STAGES = ("backup", "migrate", "deploy", "staged", "shift", "verify", WAY_BACK)
OF_COLOURS = ("staged", "shift")
"""What rolls has traffic as soon as it runs, so it has neither the gate before it nor a shift."""
STOP, WARN = "stop", "warn"
_WHERE = "release_budgets"


@dataclass(frozen=True)
class Budget:
    """Seconds a stage may take, with those for which it only watches; `stops` when more of them keep traffic away."""

    stage: str
    planned: float
    stops: bool

    def report(self) -> dict[str, Any]:
        return {"stage": self.stage, "planned": self.planned, "stops": self.stops}


def seconds_of(began: Mapping[str, float], end: float) -> dict[str, float]:
    """The seconds between the beginning of each stage and that of the next one."""
    stages = sorted(((str(name), float(at)) for name, at in began.items()), key=lambda stage: stage[1])
    marks = [*stages, ("", float(end))]
    return {name: round(until - at, 2) for (name, at), (_next, until) in itertools.pairwise(marks)}


def budgets_of(given: Given, shift: Given, *, rolling: bool, first: bool) -> list[Budget]:
    """The budgets in the order of the stages; what the plan itself says to watch comes on top of each."""
    for stage in given:
        if stage not in STAGES:
            raise Refused(f"{stage} is no stage with a budget", where=_WHERE, remedy=f"use {', '.join(STAGES)}")
        if rolling and stage in OF_COLOURS:
            raise Refused(f"What rolls has no stage {stage}", where=f"{_WHERE}.{stage}", remedy="leave it out")
    return [_one(stage, given[stage], shift, rolling, first) for stage in STAGES if given.get(stage)]


def _one(stage: str, given: Any, shift: Given, rolling: bool, first: bool) -> Budget:
    where = f"{_WHERE}.{stage}"
    if not isinstance(given, Mapping) or set(given) - {"longest", "over"} or not given.get("longest"):
        raise Refused(f"{given} is no budget", where=where, remedy="write it as {longest: 10m, over: stop}")
    over = given.get("over") or STOP
    if over not in (STOP, WARN):
        raise Refused(f"{over} does not follow from a budget", where=f"{where}.over", remedy=f"use {STOP} or {WARN}")
    longest = duration(f"{where}.longest", given["longest"]).total_seconds()
    before = ("backup", "migrate") if rolling else ("backup", "migrate", "deploy", "staged")
    return Budget(stage, longest + _watched(stage, shift, first), over == STOP and stage in before)


def _watched(stage: str, shift: Given, first: bool) -> float:
    if stage == "verify":
        return float(shift["hold"])
    if stage != "shift" or first:
        return 0.0
    holds = sum(1 for step in shift["steps"] if step < 100)
    return float(shift["hold"]) * holds + float(shift["drain"])


def held(budgets: Iterable[Budget], seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """What was planned against what it took, for each stage that was reached."""
    found = []
    for one in budgets:
        if (actual := seconds.get(one.stage)) is not None:
            over = actual > one.planned
            said = f"{one.stage} took {told(actual)}, and its budget is {told(one.planned)}" if over else ""
            found.append({**one.report(), "actual": actual, "over": over, "sentence": said})
    return found


def fits(windows: Sequence[Given], budgets: Sequence[Given]) -> None:
    """Refuse a window that is shorter than all stages may take together."""
    total = sum(one["planned"] for one in budgets if one["stage"] != WAY_BACK)
    for place, one in enumerate(windows):
        where = f"release_windows[{place}].duration"
        length = duration(where, one.get("duration")).total_seconds() if total else 0
        if length < total:
            raise Refused(
                f"The window is open for {told(length)}, and the stages may take {told(total)} together",
                where=where,
                remedy=f"make it longer, or {_WHERE} shorter",
            )


def budgets_text(budgets: Sequence[Given]) -> str:
    """The budgets in a line, with the sum of those of a release that goes well; nothing when there are none."""
    onwards = [one for one in budgets if one["stage"] != WAY_BACK]
    parts = ", ".join(f"{one['stage']} {told(one['planned'])}" for one in onwards)
    texts = [f"{told(sum(one['planned'] for one in onwards))}: {parts}"] if parts else []
    return "; ".join([*texts, *(f"going back {told(one['planned'])}" for one in budgets if one not in onwards)])


def told(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return " ".join(
        part for part in (f"{minutes} min" if minutes else "", f"{rest} s" if rest or not minutes else "") if part
    )
