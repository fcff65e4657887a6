# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on the loopback that misbehaves on demand, and a witness that is never left running."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.witness.run import Witness, find_k6
from ansible_collections.runbook.release.plugins.module_utils.witness.spec import Spec, spec_from


class Target(http.server.ThreadingHTTPServer):
    """Answers with `version`, in the way `manner` says; `die` takes it off the network."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.version = "1.0"
        self.manner = "well"
        self.streaming = "nameless"
        self.hung = threading.Event()
        self.dripped = threading.Event()
        self.over = threading.Event()
        self.asked_by: set[tuple[str, int]] = set()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def die(self) -> None:
        self.manner = "closing"
        self.over.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Target

    def log_message(self, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.server.asked_by.add(self.client_address)
        getattr(self, self.path.strip("/") or self.server.manner)()

    def well(self, status: int = 200, body: bytes | None = None, length: int | None = None) -> None:
        body = json.dumps({"app": {"version": self.server.version}}).encode() if body is None else body
        head = (
            f"HTTP/1.1 {status} x\r\nContent-Length: {len(body) if length is None else length}\r\n"
            f"X-App-Version: {self.server.version}\r\nHost-Seen: {self.headers['Host']}\r\n\r\n"
        )
        self.connection.sendall(head.encode() + body)

    def failing(self) -> None:
        self.well(status=500)

    def redirecting(self) -> None:
        self.well(status=302)

    def unavailable(self) -> None:
        self.well(status=503, body=b"no endpoints")

    def malformed(self) -> None:
        self.well(body=b'{"app": {"vers')

    def nameless(self) -> None:
        self.well(body=b'{"app": {"version": null}}')

    def cut(self) -> None:
        self.well(length=10_000)
        self.close_connection = True

    def closing(self) -> None:
        self.close_connection = True

    def hanging(self) -> None:
        self.server.hung.set()
        self.server.over.wait(3)
        self.close_connection = True

    def dripping(self) -> None:
        self.connection.sendall(b"HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(OSError):
            for dummy in range(50):
                self.connection.sendall(b"x")
                self.server.dripped.set()
                time.sleep(0.1)
        self.close_connection = True

    def stream(self) -> None:
        getattr(self, self.server.streaming)()

    def resetting(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True


@pytest.fixture
def target() -> Iterator[Target]:
    server = Target()
    yield server
    server.die()


@pytest.fixture
def spec(target: Target) -> Any:
    def make(**changes: Any) -> Spec:
        return spec_from(
            {
                "urls": [{"url": f"http://shop.test:{target.port}/", "address": "127.0.0.1"}],
                "identity": {"json": "app.version"},
                "versions": ["1.0"],
                "rate": 50,
                "timeout": 2000,
                "duration": 30,
                **changes,
            }
        )

    return make


@pytest.fixture
def witness(tmp_path: Any) -> Iterator[Witness]:
    try:
        find_k6("k6")
    except ReleaseError as error:
        pytest.fail(str(error))
    own = Witness(tmp_path / "witness")
    yield own
    if own.running():
        own.stop()
