# SPDX-License-Identifier: GPL-3.0-or-later
"""A loopback HTTP server that answers as it is told, or badly: faults a real server cannot be made to show on demand.

The real servers are asked in ``tests/services_cases``.
"""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
import typing as t
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

MEBIBYTE = 2**20
GIBIBYTE = 2**30

FAULTS = (
    "500",
    "hang",
    "drip",
    "drip head",
    "cut",
    "reset",
    "empty",
    "huge",
    "endless head",
    "loop",
    "html",
    "garbage",
)


class FaultyServer(http.server.ThreadingHTTPServer):
    """`answers` maps paths to JSON documents, or to functions of (query, body); with a `fault` nobody gets one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, t.Any] = {}
        self.fault = ""
        self.asked: list[tuple[str, dict[str, list[str]], t.Any, dict[str, str]]] = []
        self.sent = 0
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_args: t.Any) -> None:
        """Clients that hang up are what this is about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FaultyServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: t.Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((parts.path, query, body, dict(self.headers)))
        self.close_connection = True
        if self.server.fault:
            with contextlib.suppress(OSError):
                getattr(self, "_" + self.server.fault.replace(" ", "_"), self._status)()
            return
        answer = self.server.answers.get(parts.path)
        found = answer(query, body) if callable(answer) else answer
        status, document = (
            found if isinstance(found, tuple) else (200 if parts.path in self.server.answers else 404, found)
        )
        self._send(status, document if isinstance(document, bytes) else json.dumps(document).encode())

    do_POST = do_DELETE = do_GET

    def _send(self, status: int, body: bytes, length: int | None = None, more: str = "") -> None:
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body) if length is None else length}\r\n{more}\r\n"
        self.wfile.write(head.encode() + body)

    def _status(self) -> None:
        self._send(int(self.server.fault), b'{"error": "out of order"}')

    def _hang(self) -> None:
        self.server.ended.wait(20)

    def _drip(self) -> None:
        self._send(200, b"", 1000)
        while not self.server.ended.wait(0.05):
            self.wfile.write(b" ")

    def _drip_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 x\r\nX: ")
        while not self.server.ended.wait(0.05):
            self.wfile.write(b"x")

    def _cut(self) -> None:
        self._send(200, b'{"status": "success", "data"', 1000)

    def _reset(self) -> None:
        """Hang up at once."""

    def _empty(self) -> None:
        self._send(200, b"")

    def _huge(self) -> None:
        self._send(200, b"", GIBIBYTE)
        while self.server.sent < GIBIBYTE:
            self.wfile.write(b"x" * MEBIBYTE)
            self.server.sent += MEBIBYTE

    def _endless_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 x\r\nX: ")
        while self.server.sent < GIBIBYTE:
            self.wfile.write(b"x" * MEBIBYTE)
            self.server.sent += MEBIBYTE

    def _loop(self) -> None:
        self._send(302, b"", more=f"Location: {self.path}\r\n")

    def _html(self) -> None:
        self._send(200, b"<html>please log in</html>")

    def _garbage(self) -> None:
        self.wfile.write(b"220 mail.example.com ESMTP\r\n")


@contextlib.contextmanager
def serving(trust: tuple[Path, Path] | None = None) -> t.Iterator[FaultyServer]:
    """With `trust`, a certificate and its key, over TLS."""
    server = FaultyServer()
    if trust:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*trust)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()


def certificate(folder: Path, days: float, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate, which is its own authority, and its key; with negative days it has expired."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    address: x509.GeneralName = x509.DNSName(name)
    with contextlib.suppress(ValueError):
        address = x509.IPAddress(ipaddress.ip_address(name))
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=400))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "own.crt", folder / "own.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def refused_port() -> int:
    """A port on which nobody listens."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Handler) as server:
        return server.server_port
