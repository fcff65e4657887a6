# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Where an entry says who answers, and what it has to say there so that the maintenance page does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..kube.patches import pointer

Obj = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A Service, the number of its port and what its pods listen on."""

    service: str
    port: int
    target: Any
    selector: Mapping[str, str]

    @classmethod
    def of(cls, service: Obj, port: str) -> Page:
        """``port`` is a name or a number, or empty if the Service has only one."""
        name, ports = str(service["metadata"]["name"]), service["spec"].get("ports") or []
        found = [one for one in ports if not port or port in (str(one["port"]), one.get("name"))]
        if len(found) != 1:
            there = ", ".join(str(one["port"]) for one in ports) or "none"
            asked = f"the port {port}" if port else "a single port"
            raise Refused(
                f"Service {name} has not {asked}; it has {there}",
                where=f"namespace {service['metadata'].get('namespace', '')}",
                remedy="set page.port to one of them",
            )
        number = int(found[0]["port"])
        return cls(name, number, found[0].get("targetPort", number), service["spec"].get("selector") or {})


def values(entry: Obj, page: Page) -> dict[str, Any]:
    """By JSON pointer, what the entry has to say so that the page answers everything it answered before."""
    found = {path: _says(path, page) for path in places(entry)}
    if not found:
        raise Refused(
            f"{entry['kind']} {entry['metadata']['name']} answers nothing, so there is nothing the page could answer",
            where=f"namespace {entry['metadata'].get('namespace', '')}",
            remedy="correct entry.name",
        )
    if entry["kind"] == "Service" and not page.selector:
        raise Refused(
            f"Service {page.service} selects no pods, and Service {entry['metadata']['name']} answers from pods alone",
            remedy="name a Service with a selector as the page",
        )
    return found


def places(entry: Obj) -> list[str]:
    """JSON pointers to everything that says who answers."""
    return list(_PLACES[entry["kind"]](entry["spec"]))


def beside(path: str) -> list[str]:
    """JSON pointers to what tells the rule, or the port, of a place from the others; their numbers do not stay."""
    one, _slash, last = path.rpartition("/")
    whole = [one.partition("/http/")[0] + "/host"] if last == "backend" else []
    return [*whole, *(f"{one}/{name}" for name in _BESIDE.get(last, ()))]


def _says(path: str, page: Page) -> Any:
    last = path.rpartition("/")[2]
    if last == "backendRefs":
        return [{"group": "", "kind": "Service", "name": page.service, "port": page.port, "weight": 1}]
    if last == "selector":
        return dict(page.selector)
    if last == "targetPort":
        return page.target
    return {"service": {"name": page.service, "port": {"number": page.port}}}


def _httproute(spec: Obj) -> Iterator[str]:
    for number, rule in enumerate(spec.get("rules") or []):
        if rule.get("backendRefs"):
            yield pointer("spec", "rules", number, "backendRefs")


def _ingress(spec: Obj) -> Iterator[str]:
    if spec.get("defaultBackend"):
        yield pointer("spec", "defaultBackend")
    for number, rule in enumerate(spec.get("rules") or []):
        for place, _path in enumerate((rule.get("http") or {}).get("paths") or []):
            yield pointer("spec", "rules", number, "http", "paths", place, "backend")


def _service(spec: Obj) -> Iterator[str]:
    if not spec.get("selector"):
        return
    yield pointer("spec", "selector")
    for number, _port in enumerate(spec.get("ports") or []):
        yield pointer("spec", "ports", number, "targetPort")


_PLACES = {"HTTPRoute": _httproute, "Ingress": _ingress, "Service": _service}
_BESIDE = {"backendRefs": ("matches",), "backend": ("path", "pathType"), "targetPort": ("port", "protocol")}
