# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A certificate that cert-manager keeps: read it, decide whether it is issued anew, ask for that, and watch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import Conflict, NotReady, Refused
from ..kube.kinds import Kind
from ..kube.watch import Watch
from ..release import machine
from ..release.journal import Book
from ..tor.moments import moment
from ..window.spans import words

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Obj = Mapping[str, Any]
CERTIFICATE = Kind("cert-manager.io", "v1", "Certificate", "certificates")
RENEW, AWAIT, LEAVE = "renew", "await", "leave"


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``valid_for`` and ``timeout`` in seconds, ``valid_for`` None renews always."""

    namespace: str
    name: str
    valid_for: float | None
    timeout: float

    @property
    def where(self) -> str:
        return f"Certificate {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Certificate:
    """What the cluster says of it."""

    obj: Obj

    @property
    def status(self) -> Obj:
        return self.obj.get("status") or {}

    @property
    def revision(self) -> int:
        """How often it was issued."""
        return int(self.status.get("revision") or 0)

    @property
    def ends(self) -> datetime | None:
        text = self.status.get("notAfter")
        return moment(str(text)) if text else None

    def condition(self, type_: str) -> Obj:
        found = [one for one in self.status.get("conditions") or () if one.get("type") == type_]
        return found[0] if found else {}

    def says(self, type_: str) -> bool:
        return bool(self.condition(type_).get("status") == "True")

    def left(self, now: datetime) -> float | None:
        """Seconds it is still valid; None when it was never issued."""
        return (self.ends - now).total_seconds() if self.ends else None

    def report(self, now: datetime) -> dict[str, Any]:
        left = self.left(now)
        return {
            "revision": self.revision,
            "not_after": str(self.status.get("notAfter") or ""),
            "seconds_left": None if left is None else round(left),
        }


@dataclass(frozen=True)
class Plan:
    """What is done about a certificate, and why."""

    act: str
    sentence: str


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    plan: Plan
    before: Certificate
    after: Certificate
    seconds: float

    def report(self) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "changed": self.plan.act == RENEW,
            "plan": self.plan.sentence,
            "before": self.before.report(now),
            "after": self.after.report(now),
            "seconds": round(self.seconds, 2),
        }


def decide(certificate: Certificate, valid_for: float | None, now: datetime) -> Plan:
    """One that is being issued is awaited; one that is valid for long enough is left."""
    if certificate.says("Issuing"):
        return Plan(AWAIT, "it is being issued already, and is awaited")
    left = certificate.left(now)
    if left is None:
        return Plan(RENEW, "it was never issued, and is asked for again")
    if valid_for is not None and left > valid_for and certificate.says("Ready"):
        return Plan(LEAVE, f"it is valid for another {words(left)}, {words(valid_for)} is enough")
    return Plan(RENEW, f"it was valid for {words(left)}" if left > 0 else f"it ended {words(-left)} ago")


def asked_for(certificate: Certificate, now: datetime) -> dict[str, Any]:
    """The status that has cert-manager issue it anew, for a merge patch; it fails if somebody was faster."""
    wish = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "Renewed by runbook.release",
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "observedGeneration": int(certificate.obj["metadata"].get("generation") or 1),
    }
    others = [one for one in certificate.status.get("conditions") or () if one.get("type") != "Issuing"]
    return {
        "metadata": {"resourceVersion": certificate.obj["metadata"]["resourceVersion"]},
        "status": {"conditions": [*others, wish]},
    }


def operate(client: KubeClient, request: Request, book: Book) -> Outcome:
    """Renew it if that is called for, and return once the new one is there."""
    started, before = time.monotonic(), observe(client, request)
    plan = decide(before, request.valid_for, datetime.now(UTC))
    after = before
    if plan.act == RENEW:
        with book.step(machine.renew(request.name), before.report(datetime.now(UTC)), plan.sentence) as done:
            _ask(client, request, before)
            after = before if client.dry_run else _awaited(client, request, before.revision, book)
            done(after.report(datetime.now(UTC)))
    elif plan.act == AWAIT and not client.dry_run:
        after = _awaited(client, request, before.revision, book)
    return Outcome(plan, before, after, time.monotonic() - started)


def observe(client: KubeClient, request: Request) -> Certificate:
    found = client.get(CERTIFICATE, request.name, request.namespace)
    if found is None:
        raise Refused(
            "There is no such certificate, or no cert-manager in this cluster",
            where=request.where,
            remedy="correct the name; what another program keeps is renewed by a task of the kind exec or request",
        )
    return Certificate(found)


def _ask(client: KubeClient, request: Request, before: Certificate) -> None:
    """Nobody was faster if the answer was lost and it is issued: cert-manager changes what we wrote at once."""
    body = asked_for(before, datetime.now(UTC))
    try:
        client.merge_patch(CERTIFICATE, request.name, body, request.namespace, "status")
    except Conflict as error:
        now = observe(client, request) if error.uncertain else before
        if not (now.says("Issuing") or now.revision > before.revision):
            raise


def _awaited(client: KubeClient, request: Request, revision: int, book: Book) -> Certificate:
    """The certificate once it was issued again; ``NotReady`` when that failed or takes too long."""
    said = "cert-manager said nothing"
    for snapshot in client.watch([Watch(CERTIFICATE, request.namespace)], time.monotonic() + request.timeout):
        book.check()
        obj = snapshot.objects[CERTIFICATE].get(request.name)
        if obj is None:
            raise NotReady("It was deleted while it was renewed", where=request.where, remedy="find out who did that")
        now = Certificate(obj)
        if now.revision > revision and now.says("Ready") and not now.says("Issuing"):
            return now
        said = problem(now) or said
        if now.condition("Issuing").get("status") == "False" and now.revision == revision:
            raise _not_issued(request, said)
    raise _not_issued(request, f"{said} for {request.timeout:g} s")


def problem(certificate: Certificate) -> str:
    """What cert-manager says about it."""
    told: Sequence[str] = [
        str(certificate.condition(type_).get("message") or "")
        for type_ in ("Issuing", "Ready")
        if certificate.condition(type_)
    ]
    return "; ".join(text for text in told if text)


def _not_issued(request: Request, said: str) -> NotReady:
    return NotReady(
        f"It was not issued: {said}",
        where=request.where,
        remedy="look at its CertificateRequest, Order and Challenge; the former certificate stays in place",
    )
