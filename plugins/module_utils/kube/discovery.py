# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server serves, for kinds that are not among the known ones."""

from __future__ import annotations

import typing as t

from ..errors import NotFound
from .faults import Asked
from .kinds import Kind
from .transport import Request, Transport


def discover(transport: Transport, api_version: str, kind: str) -> Kind:
    """Ask for the resources of one group and version; ``NotFound`` lists what there is instead."""
    group, version = api_version.rpartition("/")[::2]
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    asked = Asked("list", name=f"the kinds of {api_version}")
    try:
        resources = transport.send(Request(asked, "GET", path)).json().get("resources") or []
    except NotFound:
        resources = []
    served: dict[str, dict[str, t.Any]] = {item["kind"]: item for item in resources if "/" not in item["name"]}
    if kind in served:
        return Kind(group, version, kind, served[kind]["name"], bool(served[kind]["namespaced"]))
    has = f"it has {', '.join(sorted(served))}" if served else f"it does not serve {api_version} at all"
    raise NotFound(
        f"the cluster does not know the kind {kind} of {api_version}: {has}",
        status=404,
        verb="get",
        object=f"{kind} ({api_version})",
        remedy="correct apiVersion and kind, or install the CRD that defines it",
    )
