# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What would change, against the idle colour that is written and against the live one that is replaced."""

from __future__ import annotations

import typing as t

from . import record
from .content import masked, normalise, to_yaml
from .objects import Obj
from .observe import Colour, Have
from .plan import Plan
from .source import Rendering

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient

Diff = dict[str, str]


def differences(
    client: KubeClient, have: Have, plan: Plan, version: str, renderings: t.Mapping[str, Rendering]
) -> list[Diff]:
    """Diffs of manifests for a plan that installs a colour; of the steps for every other plan."""
    if not plan.installs:
        return [{"prepared": "".join(f"{sentence}\n" for sentence in plan.sentences())}] if plan.changes else []
    return [
        _difference(client, have, have.colours[colour], version, renderings[colour])
        for colour in (plan.target, have.live)
        if colour
    ]


def _difference(client: KubeClient, have: Have, colour: Colour, version: str, rendering: Rendering) -> Diff:
    """Against the rendering for the same colour, so that nothing differs merely by name."""
    before: list[Obj] = []
    if colour.revision:
        before = record.manifest(record.read(client, have.target.namespace, colour.revision))
    role = "live" if colour.colour == have.live else "idle"
    return {
        "before_header": f"{role} {colour.release} {colour.version or '(nothing proven)'}",
        "after_header": f"{rendering.release} {version}",
        "before": _shown(before),
        "after": _shown(rendering.installed),
    }


def _shown(objects: t.Iterable[Obj]) -> str:
    return to_yaml(masked(obj) for obj in normalise(objects))
