# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address at which something of the cluster is reached from outside, as its own status tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ReleaseError
from ...kube.kinds import GATEWAY, INGRESS, SERVICE
from ..expect import NothingMeasured
from .base import World

_KINDS = {kind.kind: kind for kind in (SERVICE, INGRESS, GATEWAY)}
_KEYS = ("kind", "name", "namespace")


def mistakes(given: Mapping[str, str]) -> list[str]:
    found = [f".address_of.{key}: unknown, known are {', '.join(_KEYS)}" for key in given if key not in _KEYS]
    found += [f".address_of.{key}: missing" for key in _KEYS[:2] if not given.get(key)]
    if given.get("kind") and given["kind"] not in _KINDS:
        found.append(f".address_of.kind: {given['kind']!r} is none of {', '.join(_KINDS)}")
    return found


def address_of(given: Mapping[str, str], world: World) -> str:
    """The first address, an IP or a name."""
    kind, name = _KINDS[given["kind"]], given["name"]
    namespace = world.namespace_of(given.get("namespace", ""))
    found = world.client().get(kind, name, namespace)
    if found is None:
        raise ReleaseError(f"{kind.kind} {name} does not exist in namespace {namespace}", remedy="correct address_of")
    if addresses := _addresses(found.get("status") or {}):
        return addresses[0]
    raise NothingMeasured(f"{kind.kind} {name} has no address outside of the cluster yet")


def _addresses(status: Mapping[str, Any]) -> list[str]:
    """A Gateway says them otherwise than what a load balancer stands before."""
    balancer = (status.get("loadBalancer") or {}).get("ingress") or []
    found = [one.get("ip") or one.get("hostname") for one in balancer]
    return [str(one) for one in [*found, *(one.get("value") for one in status.get("addresses") or [])] if one]
