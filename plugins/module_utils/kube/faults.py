# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an answer of the API server, or none, to the typed error that names object, verb and remedy."""

from __future__ import annotations

import re
import socket
import ssl
import typing as t
from dataclasses import dataclass

from ..errors import ApiError, Conflict, Forbidden, Invalid, NotFound, Unauthorized, Unreachable
from .kinds import Kind

_DENIED = re.compile(
    r'(?:User "(?P<user>[^"]*)" )?cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


@dataclass(frozen=True)
class Asked:
    """What was asked of the API server: the part of every error message that says where."""

    verb: str
    kind: Kind | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def object(self) -> str:
        if self.kind is None:
            return self.name or "the API server"
        name = "/".join(part for part in (self.namespace, self.name) if part)
        noun = f"{self.kind.kind} {name}" if self.name else self.kind.plural
        if not self.name and self.namespace:
            noun += f" in namespace {self.namespace}"
        return f"{noun} ({self.subresource})" if self.subresource else noun


def fault_of(asked: Asked, status: int, payload: t.Mapping[str, t.Any] | None, text: str = "") -> ApiError:
    """The error for an answer with ``status`` >= 400; ``payload`` is the Status object, when there is one."""
    said = _shortened(str((payload or {}).get("message") or text.strip() or f"HTTP status {status}"))
    common: dict[str, t.Any] = {"status": status, "verb": asked.verb, "object": asked.object}
    what = f"cannot {asked.verb} {asked.object}: {said}"
    if status == 401:
        remedy = "renew the credential (kubeconfig user, token or client certificate) and check which context is used"
        return Unauthorized(what, remedy=remedy, **common)
    if status == 403:
        return _forbidden(asked, what, said, common)
    if status in (404, 410):
        return NotFound(what, remedy=_missing(asked, payload), **common)
    if status in (409, 412):
        remedy = "see who else changes this object, then run again: every step starts from what is there"
        return Conflict(what, remedy=remedy, managers=conflicting_managers(payload), **common)
    if status in (400, 415, 422):
        causes = (payload or {}).get("details", {}).get("causes") or []
        return Invalid(what, remedy="correct the manifest or option this comes from", causes=causes, **common)
    remedy = {
        429: "the API server is overloaded or limits this client: run again later, or ask for a larger share",
        503: "wait until the API server is available, then run again",
        504: "wait until the API server answers in time, then run again",
    }.get(status, "look at the API server's log and at the admission webhooks named above, then run again")
    return ApiError(what, remedy=remedy, **common)


def _shortened(text: str, most: int = 600) -> str:
    return text if len(text) <= most else text[:most] + " …"


def conflicting_managers(payload: t.Mapping[str, t.Any] | None) -> list[str]:
    """Field managers a server-side apply was in conflict with, as the Status object names them."""
    causes = ((payload or {}).get("details") or {}).get("causes") or []
    found = (re.search(r'conflict with "([^"]+)"', str(cause.get("message", ""))) for cause in causes)
    return sorted({match.group(1) for match in found if match})


def _forbidden(asked: Asked, what: str, said: str, common: dict[str, t.Any]) -> ApiError:
    denied = _DENIED.search(said)
    if denied is None:
        remedy = "an admission policy said no: change what it names, or ask its owner for an exception"
        if asked.kind is None:
            remedy = "ask an administrator for access to this path"
        return Forbidden(what, remedy=remedy, **common)
    group, resource, verb = denied["group"], denied["resource"], denied["verb"]
    namespace = denied["namespace"] or ""
    rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    shown = f'{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}'
    place = f"a Role in namespace {namespace}" if namespace else "a ClusterRole"
    who = f" bound to {denied['user']}" if denied["user"] else ""
    missing = {**rule, "namespace": namespace, "user": denied["user"] or ""}
    return Forbidden(what, remedy=f"add the rule {shown} to {place}{who}", missing_rule=missing, **common)


def _missing(asked: Asked, payload: t.Mapping[str, t.Any] | None) -> str:
    details = (payload or {}).get("details") or {}
    if details.get("kind") == "namespaces" and asked.namespace:
        return f"create the namespace {asked.namespace}, or correct the option namespace"
    if asked.kind is not None and not details.get("name"):
        return f"install what provides {asked.kind.resource} ({asked.kind.api_version}) in this cluster"
    return "check name, namespace and context"


def unreachable(asked: Asked, host: str, error: Exception) -> Unreachable:
    """The error for a request that got no answer."""
    reason = _innermost(error)
    remedy = "check the server address of the context, the network and whether the API server runs"
    if isinstance(reason, ssl.SSLCertVerificationError):
        what = f"the certificate of {host} is not valid: {reason.verify_message or reason}"
        remedy = "set ca_cert (or the context's certificate-authority) to the CA that signed it; check the host name"
    elif isinstance(reason, ssl.SSLError):
        what = f"no TLS connection to {host}: {reason.reason or reason}"
        remedy = "check that the address is https and that client certificate and key belong together"
    else:
        what = f"no answer from {host}: {_short(reason)}"
    return Unreachable(
        f"cannot {asked.verb} {asked.object}: {what}", remedy=remedy, verb=asked.verb, object=asked.object
    )


def _innermost(error: BaseException) -> BaseException:
    """The reason below urllib3's wrappers."""
    for _depth in range(8):
        below = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        below = below or getattr(error, "reason", None)
        below = below if isinstance(below, BaseException) else error.__cause__
        if below is None or below is error:
            break
        error = below
    return error


def _short(error: BaseException) -> str:
    text = re.sub(r"^.*?(?:object at 0x[0-9a-f]+>|\(host=[^)]*\)): ", "", str(error))
    return text or type(error).__name__


def is_permanent(error: Exception) -> bool:
    """Whether asking again cannot help: a wrong certificate, a host name that is known not to exist."""
    reason = _innermost(error)
    if isinstance(reason, socket.gaierror):
        return reason.errno != socket.EAI_AGAIN
    return isinstance(reason, ssl.SSLCertVerificationError)
