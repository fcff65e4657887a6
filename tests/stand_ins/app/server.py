# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side of a stand-in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from app.audit import Audit
from app.endpoint import Endpoint
from app.metrics import Metrics
from app.settings import Settings

AUDIT, METRICS, STREAM = "/audit", "/metrics", "/stream/"
TICK = 0.1
JSON = "application/json"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, settings: Settings) -> None:
        super().__init__(("", settings.port), Handler)
        self.settings = settings
        self.metrics = Metrics(settings.version, settings.metrics)
        self.audit = Audit(settings.database)
        self.started = time.monotonic()
        self.leaving = False
        self._changed = threading.Condition()
        self._active = 0
        self._judged = 0

    @property
    def faulty(self) -> bool:
        return time.monotonic() - self.started >= self.settings.fault.after

    def fails_now(self) -> bool:
        """True for exactly the share of calls that shall fail, evenly spread."""
        share = self.settings.fault.error_share if self.faulty else 0.0
        with self._changed:
            self._judged += 1
            return int(self._judged * share) > int((self._judged - 1) * share)

    def enter(self) -> None:
        with self._changed:
            self._active += 1

    def exit(self) -> None:
        with self._changed:
            self._active -= 1
            self._changed.notify_all()

    def wait_until_idle(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._active == 0)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self.server.enter()
        try:
            request = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            begin = time.monotonic()
            path = self.path.partition("?")[0]
            code = self._stream(path) if path.startswith(STREAM) else self._answer(path, request)
            known = path if code != 404 else "unknown"
            self.server.metrics.record(known, code, time.monotonic() - begin)
        finally:
            self.server.exit()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _answer(self, path: str, request: bytes) -> int:
        fault, faulty = self.server.settings.fault, self.server.faulty
        if path == METRICS and not (faulty and fault.mute):
            return self._send(200, "text/plain; version=0.0.4", self.server.metrics.text().encode())
        if faulty and fault.latency:
            time.sleep(fault.latency)
        endpoint = self.server.settings.endpoints.get(path)
        if endpoint and endpoint.health:
            unready = faulty and fault.unready
            return self._send_json(503, {"status": "unready"}) if unready else self._known(endpoint, request)
        if self.server.fails_now():
            return self._send_json(500, {"version": self.server.settings.version, "error": "internal error"})
        if path == AUDIT:
            return self._send_json(200, self.server.audit.entries())
        return self._known(endpoint, request) if endpoint else self._send_json(404, {"error": "no such path"})

    def _known(self, endpoint: Endpoint, request: bytes) -> int:
        code = self._served(endpoint, request)
        if endpoint.action:
            self.server.audit.record(endpoint.action, code)
        return code

    def _served(self, endpoint: Endpoint, request: bytes) -> int:
        settings = self.server.settings
        if self.command != endpoint.method and (self.command, endpoint.method) != ("HEAD", "GET"):
            return self._send_json(405, {"error": f"{endpoint.method} only"})
        if endpoint.token and self.headers.get("Authorization") != f"Bearer {settings.token}":
            return self._send_json(401, {"error": "sign in first"})
        try:
            kind, body = endpoint.answer(request, {"{version}": settings.version, "{token}": settings.token})
        except ValueError as exc:
            return self._send_json(422, {"error": str(exc)})
        return self._send(endpoint.code, kind, body)

    def _stream(self, path: str) -> int:
        """A response that lasts the given seconds, a line at every tick."""
        try:
            seconds = float(path.removeprefix(STREAM))
        except ValueError:
            return self._send_json(404, {"error": "no such path"})
        self._head(200, "application/x-ndjson", {"Transfer-Encoding": "chunked"})
        for line in self._lines(seconds):
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        return 200

    def _lines(self, seconds: float) -> Iterator[bytes]:
        for tick in range(int(seconds / TICK) + 1):
            yield json.dumps({"version": self.server.settings.version, "tick": tick}).encode() + b"\n"
            time.sleep(TICK)

    def _send_json(self, code: int, body: Any) -> int:
        return self._send(code, JSON, json.dumps(body).encode())

    def _send(self, code: int, kind: str, body: bytes) -> int:
        self._head(code, kind, {"Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)
        return code

    def _head(self, code: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response_only(code)
        self.send_header("Content-Type", kind)
        self.send_header("X-App-Version", self.server.settings.version)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.server.leaving or self.request_version == "HTTP/1.0":
            self.send_header("Connection", "close")
        self.end_headers()
