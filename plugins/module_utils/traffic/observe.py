# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Where traffic goes: the entry, its two sides and their weights, as the cluster says it now."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ..colours import COLOURS
from ..errors import NotFound
from ..kube.kinds import ENDPOINTSLICE, SERVICE
from ..kube.readiness import ready_endpoints
from ..maintenance.record import refuse_maintained
from .entry import SERVICE_NAME_LABEL, Entry, Obj, Side
from .router import Router
from .routers import router_for
from .state import EntryState

if TYPE_CHECKING:
    from ..kube.client import KubeClient


def read_objects(client: KubeClient, entry: Entry, router: Router) -> tuple[Obj, ...]:
    """The objects that together are the entry."""
    found = []
    for kind, name in router.refs(entry):
        obj = client.get(kind, name, entry.namespace)
        if obj is None:
            raise NotFound(
                f"The entry {kind.kind} {entry.namespace}/{name} does not exist",
                status=404,
                verb="get",
                object=f"{kind.kind} {entry.namespace}/{name}",
                where=f"entry {entry}",
                remedy="create it with the colour Services as its back ends, or correct entry.name",
            )
        refuse_maintained(kind.kind, obj, f"entry {entry}")
        found.append(obj)
    return tuple(found)


def observe_entry(client: KubeClient, entry: Entry, services: Mapping[str, str]) -> EntryState:
    """Read the entry, the colour Services and their endpoints at the same time."""
    router = router_for(entry.kind)
    names = ",".join(services[colour] for colour in COLOURS)
    with ThreadPoolExecutor(max_workers=4) as pool:
        reading = pool.submit(read_objects, client, entry, router)
        backing = {colour: pool.submit(client.get, SERVICE, services[colour], entry.namespace) for colour in COLOURS}
        slicing = pool.submit(
            client.list, ENDPOINTSLICE, namespace=entry.namespace, labels=f"{SERVICE_NAME_LABEL} in ({names})"
        )
        objs = reading.result()
        sides = {
            colour: Side(
                colour,
                services[colour],
                backing[colour].result(),
                frozenset(ready_endpoints(slices_of(slicing.result(), services[colour]))),
            )
            for colour in COLOURS
        }
    return EntryState(entry, router, objs, sides, router.shares(entry, objs, sides), router.shift(objs))


def slices_of(slices: list[Obj], service: str) -> list[Obj]:
    return [one for one in slices if one["metadata"].get("labels", {}).get(SERVICE_NAME_LABEL) == service]
