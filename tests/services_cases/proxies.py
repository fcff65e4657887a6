# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to a server that fail as networks do: without an end, with one too early, or slowly."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self

from services.postgres import Postgres

PIECE = 16 << 10
GOODBYE = b"X\0\0\0\4"


class Proxy:
    """Passes connections on to the socket of a server, which buffers little; `through` decides on every piece back."""

    def __init__(self, server: Postgres) -> None:
        self._target = str(server.socket / f".s.PGSQL.{server.port}")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._sockets: list[socket.socket] = []
        self._ending = threading.Event()

    def through(self, connection: int, passed: int) -> bool:
        """Whether to pass the next piece on, after `passed` bytes of this connection; may wait."""
        return True

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        number = 0
        with contextlib.suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._sockets += [near, far]
                threading.Thread(target=self._there, args=(near, far), daemon=True).start()
                threading.Thread(target=self._back, args=(number, far, near), daemon=True).start()
                number += 1

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(PIECE):
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _back(self, number: int, far: socket.socket, near: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := far.recv(PIECE):
                if not self.through(number, passed):
                    break
                near.sendall(data)
                passed += len(data)
            for one in (near, far):
                one.shutdown(socket.SHUT_RDWR)


class FrozenProxy(Proxy):
    """Once one connection has had `limit` bytes nothing comes back any more: on it alone, or on `all` of them."""

    def __init__(self, server: Postgres, limit: int, *, all: bool) -> None:
        super().__init__(server)
        self._limit, self._all = limit, all
        self.frozen = threading.Event()

    def through(self, connection: int, passed: int) -> bool:
        if passed > self._limit:
            self.frozen.set()
        if passed > self._limit or (self._all and self.frozen.is_set()):
            self._ending.wait()
            return False
        return True


class CutProxy(Proxy):
    """Closes a connection after `limit` bytes."""

    def __init__(self, server: Postgres, limit: int) -> None:
        super().__init__(server)
        self._limit = limit

    def through(self, connection: int, passed: int) -> bool:
        return passed <= self._limit


class LateProxy(Proxy):
    """Tells the server only at the very end that a client is gone."""

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := near.recv(PIECE)) and data != GOODBYE:
                far.sendall(data)
            self._ending.wait()
            far.shutdown(socket.SHUT_WR)


class SlowProxy(Proxy):
    """Passes so many bytes a second, and no more."""

    def __init__(self, server: Postgres, rate: int) -> None:
        super().__init__(server)
        self._pause = PIECE / rate

    def through(self, connection: int, passed: int) -> bool:
        time.sleep(self._pause if passed > PIECE else 0)
        return True
