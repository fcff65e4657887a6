# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What the cluster serves, so that a chart renders here as it will when Helm installs it."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..kube.faults import Asked
from ..kube.transport import Request
from .cli import Capabilities
from .objects import Obj

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
_BUILT_IN = ("", "apps", "autoscaling", "batch", "events.k8s.io", "policy")


def capabilities(client: KubeClient) -> Capabilities:
    with ThreadPoolExecutor(max_workers=2) as pool:
        version = pool.submit(client.server_version)
        groups = client.transport.send(Request(Asked("get", name="/apis"), "GET", "/apis", accept=_AGGREGATED)).json()
        return Capabilities(version.result(), tuple(sorted(api_versions(groups))))


def api_versions(groups: Obj) -> set[str]:
    """`group/version` and `group/version/Kind` of everything Helm does not know by itself."""
    found: set[str] = set()
    for item in groups.get("items") or groups.get("groups") or []:
        group = item.get("name") or (item.get("metadata") or {}).get("name", "")
        if group in _BUILT_IN or (group.endswith(".k8s.io") and "gateway" not in group):
            continue
        for version in item.get("versions") or []:
            name = f"{group}/{version['version']}"
            kinds = [resource.get("responseKind") or {} for resource in version.get("resources") or []]
            found |= {name, *(f"{name}/{kind['kind']}" for kind in kinds if kind.get("kind"))}
    return found
