# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which workload a name stands for: a component's, by its live colour, or the one that is called so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..helm.objects import Obj, colourless, kind_name, name_of
from ..helm.observe import Have as Component
from ..release.components import apart, observe_all, targets_of
from ..release.rolling import keys
from ..rollout.model import Key, titled

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Subject:
    """One workload; ``colour`` and ``component`` are empty for one that is nobody's colour."""

    kind: str
    name: str
    colour: str = ""
    component: str = ""

    @property
    def key(self) -> Key:
        return self.kind, self.name

    @property
    def title(self) -> str:
        return titled(self.key)

    def report(self) -> dict[str, str]:
        return asdict(self)


def resolve(
    client: KubeClient, namespace: str, asked: Key, components: Sequence[Given], have: Mapping[Key, Obj]
) -> Subject:
    """``asked`` is a kind and the name of a workload or a component."""
    coloured, rolling = apart(components)
    for one in rolling:
        if one.get("name") == asked[1]:
            return _only(keys(one), asked[1], have)
    live = [one for one in coloured if one.get("name") == asked[1]] or ([] if asked in have else coloured)
    found = observe_all(client, targets_of(live, namespace)) if live else []
    for component in found:
        if component.target.name == asked[1]:
            return _live(component)
    for component in found:
        for obj in component.colours[component.live].workloads if component.live else ():
            if (kind_name(obj), colourless(name_of(obj))) == asked:
                return Subject(asked[0], name_of(obj), component.live, component.target.name)
    if asked not in have:
        raise _unknown(asked, components, have)
    return Subject(*asked)


def _only(named: Sequence[Key], component: str, have: Mapping[Key, Obj]) -> Subject:
    if len(named) != 1:
        raise _several(component, named)
    if named[0] not in have:
        raise _unknown(named[0], (), have)
    return Subject(*named[0], component=component)


def _live(component: Component) -> Subject:
    name = component.target.name
    if not component.live:
        raise Refused(
            f"No colour of {name} is live, so nobody can tell which workload is meant",
            where=f"entry {component.entry.entry}",
            remedy="release it first, or give the name of the workload",
        )
    behind = component.colours[component.live].behind
    if len(behind) != 1:
        raise _several(name, behind)
    return Subject(*behind[0], component.live, name)


def _several(component: str, named: Sequence[Key]) -> Refused:
    there = ", ".join(titled(key) for key in named) or "none"
    return Refused(
        f"Component {component} has not one workload, but {there}",
        where="option name",
        remedy="give the kind and the name of one of them, without the colour",
    )


def _unknown(asked: Key, components: Sequence[Given], have: Mapping[Key, Obj]) -> Refused:
    names = sorted({str(one.get("name")) for one in components} | {"/".join(key) for key in have})
    return Refused(
        f"There is no {titled(asked)}; there are {', '.join(names) or 'no workloads'}. Nothing was changed",
        where="option name",
        remedy="correct kind and name",
    )
