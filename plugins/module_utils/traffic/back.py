# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whether a colour is large enough for the traffic that goes back to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ..colours import other
from ..errors import Forbidden, Refused
from ..helm.capacity import scale_of, serving
from ..helm.room import Room, carried
from ..kube.kinds import DEPLOYMENT, STATEFULSET, Kind
from .entry import Obj, Side
from .patch import Plan
from .state import EntryState

if TYPE_CHECKING:
    from ..kube.client import KubeClient


def observe_room(client: KubeClient, state: EntryState, colour: str) -> Room:
    """The room of one colour as the cluster has it."""
    return room_of(state, colour, workloads_behind(client, state.entry.namespace, state.sides[colour]))


def room_of(state: EntryState, colour: str, workloads: list[Obj]) -> Room:
    """What it has to take over is what the other colour carries where that carries most."""
    opposite = other(colour)
    share = max(weights[opposite] for weights in state.shares)
    load = carried(len(state.sides[opposite].ready), share)
    return Room.of(map(scale_of, workloads), len(state.sides[colour].ready), load)


def workloads_behind(client: KubeClient, namespace: str, side: Side) -> list[Obj]:
    """The workloads of a colour Service; none where they may not be read, for that keeps nobody from going back."""

    def listed(kind: Kind) -> list[Obj]:
        try:
            return client.list(kind, namespace)
        except Forbidden:
            return []

    with ThreadPoolExecutor(max_workers=2) as pool:
        found = [obj for objs in pool.map(listed, (DEPLOYMENT, STATEFULSET)) for obj in objs]
    behind = serving([side.obj, *found], side.service) if side.obj else []
    return [obj for obj in found if (obj["kind"], obj["metadata"]["name"]) in behind]


def check_room(state: EntryState, plan: Plan, room: Room) -> None:
    """Traffic that goes back to too few pods would break them, too."""
    if not room.too_small:
        return
    raise Refused(
        f"{plan.target} is too small for the traffic to go back to: {room.ready} of {room.needed} pods are ready",
        where=f"entry {state.entry}, Service {state.sides[plan.target].service}",
        remedy="bring it up first (helm_bluegreen with state warm); if a quota, the maximum of its autoscaler or the "
        "nodes keep it from growing, mend that, or go back all the same with -e \"release_force='the reason'\"",
        ready=room.ready,
        needed=room.needed,
    )
