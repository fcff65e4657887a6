# SPDX-License-Identifier: GPL-3.0-or-later
"""A loopback HTTP server that holds scripted conversations.

It exists for faults a real API server cannot be made to produce on demand: a connection lost after a write took effect,
429 with Retry-After, 503 twice and then an answer, a watch that ends with 410. Everything else is tested on a real
cluster, in ``tests/cluster_cases``.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import struct
import threading
import typing as t
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Reply:
    """One complete answer."""

    status: int = 200
    body: t.Any = field(default_factory=dict)
    headers: t.Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HangUp:
    """The request is read and then the connection is closed without an answer; ``reset`` sends RST instead of FIN."""

    reset: bool = False


@dataclass(frozen=True)
class Stream:
    """A watch: events one by one, then held open until ``until`` is set (when given), then ended."""

    events: t.Sequence[t.Mapping[str, t.Any]]
    until: threading.Event | None = None


@dataclass(frozen=True)
class Heard:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: t.Any


Line: t.TypeAlias = "Reply | HangUp | Stream"


def failure(status: int, message: str, **more: t.Any) -> Reply:
    """A ``Status`` object, as the API server explains errors."""
    headers = more.pop("headers", {})
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status, **more}
    return Reply(status, body, headers)


class ScriptedApi:
    """``on`` says what to answer, in order; ``heard`` is what was asked. An unscripted request is an error."""

    def __init__(self, context: t.Any = None) -> None:
        self.heard: list[Heard] = []
        self.unscripted: list[str] = []
        self._script: dict[tuple[str, str], deque[Line]] = {}
        self._server = _Server(self)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if context is not None else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def on(self, method: str, path: str, *lines: Line) -> None:
        self._script.setdefault((method, path), deque()).extend(lines)

    def next_line(self, heard: Heard) -> Line:
        self.heard.append(heard)
        lines = self._script.get((heard.method, heard.path))
        if lines:
            return lines.popleft()
        self.unscripted.append(f"{heard.method} {heard.path}")
        return failure(599, f"{heard.method} {heard.path} is not in the script")

    def methods(self) -> list[str]:
        return [heard.method for heard in self.heard]

    def __enter__(self) -> ScriptedApi:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert not self.unscripted, self.unscripted


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, api: ScriptedApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A client that goes away is part of the script."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: t.Any) -> None:
        """Stay silent."""

    def _converse(self) -> None:
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(raw) if raw else None
        heard = Heard(self.command, url.path, parse_qs(url.query), dict(self.headers.items()), body)
        line = self.server.api.next_line(heard)
        if isinstance(line, HangUp):
            self._hang_up(line)
        elif isinstance(line, Stream):
            self._stream(line)
        else:
            self._reply(line)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _converse

    def _reply(self, reply: Reply) -> None:
        raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _hang_up(self, line: HangUp) -> None:
        if line.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.close() if line.reset else self.connection.shutdown(socket.SHUT_RDWR)

    def _stream(self, line: Stream) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in line.events:
            raw = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
            self.wfile.flush()
        if line.until is not None:
            line.until.wait(10)
        self.wfile.write(b"0\r\n\r\n")
