# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What an entry and its sides are called, and what is written on them. Pure data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..colours import COLOURS, PREFIX

Obj = dict[str, Any]
Weights = Mapping[str, int]

SHIFT = PREFIX + "shift"
FENCE = PREFIX + "fence"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"

ENTRY_OPTIONS: dict[str, dict[str, Any]] = {
    "entry": {
        "type": "dict",
        "required": True,
        "options": {
            "kind": {"type": "str", "required": True, "choices": ["service", "httproute"]},
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str"},
        },
    },
    "services": {
        "type": "dict",
        "options": {"blue": {"type": "str", "required": True}, "green": {"type": "str", "required": True}},
    },
    "port": {"type": "int"},
}


@dataclass(frozen=True)
class Entry:
    """The object that decides where traffic goes, as the options name it."""

    kind: str
    name: str
    namespace: str
    port: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], namespace: str, port: int | None = None) -> Entry:
        return cls(options["kind"], options["name"], options.get("namespace") or namespace, port)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def colour_services(name: str, services: Mapping[str, str] | None) -> dict[str, str]:
    """The colour Services: as named in the options, else `<name>-<colour>`."""
    return {colour: (services or {}).get(colour) or f"{name}-{colour}" for colour in COLOURS}


@dataclass(frozen=True)
class Side:
    """One colour behind an entry."""

    colour: str
    service: str
    obj: Obj | None
    ready: frozenset[str] = frozenset()

    @property
    def selector(self) -> dict[str, str]:
        return dict(((self.obj or {}).get("spec") or {}).get("selector") or {})

    @property
    def version(self) -> str:
        return str(annotations_of(self.obj or {}).get(PREFIX + "version", ""))

    def report(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "exists": self.obj is not None,
            "version": self.version,
            "endpoints": sorted(self.ready),
        }


Sides = Mapping[str, Side]


@dataclass(frozen=True)
class Shift:
    """The newest shift through an entry: between which colours, and what they ran then."""

    source: str = ""
    target: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Shift:
        """Text that somebody else wrote there records no shift."""
        try:
            said = json.loads(text) if text else {}
        except ValueError:
            return cls()
        if not isinstance(said, dict) or {said.get("from"), said.get("to")} != set(COLOURS):
            return cls()
        versions = said.get("versions")
        return cls(said["from"], said["to"], versions if isinstance(versions, dict) else {})

    def report(self) -> dict[str, Any]:
        return {"from": self.source, "to": self.target, "versions": dict(self.versions)} if self.source else {}

    def dump(self) -> str:
        return json.dumps(self.report(), separators=(",", ":"), sort_keys=True) if self.source else ""


def annotations_of(obj: Obj) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def fence_on(obj: Obj) -> int:
    """The fencing token of the newest release that changed the object; 0 if none did."""
    said = annotations_of(obj).get(FENCE, "")
    return int(said) if said.isdecimal() else 0


def shift_on(obj: Obj) -> Shift:
    return Shift.parse(annotations_of(obj).get(SHIFT, ""))
