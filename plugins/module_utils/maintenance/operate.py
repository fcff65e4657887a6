# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One run of maintenance_mode: observe, decide, apply, and wait until who routes has taken it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import NotFound, NotReady, Refused
from ..kube.kinds import ENDPOINTSLICE, HTTPROUTE, INGRESS, SERVICE, Kind
from ..kube.readiness import ready_endpoints
from ..kube.watch import Watch
from ..release import machine
from ..release.journal import Book
from ..traffic.entry import SERVICE_NAME_LABEL
from ..traffic.httproute import HttpRouteRouter
from ..web import Call
from .decide import Plan, off, on
from .page import Page, values
from .seen import Seen, prove

if TYPE_CHECKING:
    from ..kube.client import KubeClient

KINDS: dict[str, Kind] = {"httproute": HTTPROUTE, "ingress": INGRESS, "service": SERVICE}
Obj = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``timeout`` in seconds, ``page`` and ``port`` name the Service that answers."""

    state: str
    name: str
    namespace: str
    kind: Kind
    entry: str
    page: str
    port: str
    who: str
    timeout: float
    seen: Seen | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any], who: str) -> Request:
        entry, page = params["entry"], params["page"] or {}
        return cls(
            params["state"],
            params["name"],
            entry["namespace"] or params["namespace"],
            KINDS[entry["kind"]],
            entry["name"],
            page.get("service") or "",
            page.get("port") or "",
            who,
            params["timeout"],
            _seen(page),
        )

    @property
    def where(self) -> str:
        return f"namespace {self.namespace}"


def _seen(page: Mapping[str, Any]) -> Seen | None:
    if not page.get("url"):
        return None
    return Seen(Call(page["url"], page["address"] or "", page["ca_cert"] or ""), page["shows"])


def operate(client: KubeClient, request: Request, book: Book) -> Plan:
    """Turn maintenance on or off; in check mode the API server only checks the patch."""
    entry = _read(client, request, request.kind, request.entry)
    plan = _on(client, request, entry) if request.state == "on" else off(entry, request.name)
    if not plan.ops:
        return plan
    if client.dry_run:
        client.json_patch(request.kind, request.entry, plan.ops, request.namespace)
        return plan
    with book.step(machine.maintenance(request.state, request.entry), plan.before, plan.after) as done:
        patched = client.json_patch(request.kind, request.entry, plan.ops, request.namespace)
        if request.kind is HTTPROUTE:
            _accepted(client, request, int(patched["metadata"]["generation"]), book.check)
        if request.seen:
            prove(request.seen, request.state == "on", request.timeout, book.check)
        done(plan.sentence)
    return plan


def _on(client: KubeClient, request: Request, entry: Obj) -> Plan:
    page = Page.of(_read(client, request, SERVICE, request.page), request.port)
    slices = client.list(ENDPOINTSLICE, namespace=request.namespace, labels=f"{SERVICE_NAME_LABEL}={page.service}")
    if not ready_endpoints(slices):
        raise Refused(
            f"Nothing answers behind Service {page.service}, so users would get no page at all. Nothing was changed",
            where=request.where,
            remedy="start what shows the maintenance page",
        )
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return on(entry, values(entry, page), request.name, request.who, now)


def _read(client: KubeClient, request: Request, kind: Kind, name: str) -> Obj:
    found = client.get(kind, name, request.namespace)
    if found is None:
        raise NotFound(
            f"{kind.kind} {name} does not exist. Nothing was changed",
            status=404,
            verb="get",
            object=f"{kind.kind} {request.namespace}/{name}",
            where=request.where,
            remedy="correct entry and page",
        )
    return {"kind": kind.kind, **found}


def _accepted(client: KubeClient, request: Request, generation: int, check: Callable[[], None]) -> None:
    missing = ["nobody knows, the cluster did not answer"]
    watched = [Watch(HTTPROUTE, request.namespace)]
    for snapshot in client.watch(watched, time.monotonic() + request.timeout):
        check()
        route = snapshot.objects[HTTPROUTE].get(request.entry)
        if route is None or route["metadata"]["generation"] < generation:
            continue
        missing = HttpRouteRouter().unaccepted([route], {})
        if not missing:
            return
    raise NotReady(
        f"HTTPRoute {request.entry} is patched, and after {request.timeout:g} s not taken: {'; '.join(missing)}",
        where=request.where,
        remedy="look at the Gateway, and run this again",
        left=missing,
    )
