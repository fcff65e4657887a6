# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A release as a sequence of things its ledger says: the one place that makes and reads those texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..ledger.chain import SEAL

RELEASE_BEGINS = "release begins"
RELEASE_ENDS = "release ends"
TAKEN_OVER = "taken over"
RESUMED = "resumed"
CAPTURED = "baseline captured"
PROVEN = "images are proven"

INDEX_BEGUN = "begun"
INDEX_ENDED = "ended"
INDEX_LIFTED = "lifted"
INDEX_ACCEPTED = "accepted"
INDEX_TOLD = "told"

FORWARD = "forward"
BACK = "back"

_STEP = re.compile(
    r"(stage|warm|hand over|settle|retire|remove|back up|restore|revert|migrate|unmigrate|pause|resume|change|put back"
    r"|roll|unroll|renew|rehearse|grow)"
    r" (\S+)"
    r"|switch (\S+) (?:to (\d+)|back)"
    r"|(task) (.+)"
)
_SAID = re.compile(r"(.+): (begins|done|failed)")
_GATE = re.compile(r"gate (\S+) (\S+)")


def stage(component: str) -> str:
    return f"stage {component}"


def switch(component: str, weight: int) -> str:
    """``weight`` is the percentage the new colour gets."""
    return f"switch {component} to {weight}"


def switch_back(component: str) -> str:
    return f"switch {component} back"


def warm(component: str) -> str:
    return f"warm {component}"


def hand_over(component: str) -> str:
    """What works by itself goes to the colour that has the traffic, whichever that is."""
    return f"hand over {component}"


def settle(component: str) -> str:
    return f"settle {component}"


def retire(component: str) -> str:
    return f"retire {component}"


def remove(component: str) -> str:
    return f"remove {component}"


def back_up(database: str) -> str:
    return f"back up {database}"


def restore(database: str) -> str:
    return f"restore {database}"


def revert(database: str) -> str:
    return f"revert {database}"


def migrate(migration: str) -> str:
    return f"migrate {migration}"


def unmigrate(migration: str) -> str:
    return f"unmigrate {migration}"


def pause(workloads: str) -> str:
    return f"pause {workloads}"


def resume(workloads: str) -> str:
    return f"resume {workloads}"


def change(workload: str) -> str:
    return f"change {workload}"


def put_back(workload: str) -> str:
    """What was temporary about it."""
    return f"put back {workload}"


def went_back(workload: str) -> str:
    """By itself, when the time was over."""
    return f"{workload} went back by itself"


def maintenance(state: str, entry: str) -> str:
    """``state`` is on or off."""
    return f"maintenance mode of {entry} {state}"


def renew(certificate: str) -> str:
    return f"renew {certificate}"


def fill(secret: str) -> str:
    """No step of the way: a Secret does not go back with a version."""
    return f"fill {secret}"


def rehearse(certificate: str) -> str:
    """Its renewal."""
    return f"rehearse {certificate}"


def grow(claim: str) -> str:
    return f"grow {claim}"


def roll(unit: str) -> str:
    return f"roll {unit}"


def unroll(unit: str) -> str:
    return f"unroll {unit}"


def task(name: str) -> str:
    return f"task {name}"


def gate(name: str, component: str) -> str:
    return f"gate {name} {component}"


def decided(component: str, action: str) -> str:
    """What the rollback policy says at a gate of the component."""
    return f"policy on {component} says {action}"


def begins(step: str) -> str:
    return f"{step}: begins"


def done(step: str) -> str:
    return f"{step}: done"


def failed(step: str) -> str:
    return f"{step}: failed"


@dataclass(frozen=True)
class Step:
    """A step as its text says it; ``weight`` only of a switch to the new colour."""

    text: str
    verb: str
    component: str
    weight: int | None = None

    @classmethod
    def parse(cls, text: str) -> Step | None:
        found = _STEP.fullmatch(text)
        if not found:
            return None
        verb, component, switched, weight, task, name = found.groups()
        if verb or task:
            return cls(text, verb or task, component or name)
        return cls(text, "switch", switched, int(weight)) if weight else cls(text, "switch back", switched)

    @property
    def migrates(self) -> bool:
        return self.verb == "migrate"

    @property
    def backs_up(self) -> bool:
        return self.verb == "back up"

    @property
    def rolls(self) -> bool:
        return self.verb in ("roll", "unroll")

    @property
    def way(self) -> str:
        """Which way a release that begins this step is going."""
        return BACK if self.verb in ("switch back", "warm", "retire", "unroll") else FORWARD


@dataclass(frozen=True)
class Said:
    """What an entry says of a step: that it ``begins``, is ``done`` or has ``failed``."""

    step: Step
    moment: str

    @classmethod
    def parse(cls, what: str) -> Said | None:
        """None for an entry that is about no step."""
        found = _SAID.fullmatch(what)
        step = Step.parse(found[1]) if found else None
        return cls(step, found[2]) if found and step else None


def gate_of(what: str) -> tuple[str, str] | None:
    """The gate and the component an entry is about."""
    found = _GATE.fullmatch(what)
    return (found[1], found[2]) if found else None


@dataclass(frozen=True)
class Leg:
    """A part of the way after which a release may turn back: steps that change something, or one held gate."""

    name: str
    steps: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()

    @property
    def whats(self) -> list[str]:
        return [text for step in self.steps for text in (begins(step), done(step))] + list(self.gates)


@dataclass(frozen=True)
class Path:
    """The way of a release: which components, over which weights, held at which gates; before them what is backed up
    and migrated. Of ``workers`` something works by itself. With a ``unit`` all of them roll in place, and that unit is
    what stands at the gate.
    """

    components: tuple[str, ...]
    weights: tuple[int, ...]
    first: bool = False
    gates: tuple[str, ...] = ("staged", "step", "live")
    databases: tuple[str, ...] = ()
    migrations: tuple[str, ...] = ()
    unit: str = ""
    workers: tuple[str, ...] = ()

    @classmethod
    def rolling(cls, unit: str, databases: Sequence[str] = (), migrations: Sequence[str] = ()) -> Path:
        """In place there is nothing to stage and no weight to move."""
        return cls((unit,), (), False, ("live",), tuple(databases), tuple(migrations), unit)

    @classmethod
    def of(cls, components: Sequence[str], weights: Sequence[int], first: bool = False) -> Path:
        """A first release has nothing to share the traffic with."""
        return cls(tuple(components), (100,) if first else tuple(weights), first)

    def legs(self) -> list[Leg]:
        """The way forward."""
        before = [
            *self._worked("back up", map(back_up, self.databases)),
            *self._worked("migrate", map(migrate, self.migrations)),
        ]
        if self.unit:
            return [*before, Leg("roll", steps=(roll(self.unit),)), *self._held("live")]
        return [
            *before,
            Leg("stage", steps=tuple(map(stage, self.components))),
            *self._held("staged"),
            *(leg for weight in self.weights for leg in self._moved(weight)),
            *self._worked("hand over", map(hand_over, self.workers)),
            *self._held("live"),
        ]

    def back(self, shifted: bool, handed_over: bool = False) -> list[Leg]:
        """The way back; without ``shifted`` no traffic was moved, and the first version has nothing to go back to.

        What rolled goes back even if it was the first, and what did not is left alone.
        """
        if self.unit:
            return [Leg("unroll", steps=(unroll(self.unit),))] if shifted else []
        moved = [Leg("switch back", steps=tuple(map(switch_back, reversed(self.components))))]
        retired = Leg("retire", steps=tuple(map(retire, self.components)))
        if handed_over:
            moved += self._worked("hand over back", map(hand_over, reversed(self.workers)))
        return [*(moved if shifted and not self.first else []), retired]

    def whats(self, fails: str = "") -> list[str]:
        """What the ledger says, entry by entry; ``fails`` names the leg after which the release turns back."""
        legs = self.legs()
        if fails:
            until = [leg.name for leg in legs].index(fails) + 1
            shifted = any(leg.name.startswith(("switch", "roll")) for leg in legs[:until])
            legs = legs[:until] + self.back(shifted, any(leg.name == "hand over" for leg in legs[:until]))
        return [RELEASE_BEGINS, *(what for leg in legs for what in leg.whats), RELEASE_ENDS, SEAL]

    def _worked(self, name: str, steps: Iterable[str]) -> list[Leg]:
        leg = Leg(name, steps=tuple(steps))
        return [leg] if leg.steps else []

    def _moved(self, weight: int) -> list[Leg]:
        moves = tuple(switch(component, weight) for component in self.components)
        return [Leg(f"switch to {weight}", steps=moves), *self._held("step", f"gate step at {weight}")]

    def _held(self, name: str, called: str = "") -> list[Leg]:
        held = tuple(gate(name, component) for component in self.components)
        return [Leg(called or f"gate {name}", gates=held)] if name in self.gates else []


@dataclass(frozen=True)
class Point:
    """A moment in which a release may die: right after its ``number``-th entry in one of its ledgers.

    ``ledger`` is ``release`` or ``index``; ``way`` is where the release was going.
    """

    ledger: str
    number: int
    what: str
    way: str = FORWARD


def points(path: Path, fails: str = "") -> list[Point]:
    """Every moment in which a release that goes ``path`` may die, in order."""
    whats, found, way = path.whats(fails), [Point("index", 1, INDEX_BEGUN)], FORWARD
    for number, what in enumerate(whats, 1):
        said = Said.parse(what)
        way = BACK if said and said.step.way == BACK else way
        found.append(Point("release", number, what, way))
    return [*found, Point("index", 2, INDEX_ENDED, way)]
