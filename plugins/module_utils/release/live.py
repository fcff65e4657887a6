# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What each component runs: its colour, its version and the images of its pods, by their digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..helm.objects import Obj
from ..kube.kinds import POD
from . import in_place
from .components import apart, observe_all, targets_of
from .images import running
from .rolling import keys

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Live:
    """One component; ``colour`` is empty for what rolls, all is empty while nothing is live."""

    colour: str
    version: str
    images: tuple[str, ...]

    def report(self) -> dict[str, Any]:
        return {**asdict(self), "images": list(self.images)}


def look(
    client: KubeClient, namespace: str, components: Sequence[Given], colours: Mapping[str, str] | None = None
) -> dict[str, Live]:
    """Each component in the order it was given; of those that ``colours`` names that colour, else the live one."""
    pods = client.list(POD, namespace)
    coloured, rolling = apart(components)
    found = {
        **_coloured(client, namespace, coloured, colours or {}, pods),
        **_rolling(client, namespace, rolling, pods),
    }
    return {one["name"]: found[one["name"]] for one in components}


def _coloured(
    client: KubeClient, namespace: str, components: Sequence[Given], colours: Mapping[str, str], pods: Sequence[Obj]
) -> dict[str, Live]:
    if not components:
        return {}
    found = {}
    for have in observe_all(client, targets_of(components, namespace)):
        name = colours.get(have.target.name) or have.live
        colour = have.colours.get(name)
        images = running(colour.workloads, pods) if colour else []
        found[have.target.name] = Live(name, colour.version if colour else "", tuple(images))
    return found


def _rolling(client: KubeClient, namespace: str, components: Sequence[Given], pods: Sequence[Obj]) -> dict[str, Live]:
    if not components:
        return {}
    have = in_place.observe(client, namespace, components)
    found = {}
    for one in components:
        workloads = [have.workloads[key] for key in keys(one) if key in have.workloads]
        found[one["name"]] = Live("", ", ".join(have.versions(one)), tuple(running(workloads, pods)))
    return found
