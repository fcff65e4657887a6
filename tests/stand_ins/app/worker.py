# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of a queue in Redis: `python3 -m app.worker`.

A task is JSON in the list that QUEUE_URL names (`redis://:PASSWORD@HOST:PORT/LIST`): `{"id": …, "seconds": 0.1}`.
What is done is told in `LIST:done` as `{"id": …, "version": …}`. A worker that is told to leave ends the task in its
hands first. Its health and its metrics are served as those of any other part.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from app.misbehave import crash
from app.server import Server
from app.settings import Settings, mine

PATIENCE = 1
"""Seconds one look for a task takes, and those after which a lost server is tried again."""


class Queue:
    """Just enough of the protocol of Redis."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.name = parts.path.lstrip("/") or "tasks"
        self._socket = socket.create_connection((parts.hostname or "localhost", parts.port or 6379), timeout=10)
        self._answers = self._socket.makefile("rb")
        if parts.password:
            self.ask("AUTH", parts.password)

    def ask(self, *words: str | bytes) -> Any:
        encoded = [word.encode() if isinstance(word, str) else word for word in words]
        parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)]
        self._socket.sendall(b"".join(parts))
        return self._answer()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis ended the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ConnectionError(rest.decode("utf-8", "replace"))
        if kind == b"*":
            return [self._answer() for _entry in range(int(rest))] if rest != b"-1" else None
        if kind == b"$":
            return self._answers.read(int(rest) + 2)[:-2] if rest != b"-1" else None
        return rest

    def take(self) -> bytes | None:
        found = self.ask("BLPOP", self.name, str(PATIENCE))
        return bytes(found[1]) if found else None

    def tell(self, done: bytes) -> None:
        self.ask("RPUSH", f"{self.name}:done", done)


def work(settings: Settings, leave: threading.Event) -> None:
    """Task after task; a server that is away is waited for."""
    while not leave.is_set():
        try:
            queue = Queue(settings.queue)
            while not leave.is_set():
                task = queue.take()
                if task is not None:
                    queue.tell(carry_out(task, settings.version))
        except OSError as exc:
            print(f"the queue cannot be reached: {exc}", file=sys.stderr, flush=True)
            leave.wait(PATIENCE)


def carry_out(task: bytes, version: str) -> bytes:
    try:
        given = json.loads(task)
        threading.Event().wait(float(given.get("seconds", 0)))
        return json.dumps({"id": given.get("id"), "version": version}).encode()
    except (ValueError, AttributeError) as exc:
        return json.dumps({"error": str(exc), "version": version}).encode()


def main() -> None:
    settings = mine()
    if settings.fault.crash:
        crash(settings.version)
    server = Server(settings)
    leave = threading.Event()

    def begin_to_leave(_signal: int, _frame: FrameType | None) -> None:
        leave.set()

    signal.signal(signal.SIGTERM, begin_to_leave)
    signal.signal(signal.SIGINT, begin_to_leave)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"version {settings.version} listens on port {server.server_port}", flush=True)
    if settings.queue:
        work(settings, leave)
    leave.wait()
    server.shutdown()


if __name__ == "__main__":
    main()
