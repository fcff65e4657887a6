# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests, each on a new connection, to the address that is wanted and not the one the name resolves to."""

from __future__ import annotations

import base64
import functools
import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from .errors import ReleaseError

BODY_LIMIT = 1024 * 1024
REDIRECTS = (301, 302, 303, 307, 308)

_SECRET = re.compile(
    r"([?&][^=&]*(?:token|secret|passw|pwd|key|auth|sig|credential|session|jwt)[^=&]*=)[^&#]*", re.IGNORECASE
)
_USER = re.compile(r"//[^/?#]*@")
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Call:
    """What is sent, and to whom: `address` stands for the host name, `body_limit` is in bytes."""

    url: str
    address: str = ""
    ca_cert: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    body_limit: int = BODY_LIMIT


def get(
    url: str, address: str = "", ca_cert: str = "", *, timeout: float, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """`send` for the plainest call."""
    return send(Call(url, address, ca_cert, headers=headers or {}), timeout=timeout)


def send(call: Call, *, timeout: float, redirects: int = 0) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; nothing is retried, and the whole of it takes `timeout` seconds at most.

    So many redirects are followed; with none of them allowed a redirect is an answer like any other.
    """
    deadline = time.monotonic() + timeout
    for _hop in range(redirects + 1):
        status, headers, body = _exchange(call, deadline, timeout)
        location = next((value for name, value in headers.items() if name.lower() == "location"), "")
        if not redirects or status not in REDIRECTS or not location:
            return status, headers, body
        call = _redirected(call, location)
    raise ReleaseError(
        f"there were more than {redirects} redirects, the last to {without_secrets(call.url)}",
        where=without_secrets(call.url),
        remedy="ask the address that answers itself, or see whether two rules redirect to each other",
    )


def certificate_end(url: str, address: str = "", ca_cert: str = "", *, timeout: float) -> float:
    """When the server's certificate expires, in seconds since the epoch; it must be trusted and of this name."""
    parts = _split(url)
    if parts.scheme != "https":
        raise ReleaseError(f"{without_secrets(url)} has no certificate", remedy="write an https URL")
    connection = _Connection(parts, address, ca_cert, time.monotonic() + timeout)
    try:
        connection.connect()
        return float(ssl.cert_time_to_seconds(connection.certificate["notAfter"]))
    except OSError as exc:
        raise ReleaseError(_reason(exc, timeout), where=without_secrets(url)) from exc
    finally:
        connection.close()


def without_secrets(url: str) -> str:
    """The URL, or a text with URLs in it, as it may be shown."""
    return _SECRET.sub(r"\1…", _USER.sub("//", url))


def basic(username: str, password: str) -> str:
    """The value of the header `Authorization`."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _exchange(call: Call, deadline: float, timeout: float) -> tuple[int, dict[str, str], bytes]:
    parts = _split(call.url)
    connection = _Connection(parts, call.address, call.ca_cert, deadline)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"User-Agent": "runbook.release", **_login(parts), **call.headers}
    try:
        connection.request(call.method, path, call.body, headers)
        response = connection.getresponse()
        return response.status, dict(response.headers), _body(response, deadline, call.body_limit)
    except UnicodeError as exc:
        what = "the URL or a header has characters that must be percent-encoded"
        raise ReleaseError(what, where=without_secrets(call.url)) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ReleaseError(_reason(exc, timeout), where=without_secrets(call.url)) from exc
    finally:
        connection.close()


def _login(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    return {"Authorization": basic(unquote(parts.username), unquote(parts.password or ""))}


def _redirected(call: Call, location: str) -> Call:
    """The next call. Another origin is told nothing that was meant for this one."""
    before = _split(call.url)
    url = urljoin(call.url, location)
    after = _split(url)
    if before.scheme == "https" and after.scheme != "https":
        raise ReleaseError(
            f"the redirect to {without_secrets(url)} leaves TLS", where=without_secrets(call.url), remedy="ask https"
        )
    if (before.scheme, before.hostname, before.port) == (after.scheme, after.hostname, after.port):
        return replace(call, url=url)
    address = call.address if before.hostname == after.hostname else ""
    return replace(call, url=url, address=address, headers={})


class _Connection(http.client.HTTPConnection):
    certificate: Mapping[str, Any]

    def __init__(self, parts: SplitResult, address: str, ca_cert: str, deadline: float) -> None:
        self.default_port = 443 if parts.scheme == "https" else 80  # the one that the header Host leaves out
        super().__init__(parts.hostname or "", parts.port or self.default_port)
        self._address = address or parts.hostname or ""
        self._trust = _trust(ca_cert) if parts.scheme == "https" else None
        self._deadline = deadline

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.left())
        self.sock = plain
        if self._trust:
            plain.settimeout(self.left())
            wrapped = self._trust.wrap_socket(plain, server_hostname=self.host)
            self.certificate = wrapped.getpeercert() or {}
            self.sock = wrapped
        self.sock = _Steady(self.sock, self.left)

    def left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Steady:
    """A socket on which the deadline holds, however slowly the bytes drip; what `http.client` needs of one."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_SteadyReader(self._sock, self._left))

    def close(self) -> None:
        self._sock.close()


class _SteadyReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


@functools.lru_cache(maxsize=16)
def _trust(ca_cert: str) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    if ca_cert:
        try:
            trust.load_verify_locations(ca_cert)
        except OSError as exc:
            raise ReleaseError(
                f"no certificate can be read from {ca_cert}", remedy="correct ca_cert: a PEM file"
            ) from exc
    trust.set_alpn_protocols(["http/1.1"])
    return trust


def _body(response: http.client.HTTPResponse, deadline: float, limit: int) -> bytes:
    body = bytearray()
    while chunk := response.read1(BODY_LIMIT):
        body += chunk
        if len(body) > limit:
            raise http.client.HTTPException(f"the body is larger than {limit} bytes")
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
    shown = without_secrets(url) if "@" not in url else "what is given"  # where a password ends cannot be told
    raise ReleaseError(f"{shown} is not an http or https URL", remedy="write http://host/path")


def _reason(exc: Exception, timeout: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"no complete answer within {timeout:.3g} s"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {exc.verify_message}"
    if isinstance(exc, http.client.IncompleteRead):
        return "the connection was closed before the answer was complete"
    return without_secrets(str(exc))[:_LONGEST_REASON] or type(exc).__name__
