# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One request on a new connection: which version answers a client that has just arrived."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..errors import Refused

TIMEOUT = 5.0
BODY_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Identity:
    """Where an answer says which version it comes from: a dotted path into a JSON body, or a header."""

    json: str = ""
    header: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Identity:
        return cls(options.get("json") or "", options.get("header") or "")

    def read(self, headers: Message, body: bytes) -> str:
        if self.header:
            return str(headers.get(self.header, ""))
        try:
            value = json.loads(body)
        except ValueError:
            return ""
        for key in self.json.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return str(value) if isinstance(value, str | int | float) else ""


@dataclass(frozen=True)
class Answer:
    """What one request came to; times are of the monotonic clock. `error` is empty for an answer that counts."""

    started: float
    ended: float
    version: str = ""
    error: str = ""


class _Http(http.client.HTTPConnection):
    """Connects to `address` instead of the host of the URL, which stays in the Host header and the TLS handshake."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self.address = address
        self.context = context

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, self.port), TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context:
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host)


class Probe:
    """Asks one URL, each time on a new connection, at most `TIMEOUT` seconds."""

    def __init__(self, identity: Identity, url: str, address: str = "", ca_cert: str = "") -> None:
        parts, host, port = _split(url)
        self.url = url
        self.identity = identity
        self._tls = parts.scheme == "https"
        self._host = host
        self._port = port or (443 if self._tls else 80)
        self._address = address or host
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._netloc = parts.netloc.rpartition("@")[2]
        self._context = self._trust(ca_cert) if self._tls else None

    def _trust(self, ca_cert: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        try:
            if ca_cert:
                context.load_verify_locations(ca_cert)
        except OSError as exc:
            raise Refused(
                f"The certificate authority {ca_cert} cannot be read: {exc}", where=f"urls, {self.url}"
            ) from exc
        context.set_alpn_protocols(["http/1.1"])
        return context

    def ask(self) -> Answer:
        started = time.monotonic()
        connection = _Http(self._host, self._port, self._address, self._context)
        try:
            connection.request("GET", self._path, headers={"Host": self._netloc, "Connection": "close"})
            response = connection.getresponse()
            body = _body(response, started + TIMEOUT)
        except (OSError, ValueError, http.client.HTTPException) as exc:
            return Answer(started, time.monotonic(), error=f"{type(exc).__name__}: {exc}")
        finally:
            connection.close()
        ended = time.monotonic()
        if not 200 <= response.status < 300:
            return Answer(started, ended, error=f"HTTP status {response.status}")
        version = self.identity.read(response.headers, body)
        return Answer(started, ended, version, "" if version else "the answer names no version")


def _split(url: str) -> tuple[SplitResult, str, int | None]:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts, parts.hostname, parts.port
    except ValueError:
        pass
    raise Refused(f"{url} is not an http or https URL", where="urls", remedy="use http://host/path")


def _body(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The first `BODY_LIMIT` bytes; a server that drips them is as good as silent."""
    body = b""
    while len(body) < BODY_LIMIT and (chunk := response.read1(BODY_LIMIT - len(body))):
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
    return body
