# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A Secret of the cluster: read it, decide which of its keys differ, and write those that a release declares.

Whatever is told of it are names of keys, never values, and no digest that could be guessed from.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Conflict, Refused
from ..kube.client import FIELD_MANAGER
from ..kube.kinds import SECRET
from ..release import machine
from ..release.journal import Book

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = Mapping[str, Any]
DOCKER = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson")


@dataclass(frozen=True)
class Request:
    """What a Secret has to have; ``force`` takes over keys that somebody else has set."""

    namespace: str
    name: str
    type: str
    data: Mapping[str, str] = field(repr=False)
    force: bool = False

    @property
    def where(self) -> str:
        return f"Secret {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Plan:
    """Which keys differ, by their names."""

    create: bool
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        return bool(self.create or self.added or self.changed or self.removed)

    def report(self) -> dict[str, Any]:
        names = {"added": self.added, "changed": self.changed, "removed": self.removed}
        return {"create": self.create, **{word: list(keys) for word, keys in names.items()}}

    def diff(self, kept: Mapping[str, str]) -> dict[str, str]:
        """Lines about keys; values are only said to be there, and to be others."""
        same = sorted(set(kept) - set(self.added) - set(self.changed))
        before = {**dict.fromkeys(same, "(kept)"), **dict.fromkeys((*self.changed, *self.removed), "(a value)")}
        after = {
            **dict.fromkeys(same, "(kept)"),
            **dict.fromkeys(self.changed, "(another value)"),
            **dict.fromkeys(self.added, "(a value)"),
        }
        return {"before": _lines(before), "after": _lines(after)}


def registry_data(given: Mapping[str, str]) -> dict[str, str]:
    """What kubelets log in to a registry with."""
    pair = f"{given['username']}:{given['password']}"
    auth = base64.b64encode(pair.encode()).decode()
    login = {"username": given["username"], "password": given["password"], "auth": auth}
    return {DOCKER[1]: json.dumps({"auths": {given["server"]: login}}, sort_keys=True)}


def decide(found: Obj | None, request: Request) -> Plan:
    """Keys that this collection wrote before and that are not declared any more go; those of others stay."""
    empty = sorted(key for key, value in request.data.items() if not value)
    if empty or not request.data:
        raise Refused(
            f"There is nothing to write for {', '.join(empty) or 'any key'}",
            where=request.where,
            remedy="correct the reference in release_secrets, or fill what it refers to",
        )
    if found is None:
        return Plan(True, tuple(sorted(request.data)))
    there = {key: _plain(value) for key, value in (found.get("data") or {}).items()}
    plan = Plan(
        False,
        tuple(sorted(set(request.data) - set(there))),
        tuple(sorted(key for key, value in request.data.items() if key in there and there[key] != value.encode())),
        tuple(sorted((_ours(found) & set(there)) - set(request.data))),
    )
    if plan.differs and found.get("immutable"):
        raise Refused("It is immutable", where=request.where, remedy="give it another name, and the workloads with it")
    if found.get("type", "Opaque") != request.type:
        raise Refused(
            f"It is of the type {found.get('type')}, not {request.type}, and a type cannot change",
            where=request.where,
            remedy="correct the type, or delete the Secret first",
        )
    return plan


def operate(client: KubeClient, request: Request, book: Book) -> Plan:
    """Write it where it differs."""
    plan = decide(client.get(SECRET, request.name, request.namespace), request)
    if plan.differs:
        with book.step(machine.fill(request.name), None, plan.report()) as done:
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in request.data.items()}
            body = {"metadata": {"name": request.name}, "type": request.type, "data": encoded}
            _apply(client, body, request)
            done({"keys": sorted(request.data)})
    return plan


def _apply(client: KubeClient, body: dict[str, Any], request: Request) -> None:
    try:
        client.apply(SECRET, body, request.namespace, force=request.force)
    except Conflict as error:
        raise Refused(
            error.what,
            where=request.where,
            remedy="leave these keys to who has set them, or set force to take them over for good",
        ) from error


def _ours(found: Obj) -> set[str]:
    entries = [
        one
        for one in found["metadata"].get("managedFields") or []
        if one.get("manager") == FIELD_MANAGER and one.get("operation") == "Apply"
    ]
    return {
        name.removeprefix("f:")
        for one in entries
        for name in (one.get("fieldsV1") or {}).get("f:data") or {}
        if name.startswith("f:")
    }


def _plain(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return encoded.encode()


def _lines(told: Mapping[str, str]) -> str:
    return "".join(f"{key}: {what}\n" for key, what in sorted(told.items()))
