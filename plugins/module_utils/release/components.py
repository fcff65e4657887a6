# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The components of a system as playbooks know them, and all of them as the cluster has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..helm.observe import Have, Target, observe

if TYPE_CHECKING:
    from ..kube.client import KubeClient

COMPONENTS_OPTION: dict[str, Any] = {"type": "list", "elements": "dict", "required": True}
ENTRY = ("kind", "name")
AT_A_TIME = 4


def apart(components: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Those that have colours, and those that roll."""
    rolling = [one for one in components if one.get("workloads")]
    return [one for one in components if one not in rolling], rolling


def targets_of(components: Sequence[Mapping[str, Any]], namespace: str) -> list[Target]:
    """What is read of each component; ``Refused`` names the one that lacks something."""
    return [_target(component, number, namespace) for number, component in enumerate(components, 1)]


def _target(component: Mapping[str, Any], number: int, namespace: str) -> Target:
    name, entry = component.get("name"), component.get("entry")
    missing = [] if name else ["name"]
    missing += [f"entry.{key}" for key in ENTRY if not (isinstance(entry, Mapping) and entry.get(key))]
    if missing:
        raise Refused(
            f"Component {name or number} lacks {', '.join(missing)}",
            where="option components",
            remedy="give each component a name and an entry with kind and name",
        )
    return Target.of({**component, "namespace": namespace})


def observe_all(client: KubeClient, targets: Sequence[Target]) -> list[Have]:
    """Every component with both its colours, in the order of ``targets``."""
    with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
        return list(pool.map(lambda target: observe(client, target), targets))
