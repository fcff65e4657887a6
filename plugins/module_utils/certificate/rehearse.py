# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A renewal rehearsed: the same certificate asked of an issuer that is there for trying, beside the one that serves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NotReady, Refused
from ..helm.objects import annotations_of, clone
from ..kube.kinds import SECRET
from ..kube.watch import Watch
from ..release import machine
from ..release.journal import Book
from .renew import CERTIFICATE, Certificate, Request, observe, problem

if TYPE_CHECKING:
    from ..kube.client import KubeClient

REHEARSAL = "runbook.release/rehearsal"
KEPT = ("keystores", "secretTemplate", "additionalOutputFormats")
"""What is about the Secret only, and not tried."""


@dataclass(frozen=True)
class Issuer:
    """The one that is tried."""

    name: str
    kind: str

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"

    def reference(self) -> dict[str, str]:
        return {"group": CERTIFICATE.group, "kind": self.kind, "name": self.name}


def rehearse(client: KubeClient, request: Request, issuer: Issuer, book: Book) -> dict[str, Any]:
    """What the module reports. Whatever comes of it, nothing of it is left; what a dead run left goes first."""
    started, serving = time.monotonic(), observe(client, request)
    body = rehearsal(serving.obj, issuer, request)
    there = _clear(client, body, request)
    said = f"{issuer.title} would be asked for it"
    if client.dry_run and not there:
        client.create(CERTIFICATE, body, request.namespace)
    elif not client.dry_run:
        with book.step(machine.rehearse(request.name), None, issuer.title) as done:
            try:
                client.create(CERTIFICATE, body, request.namespace)
                _awaited(client, request, body["metadata"]["name"], book)
            finally:
                _clear(client, body, request)
            said = (
                f"{issuer.title} issued it after {time.monotonic() - started:.0f} s; the one that serves is as it was"
            )
            done(said)
    return {"changed": False, "plan": said, "seconds": round(time.monotonic() - started, 2)}


def rehearsal(obj: Mapping[str, Any], issuer: Issuer, request: Request) -> dict[str, Any]:
    """The same certificate in a Secret of its own; ``Refused`` when it would be asked of whom it is from."""
    spec = clone(obj["spec"])
    real = spec.get("issuerRef") or {}
    if (real.get("kind") or "Issuer", real.get("name")) == (issuer.kind, issuer.name):
        raise Refused(
            f"{issuer.title} is who issues the certificate itself, so that would be no rehearsal",
            where=request.where,
            remedy="name an issuer that is there for trying, such as one of the staging server of the authority",
        )
    name = f"{request.name}-rehearsal"
    tried = {key: value for key, value in spec.items() if key not in KEPT}
    tried |= {"secretName": name, "issuerRef": issuer.reference()}
    return {"metadata": {"name": name, "annotations": {REHEARSAL: request.name}}, "spec": tried}


def _clear(client: KubeClient, body: Mapping[str, Any], request: Request) -> bool:
    """Whether there was one. The certificate goes first, so that nobody issues it again."""
    name = body["metadata"]["name"]
    found = client.get(CERTIFICATE, name, request.namespace)
    if found and annotations_of(found).get(REHEARSAL) != request.name:
        raise Refused(
            f"There is a Certificate {name}, which is no rehearsal",
            where=request.where,
            remedy="find out whose it is; a rehearsal needs that name",
        )
    if found:
        client.delete(CERTIFICATE, name, request.namespace, found["metadata"]["uid"])
        client.delete(SECRET, name, request.namespace)
    return found is not None


def _awaited(client: KubeClient, request: Request, name: str, book: Book) -> None:
    said = "cert-manager said nothing"
    for snapshot in client.watch([Watch(CERTIFICATE, request.namespace)], time.monotonic() + request.timeout):
        book.check()
        obj = snapshot.objects[CERTIFICATE].get(name)
        if obj is None:
            continue
        now = Certificate(obj)
        if now.says("Ready"):
            return
        said = problem(now) or said
        if now.condition("Issuing").get("status") == "False":
            raise _not_issued(request, said)
    raise _not_issued(request, f"{said} for {request.timeout:g} s")


def _not_issued(request: Request, said: str) -> NotReady:
    return NotReady(
        f"The rehearsal was not issued: {said}",
        where=request.where,
        remedy="mend that before the certificate is renewed; the one that serves is as it was",
    )
