# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The steps a plan is made of; each says in a sentence what it does."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .capacity import Key
from .objects import Obj, title
from .record import Revision
from .source import Rendering


@dataclass(frozen=True)
class Recover:
    """End a Helm operation that died half-way."""

    revision: Revision

    def __str__(self) -> str:
        one = self.revision
        return f"mark revision {one.number} of release {one.release} failed: it is {one.status} and nobody works on it"


@dataclass(frozen=True)
class CreateShared:
    """Create an object both colours share, if it is missing."""

    obj: Obj

    def __str__(self) -> str:
        return f"create shared {title(self.obj)} unless it exists"


@dataclass(frozen=True)
class Install:
    """Install or upgrade the Helm release of one colour."""

    rendering: Rendering
    version: str
    fresh: bool

    def __str__(self) -> str:
        verb = "install" if self.fresh else "upgrade"
        resting = ", ".join(one.title for one in self.rendering.workers)
        at_rest = f", at rest: {resting}" if resting else ""
        return f"{verb} release {self.rendering.release} with version {self.version}{at_rest}"


@dataclass(frozen=True)
class Scale:
    """Set the replicas of a workload; `remember` is what a scale-down keeps for the way back."""

    workload: Key
    replicas: int
    remember: int | None = None

    def __str__(self) -> str:
        return f"scale {self.workload[0]} {self.workload[1]} to {self.replicas}"


@dataclass(frozen=True)
class Rest:
    """Stop what works, in one write that also remembers the size it comes back with."""

    worker: Key
    size: int

    def __str__(self) -> str:
        return f"let {self.worker[0]} {self.worker[1]} rest"


@dataclass(frozen=True)
class Work:
    """Start what rested."""

    worker: Key
    size: int

    def __str__(self) -> str:
        size = "" if self.worker[0] == "CronJob" else f" with {self.size}"
        return f"let {self.worker[0]} {self.worker[1]} work{size}"


@dataclass(frozen=True)
class AwaitRest:
    """Wait until no pod and no running Job of these is left."""

    colour: str
    workers: tuple[Key, ...]

    def __str__(self) -> str:
        return f"wait until nothing of {self.colour} works any more"


@dataclass(frozen=True)
class Hold:
    """Keep an autoscaler from going below the capacity of the release; the original minimum is remembered."""

    autoscaler: str
    minimum: int
    original: int

    def __str__(self) -> str:
        return f"hold HorizontalPodAutoscaler {self.autoscaler} at no fewer than {self.minimum}"


@dataclass(frozen=True)
class Release:
    """Give an autoscaler its own minimum back."""

    autoscaler: str
    original: int

    def __str__(self) -> str:
        return f"give HorizontalPodAutoscaler {self.autoscaler} its own minimum of {self.original} back"


@dataclass(frozen=True)
class Prove:
    """Wait until the colour is ready at its capacity, and stays so."""

    colour: str

    def __str__(self) -> str:
        return f"wait until {self.colour} is ready"


@dataclass(frozen=True)
class Disavow:
    """Take back what the colour Service says before that stops being true."""

    service: str

    def __str__(self) -> str:
        return f"take back what Service {self.service} says it runs"


@dataclass(frozen=True)
class Certify:
    """Write on the colour Service what it provably runs."""

    release: str
    service: str
    version: str
    digest: str

    def __str__(self) -> str:
        return f"record on Service {self.service} that it runs version {self.version}"


@dataclass(frozen=True)
class Quarantine:
    """Mark a colour that failed, so that nobody goes back to it."""

    service: str

    def __str__(self) -> str:
        return f"quarantine Service {self.service}"


@dataclass(frozen=True)
class Uninstall:
    release: str

    def __str__(self) -> str:
        return f"uninstall release {self.release}"


Step: t.TypeAlias = (
    "Recover | CreateShared | Install | Scale | Rest | Work | AwaitRest | Hold | Release | Prove | Disavow | Certify"
    " | Quarantine | Uninstall"
)


@dataclass(frozen=True)
class Plan:
    """What will be done to which colour."""

    target: str
    steps: tuple[Step, ...] = ()
    capacity: t.Mapping[Key, int] = field(default_factory=dict)
    rendering: Rendering | None = None
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        return any(not isinstance(step, Prove | CreateShared | AwaitRest) for step in self.steps)

    @property
    def installs(self) -> bool:
        return any(isinstance(step, Install) for step in self.steps)

    def sentences(self) -> list[str]:
        return [str(step) for step in self.steps]
