# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The router of each kind of entry."""

from __future__ import annotations

from ..errors import Refused
from .router import Router


def router_for(kind: str) -> Router:
    if kind == "service":
        from .service import ServiceRouter

        return ServiceRouter()
    if kind == "httproute":
        from .httproute import HttpRouteRouter

        return HttpRouteRouter()
    raise Refused(f"There is no router for entries of kind {kind}", remedy="use service or httproute as entry.kind")
