# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""From what the cluster has and what is wanted to the steps in between. Pure: nothing is read or written here."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..colours import other
from ..errors import Refused
from . import capacity as sizes
from . import hand_over
from .capacity import Autoscaler, Key
from .objects import SCALABLE, VERSION, of_kind
from .observe import Colour, Have
from .pending import is_abandoned
from .plan import (
    Certify,
    CreateShared,
    Disavow,
    Hold,
    Install,
    Plan,
    Prove,
    Quarantine,
    Recover,
    Release,
    Scale,
    Step,
    Uninstall,
)
from .room import Growth, carried
from .source import Rendering


@dataclass(frozen=True)
class Want:
    """What the options ask for.

    `now` and `timeout` decide whether a pending Helm operation still has an owner; with the lock of a release held, it
    has none (`alone`). What is overdue at `due` counts as put back.
    """

    state: str
    version: str = ""
    replicas: int | None = None
    floor: int = 0
    quarantine: bool = False
    overlap: bool = False
    timeout: float = 300
    now: float = 0
    alone: bool = False
    due: str = ""


Renderings = t.Mapping[str, Rendering]


def decide(have: Have, want: Want, renderings: Renderings) -> Plan:
    """The plan for any state."""
    if not have.pointed:
        weights = ", ".join(f"{colour} {weight} %" for colour, weight in have.entry.weights.items())
        raise Refused(
            f"The entry is split ({weights}) and does not say which colour is live",
            where=f"entry {have.target.entry}",
            remedy="give all traffic to one colour with traffic_switch first",
        )
    if want.state == "staged":
        return _staged(have, want, renderings)
    if want.state == "warm":
        return _warm(have, want)
    if want.state == "handed_over":
        return hand_over.handed_over(have, want.overlap)
    if want.state == "settled":
        return _settled(have)
    if want.state == "retired":
        return _retired(have, want)
    return _absent(have)


def _staged(have: Have, want: Want, renderings: Renderings) -> Plan:
    if have.live:
        live = have.colours[have.live]
        if (live.version, live.digest) == (want.version, renderings[have.live].digest):
            return Plan(have.live, capacity=_desired(live), rendering=renderings[have.live])
        if live.version == want.version:
            raise Refused(
                f"{want.version} is live already with other content",
                where=f"Service {live.service}: {live.digest}, asked for: {renderings[have.live].digest}",
                remedy="give the changed content a version of its own",
            )
    target = have.idle or have.pointed
    colour, rendering = have.colours[target], renderings[target]
    resting = {one.key for one in rendering.workers}
    counts = sizes.rendered(rendering.objects, colour.service, _scales(have.live, have), want.replicas, resting)
    _require_front(colour, rendering)
    warnings = (*hand_over.warnings(have), *(sizes.copied(have.colours[have.live].workloads) if have.live else ()))
    if (colour.version, colour.digest) == (want.version, rendering.digest) and not colour.quarantined:
        desired = {key: count for key, count in _desired(colour).items() if key not in resting}
        counts = {key: max(count, desired.get(key, 0)) for key, count in counts.items()}
        steps = (*hand_over.stopped(have, target, resting), *_to_capacity(colour, counts))
        return Plan(target, steps, counts, rendering, warnings)
    _refuse_weight(have, target, "written to")
    sizes.refuse_copying(have.colours[have.live].workloads if have.live else (), want.due)
    return Plan(target, tuple(_installation(colour, rendering, want, counts)), counts, rendering, warnings)


def _require_front(colour: Colour, rendering: Rendering) -> None:
    names = [str(service["metadata"]["name"]) for service in of_kind(rendering.objects, "Service")]
    if colour.service not in names:
        raise Refused(
            f"The source renders no Service {colour.service} for the entry to send traffic to; it renders "
            f"{', '.join(names) or 'none'}",
            where=f"release {rendering.release}",
            remedy="name the Services of the two colours with the option services",
        )
    if not sizes.serving(rendering.objects, colour.service):
        raise Refused(
            f"Service {colour.service} selects no Deployment and no StatefulSet of the source",
            where=f"release {rendering.release}",
            remedy="make its selector equal to labels of the pods that are to serve",
        )


def _installation(colour: Colour, rendering: Rendering, want: Want, counts: t.Mapping[Key, int]) -> t.Iterator[Step]:
    if colour.revision and is_abandoned(colour.revision, want.now, want.timeout, want.alone):
        yield Recover(colour.revision)
    yield from (CreateShared(obj) for obj in rendering.shared)
    if colour.annotations.get(VERSION):
        yield Disavow(colour.service)
    yield Install(rendering, want.version, fresh=colour.revision is None)
    resting = {one.key for one in rendering.workers}
    rendered = [sizes.autoscaler_of(hpa) for hpa in of_kind(rendering.objects, "HorizontalPodAutoscaler")]
    holds = list(_holds(rendered, counts))
    yield from holds
    stale = {one.name for one in colour.autoscalers if one.original is not None} - {one.autoscaler for one in holds}
    yield from (Release(one.name, one.minimum) for one in rendered if one.name in stale)
    for workload in of_kind(rendering.objects, *SCALABLE):
        key = (str(workload["kind"]), str(workload["metadata"]["name"]))
        if key not in resting and (colour.revision or counts[key] != sizes.asked(workload)):
            yield Scale(key, counts[key])
    yield Prove(colour.colour)
    yield Certify(colour.release, colour.service, want.version, rendering.digest)


def _holds(autoscalers: t.Iterable[Autoscaler], counts: t.Mapping[Key, int]) -> t.Iterator[Hold]:
    for one in autoscalers:
        wanted = min(counts.get(one.target, one.minimum), one.maximum)
        if wanted > one.minimum:
            yield Hold(one.name, wanted, one.minimum if one.original is None else one.original)


def _to_capacity(colour: Colour, counts: t.Mapping[Key, int]) -> t.Iterator[Step]:
    """Bring an installed colour to its capacity; nothing when it is there and ready."""
    steps: list[Step] = list(_holds(colour.autoscalers, counts))
    steps += [
        Scale((scale.kind, scale.name), counts[scale.kind, scale.name])
        for scale in colour.scales
        if scale.desired < counts.get((scale.kind, scale.name), 0)
    ]
    if steps or colour.ready < colour.desired or not colour.endpoints:
        steps.append(Prove(colour.colour))
    return iter(steps)


def _warm(have: Have, want: Want) -> Plan:
    target = have.entry.previous or have.idle
    colour = have.colours[target] if target else None
    if not colour or not colour.version:
        raise Refused(
            "There is no previous version to warm up",
            where=f"release {colour.release}" if colour else f"entry {have.target.entry}",
            remedy="stage a version with state=staged",
        )
    if colour.quarantined:
        raise Refused(
            f"{colour.colour} with version {colour.version} failed and is quarantined since {colour.quarantined}",
            where=f"Service {colour.service}",
            remedy="stage a good version with state=staged",
        )
    growth = _growth(have, colour, want.replicas or 0)
    counts = growth.counts()
    return Plan(target, tuple(_to_capacity(colour, counts)), counts, warnings=tuple(growth.warnings()))


def _growth(have: Have, colour: Colour, floor: int) -> Growth:
    opposite = have.colours[other(colour.colour)]
    load = carried(opposite.endpoints, have.entry.weights[opposite.colour])
    workers = {one.key for one in have.workers(colour.colour)}
    scales = [scale for scale in colour.scales if (scale.kind, scale.name) not in workers]
    return Growth(scales, opposite.scales, colour.behind, colour.autoscalers, load, floor)


def _settled(have: Have) -> Plan:
    """While the traffic is shared, the live colour has to be as large as it was: it may all come back."""
    if not have.live:
        return Plan(have.pointed)
    live = have.colours[have.live]
    return Plan(have.live, tuple(_released(live)) if live.weight == 100 else ())


def _released(live: Colour) -> t.Iterator[Step]:
    return (Release(one.name, one.original) for one in live.autoscalers if one.original is not None)


def _retired(have: Have, want: Want) -> Plan:
    if not have.idle:
        return Plan(other(have.pointed))
    idle = have.colours[have.idle]
    if want.version and idle.version not in ("", want.version):
        return Plan(have.idle)
    _refuse_weight(have, have.idle, "retired")
    steps: list[Step] = [*hand_over.stopped(have, have.idle), *_lowered(have, idle, want.floor)]
    if want.quarantine and idle.front and not idle.quarantined:
        steps.append(Quarantine(idle.service))
    steps += _released(have.colours[have.live])
    counts = {(scale.kind, scale.name): want.floor for scale in idle.scales}
    return Plan(have.idle, tuple(steps), counts, warnings=hand_over.warnings(have))


def _lowered(have: Have, idle: Colour, floor: int) -> t.Iterator[Step]:
    """Autoscalers first, else they undo the scaling; one whose target has no replicas rests by itself."""
    workers = {one.key for one in have.workers(idle.colour)}
    for one in idle.autoscalers:
        if floor and one.minimum > floor:
            yield Hold(one.name, floor, one.minimum if one.original is None else one.original)
    for scale in idle.scales:
        if scale.desired > floor and (scale.kind, scale.name) not in workers:
            yield Scale((scale.kind, scale.name), floor, remember=scale.full)


def _absent(have: Have) -> Plan:
    if not have.idle:
        raise Refused(
            "Nothing is live yet, so no colour is idle",
            where=f"entry {have.target.entry}",
            remedy=f"remove the failed installation with: helm uninstall {have.colours[have.pointed].release}",
        )
    _refuse_weight(have, have.idle, "removed")
    idle = have.colours[have.idle]
    removal = (Uninstall(idle.release),) if idle.revision else ()
    return Plan(have.idle, (*removal, *_released(have.colours[have.live])))


def _refuse_weight(have: Have, colour: str, what: str) -> None:
    weight = have.colours[colour].weight
    if weight and not have.first:
        raise Refused(
            f"{colour} carries {weight} % of the traffic and is not {what}",
            where=f"entry {have.target.entry}",
            remedy="finish the shift or take it back with traffic_switch first",
        )


def _scales(colour: str, have: Have) -> tuple[sizes.Scale, ...]:
    return have.colours[colour].scales if colour else ()


def _desired(colour: Colour) -> dict[Key, int]:
    return {(scale.kind, scale.name): scale.desired for scale in colour.scales}
