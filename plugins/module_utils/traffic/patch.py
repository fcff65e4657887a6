# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""From an observed entry to one guarded patch, and the patch to the cluster while others edit the same object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..colours import other
from ..errors import Conflict, Refused, ReleaseError
from ..kube.patches import managers_of, pointer
from .entry import FENCE, SHIFT, Obj, Shift, Weights, annotations_of, fence_on
from .observe import read_objects
from .router import Mutation, Op, unchanged
from .state import EntryState

if TYPE_CHECKING:
    from ..kube.client import KubeClient

ATTEMPTS = 3


class Contested(ReleaseError):
    """Somebody else changed the weights while this step ran."""


@dataclass(frozen=True)
class Plan:
    """What one step does: `target` gets `wanted[target]` percent, and the patch that makes it so.

    `fence` is the token of the release this is a step of; `stays` says that there was nothing to take back.
    """

    target: str
    wanted: Weights
    shift: Shift
    mutation: Mutation
    fence: int = 0
    stays: bool = False

    @property
    def ops(self) -> list[Op]:
        return self.mutation.ops

    @property
    def changes(self) -> bool:
        return bool(self.ops)

    @property
    def whole(self) -> bool:
        return self.wanted[self.target] == 100


def decide(state: EntryState, colour: str, weight: int, from_version: str = "", fence: int = 0) -> Plan:
    """Weight 0 on one colour is weight 100 on the other."""
    if colour == "previous":
        return go_back(state, from_version, fence)
    if weight == 0:
        colour, weight = other(colour), 100
    wanted = {colour: weight, other(colour): 100 - weight}
    shift = next_shift(state, colour)
    return Plan(colour, wanted, shift, guarded(state, wanted, shift, fence), fence)


def go_back(state: EntryState, from_version: str, fence: int = 0) -> Plan:
    """All weight to the colour before the newest shift.

    The record of the shift stays, so that going back twice is going back once.
    """
    if from_version and from_version != state.shift.versions.get(state.shift.target):
        return stay(state)
    target = previous_colour(state)
    wanted = {target: 100, other(target): 0}
    return Plan(target, wanted, state.shift, guarded(state, wanted, state.shift, fence), fence)


def stay(state: EntryState) -> Plan:
    """The shift to take back never happened: everything is to remain as it is."""
    if not state.live or not state.even:
        raise Refused(
            f"The entry gives {' and '.join(text(share) for share in state.shares)}, so no colour is live",
            where=f"entry {state.entry}",
            remedy="name the colour: blue or green",
        )
    return Plan(state.live, state.weights, state.shift, Mutation(), stays=True)


def guarded(state: EntryState, wanted: Weights, shift: Shift, fence: int) -> Mutation:
    """The patch to the wanted weights together with the record of the shift and the fence, every `test` first."""
    if fence:
        refuse_overtaken(state, fence)
    mutation = state.router.mutation(state.entry, state.objs, state.sides, wanted)
    if not mutation.ops:
        return mutation
    marks = {SHIFT: shift.dump(), **({FENCE: str(fence)} if fence else {})}
    ops = [*mutation.ops, *mark_ops(state.objs[mutation.position], marks)]
    return Mutation(sorted(ops, key=lambda op: bool(op["op"] != "test")), mutation.position)


def previous_colour(state: EntryState) -> str:
    """The colour before the newest shift, as long as it still runs what it ran then."""
    where = f"entry {state.entry}"
    if not state.previous:
        raise Refused(
            "The entry records no shift, so it has no previous colour",
            where=where,
            remedy="name the colour: blue or green",
        )
    side = state.sides[state.previous]
    ran = state.shift.versions.get(side.colour, "")
    if ran and side.version != ran and state.live != side.colour:
        runs = side.version or "no known version"
        raise Refused(
            f"The previous colour {side.colour} ran {ran} when it was live, but runs {runs} now",
            where=f"{where}, Service {side.service}",
            remedy=f"release {ran} again, or name the colour if {runs} is to be live",
        )
    return state.previous


def next_shift(state: EntryState, target: str) -> Shift:
    """A shift begins when weight goes to a colour that is not live; giving it back is no new one."""
    if state.live == target:
        return state.shift
    versions = {colour: side.version for colour, side in state.sides.items() if side.version}
    return Shift(other(target), target, versions)


def refuse_overtaken(state: EntryState, fence: int) -> None:
    """A release that lost its lock without noticing must not undo what its successor did."""
    newest = max(fence_on(obj) for obj in state.objs)
    if newest > fence:
        raise Refused(
            f"The entry was changed under fencing token {newest}, so token {fence} of this run is stale",
            where=f"entry {state.entry}",
            remedy="stop this run; the release belongs to someone else now",
        )


def mark_ops(obj: Obj, marks: Mapping[str, str]) -> Iterator[Op]:
    """Write annotations, guarded by what they say now."""
    said = annotations_of(obj)
    if marks.keys() - said.keys():
        yield unchanged(obj)
    for key in marks:
        if key in said:
            yield {"op": "test", "path": pointer("metadata", "annotations", key), "value": said[key]}
    new = {key: value for key, value in marks.items() if said.get(key, "") != value}
    if new and not said:
        yield {"op": "add", "path": "/metadata/annotations", "value": new}
    else:
        yield from ({"op": "add", "path": pointer("metadata", "annotations", key), "value": new[key]} for key in new)


def apply(client: KubeClient, state: EntryState, plan: Plan) -> EntryState:
    """Patch until every place has the wanted weights; a foreign edit of anything else survives."""
    begun = state
    for _attempt in range(ATTEMPTS):
        if not plan.changes:
            return state
        try:
            state = patched(client, state, plan)
        except Conflict:
            state = reread(client, state, plan)
            refuse_foreign_weights(begun, state, plan)
        plan = replace(plan, mutation=guarded(state, plan.wanted, plan.shift, plan.fence))
    if plan.changes:
        raise Contested(
            f"{managers(state)} edited the entry during each of {ATTEMPTS} attempts to patch it",
            where=f"entry {state.entry}",
            remedy="stop the other editor, then run this step again",
        )
    return state


def patched(client: KubeClient, state: EntryState, plan: Plan) -> EntryState:
    kind, name = state.router.refs(state.entry)[plan.mutation.position]
    obj = client.json_patch(kind, name, plan.ops, namespace=state.entry.namespace)
    objs = list(state.objs)
    objs[plan.mutation.position] = obj
    return state.seen_again(*objs)


def reread(client: KubeClient, state: EntryState, plan: Plan) -> EntryState:
    return seen_by_others(state, plan, *read_objects(client, state.entry, state.router))


def seen_by_others(state: EntryState, plan: Plan, *objs: Obj) -> EntryState:
    """The entry after an edit that may have taken the colours out of it."""
    try:
        return state.seen_again(*objs)
    except Refused as refused:
        raise contested(replace(state, objs=objs), plan, refused.what) from refused


def refuse_foreign_weights(before: EntryState, now: EntryState, plan: Plan) -> None:
    """A retry is safe while the weights are those this step began with or the ones it wants."""
    known = [dict(share) for share in before.shares] + [dict(plan.wanted)]
    if any(dict(share) not in known for share in now.shares) or now.shift not in (before.shift, plan.shift):
        raise contested(now, plan)


def contested(now: EntryState, plan: Plan, found: str = "") -> Contested:
    found = found or "They are " + " and ".join(sorted({text(share) for share in now.shares}))
    return Contested(
        f"{managers(now)} changed the weights while this step set them to {text(plan.wanted)}. {found}",
        where=f"entry {now.entry}",
        remedy="make the other owner of this entry (GitOps, a chart, a person) leave its weights alone, then run again",
        weights=now.weights,
        managers=managers(now),
    )


def managers(state: EntryState) -> str:
    """Who wrote the field that holds the weights, newest first."""
    names = dict.fromkeys(name for obj in state.objs for name in managers_of(obj, state.router.weights_path))
    return ", ".join(names) or "An unknown field manager"


def text(weights: Weights) -> str:
    return "/".join(f"{colour} {weights[colour]}" for colour in sorted(weights))
