# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request on a new connection, to the address that is wanted and not the one the name resolves to."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from .errors import ReleaseError

BODY_LIMIT = 1024 * 1024

_SECRET = re.compile(r"([?&][^=&]*(?:token|secret|passw|key|auth|sig)[^=&]*=)[^&#]*", re.IGNORECASE)
_USER = re.compile(r"//[^/@]*@")


def get(
    url: str, address: str = "", ca_cert: str = "", *, timeout: float, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; nothing is followed or retried, and the whole of it takes `timeout` seconds at most."""
    return _ask("GET", url, None, headers or {}, timeout, address, ca_cert)


def post(url: str, body: bytes, kind: str, *, timeout: float) -> tuple[int, dict[str, str], bytes]:
    """The same with a body of that media type."""
    return _ask("POST", url, body, {"Content-Type": kind}, timeout)


def _ask(
    method: str,
    url: str,
    given: bytes | None,
    headers: Mapping[str, str],
    timeout: float,
    address: str = "",
    ca_cert: str = "",
) -> tuple[int, dict[str, str], bytes]:
    deadline = time.monotonic() + timeout
    parts = _split(url)
    connection = _Connection(parts, address, ca_cert, deadline)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, path, given, {"User-Agent": "runbook.release", **headers})
        response = connection.getresponse()
        body = _body(response, connection, deadline)
        return response.status, dict(response.headers), body
    except (OSError, http.client.HTTPException) as exc:
        raise ReleaseError(f"{_reason(exc, timeout)}", where=without_secrets(url)) from exc
    finally:
        connection.close()


def without_secrets(url: str) -> str:
    """The URL as it may be shown."""
    return _SECRET.sub(r"\1…", _USER.sub("//", url))


class _Connection(http.client.HTTPConnection):
    def __init__(self, parts: SplitResult, address: str, ca_cert: str, deadline: float) -> None:
        super().__init__(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        self._address = address or parts.hostname or ""
        self._trust = _trust(ca_cert) if parts.scheme == "https" else None
        self._deadline = deadline

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.left())
        if self._trust:
            self.sock.settimeout(self.left())
            self.sock = self._trust.wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(self.left())

    def left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _trust(ca_cert: str) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    if ca_cert:
        trust.load_verify_locations(ca_cert)
    trust.set_alpn_protocols(["http/1.1"])
    return trust


def _body(response: http.client.HTTPResponse, connection: _Connection, deadline: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(BODY_LIMIT):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise http.client.HTTPException(f"the body is larger than {BODY_LIMIT} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise ReleaseError(f"{without_secrets(url)} is not an http or https URL", remedy="write http://host/path")


def _reason(exc: Exception, timeout: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"no complete answer within {timeout:.3g} s"
    if isinstance(exc, http.client.IncompleteRead):
        return "the connection was closed before the answer was complete"
    return str(exc) or type(exc).__name__
