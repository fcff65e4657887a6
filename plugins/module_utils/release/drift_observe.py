# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What belongs to the live colours, read with one list a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ..helm.objects import Obj, kind_name, meta, name_of
from ..helm.observe import Colour, Have
from ..helm.record import manifest, read, revisions
from ..kube.kinds import HPA, SERVICE, Kind
from .drift import Objects, Part, Parts, Ref, Workload, autoscaled, fingerprint

if TYPE_CHECKING:
    from ..kube.client import KubeClient

AT_A_TIME = 6
Batch = tuple[str, str, str]


def take(client: KubeClient, namespace: str, components: Sequence[Have]) -> Parts:
    """The components as they are now."""
    wanted = {have.target.name: belongings(client, have) for have in components}
    found, sized = find(client, namespace, {ref for refs in wanted.values() for ref in refs})
    parts = {}
    for have in components:
        refs = [ref for ref in wanted[have.target.name] if ref in found]
        prints = {ref: fingerprint(found[ref], sized) for ref in refs}
        live = have.colours.get(have.live)
        parts[have.target.name] = Part(
            have.live,
            live.release if live else "",
            live.revision.number if live and live.revision else 0,
            live.version if live else "",
            prints,
        )
    return parts


def belongings(client: KubeClient, have: Have) -> list[Ref]:
    """The entry, the live colour's Service, and everything Helm installed for it."""
    entry = have.entry.entry
    refs = [Ref(kind.api_version, kind.kind, entry.namespace, name) for kind, name in have.entry.router.refs(entry)]
    if have.live:
        live = have.colours[have.live]
        refs.append(Ref(SERVICE.api_version, SERVICE.kind, entry.namespace, live.service))
        refs += installed(client, have.target.namespace, live)
    return sorted(set(refs))


def installed(client: KubeClient, namespace: str, colour: Colour) -> list[Ref]:
    """What the newest revision of a colour's Helm release consists of."""
    if colour.revision is None:
        return []
    return [_ref(client, obj, namespace) for obj in manifest(read(client, namespace, colour.revision))]


def _ref(client: KubeClient, obj: Obj, namespace: str) -> Ref:
    kind = client.resolve(str(obj["apiVersion"]), kind_name(obj))
    where = str(meta(obj).get("namespace") or namespace) if kind.namespaced else ""
    return Ref(kind.api_version, kind.kind, where, name_of(obj))


def find(client: KubeClient, namespace: str, refs: Iterable[Ref]) -> tuple[Objects, set[Workload]]:
    """Everything of the kinds and namespaces of ``refs``, and which workloads an autoscaler sizes.

    Objects of the cluster are asked for by name, for there may be many that are none of a release's business.
    """
    refs = set(refs)
    batches = {ref[:3] for ref in refs if ref.namespace} | {(HPA.api_version, HPA.kind, namespace)}
    with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
        listing = [pool.submit(_listed, client, batch) for batch in sorted(batches)]
        getting = [pool.submit(_got, client, ref) for ref in sorted(refs) if not ref.namespace]
        found = [obj for reading in (*listing, *getting) for obj in reading.result()]
    return {Ref.of(obj): obj for obj in found}, autoscaled(obj for obj in found if kind_name(obj) == HPA.kind)


def _listed(client: KubeClient, batch: Batch) -> list[Obj]:
    kind = client.resolve(*batch[:2])
    if kind.kind == "Secret":
        return [_complete(kind, obj) for obj in client.list_metadata(kind, batch[2])]
    return client.list(kind, batch[2])


def _got(client: KubeClient, ref: Ref) -> list[Obj]:
    kind = client.resolve(ref.api_version, ref.kind)
    obj = client.get(kind, ref.name)
    return [_complete(kind, obj)] if obj else []


def _complete(kind: Kind, obj: Obj) -> Obj:
    return {**obj, "apiVersion": kind.api_version, "kind": kind.kind}


def newest_revisions(client: KubeClient, namespace: str, parts: Parts) -> Mapping[str, int]:
    """Helm's newest number of each release that was live."""
    releases = [part.release for part in parts.values() if part.release]
    if not releases:
        return {}
    return {name: them[0].number for name, them in revisions(client, namespace, releases).items() if them}
