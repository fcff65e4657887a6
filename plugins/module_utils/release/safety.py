# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""May a release go back? Schema, configuration and capacity, as pure functions of what the cluster has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..colours import other
from ..errors import Refused
from ..helm.objects import Obj
from ..helm.observe import Have
from ..helm.room import Room, carried
from ..traffic.patch import previous_colour
from .needs import needs_of

STAGES = (
    "plan",
    "preflight",
    "approve",
    "backup",
    "migrate",
    "deploy",
    "shift",
    "verify",
    "observe",
    "retire",
)
MIGRATE = STAGES.index("migrate")
CLASSES = ("expand", "contract", "irreversible")

Existing = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Migration:
    """One step of the database, and whether the version before it still works afterwards."""

    name: str
    kind: str

    @property
    def bars(self) -> bool:
        return self.kind != "expand"


@dataclass(frozen=True)
class Finding:
    """One thing that stands in the way back; of capacity it is only to be brought up first."""

    component: str
    kind: str
    sentence: str
    remedy: str

    @property
    def forbids(self) -> bool:
        return self.kind != "capacity"

    def report(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Way:
    """What going back means for one component; ``colour`` is empty when there is nothing to go back to."""

    component: str
    colour: str = ""
    version: str = ""
    ready: int = 0
    needed: int = 0
    findings: tuple[Finding, ...] = ()

    def report(self) -> dict[str, Any]:
        return {"colour": self.colour, "version": self.version, "ready": self.ready, "needed": self.needed}


@dataclass(frozen=True)
class Answer:
    """Whether a release may go back, and what to do if it may not."""

    findings: tuple[Finding, ...]
    ways: tuple[Way, ...]
    forward: tuple[str, ...]

    @property
    def safe(self) -> bool:
        return not any(finding.forbids for finding in self.findings)

    @property
    def warm_first(self) -> list[str]:
        return [finding.component for finding in self.findings if finding.kind == "capacity"]

    def report(self) -> dict[str, Any]:
        return {
            "safe": self.safe,
            "findings": [finding.report() for finding in self.findings],
            "forward": list(self.forward),
            "warm_first": self.warm_first,
            "components": {way.component: way.report() for way in self.ways},
        }

    def refusal(self, where: str) -> Refused:
        """The same as an error."""
        barring = [finding for finding in self.findings if finding.forbids]
        remedies = [finding.remedy for finding in barring if finding.kind != "schema"]
        return Refused(
            "Going back is not safe: " + "; ".join(finding.sentence for finding in barring),
            where=where,
            remedy=". ".join(text.rstrip(".") for text in dict.fromkeys([*self.forward, *remedies]))
            + ". To go back all the same, give a reason as force",
            **self.report(),
        )


def judge(
    migrations: Sequence[Migration],
    reached: str,
    components: Sequence[Have],
    existing: Existing,
    version: str = "",
    in_place: Sequence[Way] = (),
) -> Answer:
    """``existing`` has the names of the ConfigMaps and Secrets there are; ``version`` is the one being released.

    ``in_place`` are the ways of components that roll.
    """
    barring = [one for one in migrations if one.bars and STAGES.index(reached) >= MIGRATE]
    ways = (*(way_back(have, existing, version) for have in components), *in_place)
    findings = [schema_finding(one) for one in barring] + [finding for way in ways for finding in way.findings]
    return Answer(tuple(findings), ways, forward_plan(barring))


def schema_finding(migration: Migration) -> Finding:
    kind = "a contract" if migration.kind == "contract" else "irreversible"
    return Finding(
        "",
        "schema",
        f"Migration {migration.name} is {kind}: the version before it does not work with the schema it leaves",
        f"fix forward: release a version that works with migration {migration.name}",
    )


def forward_plan(barring: Sequence[Migration]) -> tuple[str, ...]:
    """What to do instead of going back, in order; empty when the schema allows it."""
    if not barring:
        return ()
    names = _listed([one.name for one in barring])
    return (
        "Leave the traffic with the version that works best with the schema as it is now.",
        f"Fix forward: release a version that works with {'migrations' if len(barring) > 1 else 'migration'} {names}.",
        "Only if that cannot be done, restore the backup from before; what was written since is lost then.",
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def way_back(have: Have, existing: Existing, version: str) -> Way:
    """Where one component would go back to, and what is missing there."""
    component, colour = have.target.name, _colour_to_return_to(have, version)
    if not colour:
        return Way(component)
    side, room = have.entry.sides[colour], room_of(have, colour)
    findings = [*_identity_findings(have, colour), *_configuration_findings(have, colour, existing)]
    if room.too_small:
        sentence = f"{room.ready} of {room.needed} pods of {colour} are ready to take the traffic of {component}"
        remedy = "bring it to its capacity first (helm_bluegreen with state warm)"
        findings.append(Finding(component, "capacity", sentence, remedy))
    return Way(component, colour, side.version, room.ready, room.needed, tuple(findings))


def way_in_place(component: str, version: str, before: Sequence[Obj], existing: Existing) -> Way:
    """``before`` are the workloads as they were; without any there is nothing to go back to."""
    findings = [
        Finding(
            component,
            "configuration",
            f"{need} does not exist any more, and {need.workload} could not start a pod as it was without it",
            f"create {need} again as it was, or release the version to go back to again",
        )
        for need in needs_of(before)
        if need.name not in existing.get(need.kind, ())
    ]
    return Way(component, "", version, findings=tuple(findings))


def _colour_to_return_to(have: Have, version: str) -> str:
    """The colour before the newest shift; what is live if that shift was another release's, or if there was none."""
    shift = have.entry.shift
    if shift.source and (not version or shift.versions.get(shift.target) == version):
        return shift.source
    return have.live


def room_of(have: Have, colour: str) -> Room:
    """Whether that colour can take over what the other one carries now."""
    back, opposite = have.colours[colour], have.colours[other(colour)]
    behind = [scale for scale in back.scales if (scale.kind, scale.name) in back.behind]
    return Room.of(behind, back.endpoints, carried(opposite.endpoints, have.entry.weights[opposite.colour]))


def _identity_findings(have: Have, colour: str) -> list[Finding]:
    """Whether that colour is still what it was."""
    component, found = have.target.name, have.colours[colour]
    if have.entry.shift.source == colour:
        try:
            previous_colour(have.entry)
        except Refused as refused:
            return [Finding(component, "configuration", refused.what, refused.remedy)]
    if not found.workloads:
        sentence = f"The previous colour {colour} of {component} has no workload any more"
        return [Finding(component, "configuration", sentence, "release the version to go back to again")]
    return []


def _configuration_findings(have: Have, colour: str, existing: Existing) -> list[Finding]:
    component = have.target.name
    return [
        Finding(
            component,
            "configuration",
            f"{need} does not exist any more, and {need.workload} of {colour} cannot start a pod without it",
            f"create {need} again as it was, or release the version to go back to again",
        )
        for need in needs_of(have.colours[colour].workloads)
        if need.name not in existing.get(need.kind, ())
    ]
