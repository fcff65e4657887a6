# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in a container with its three streams, byte for byte, as they come and go.

Whatever carries them may lose bytes and still report success: who needs all of them has to count and hash them at the
other end.
"""

from __future__ import annotations

import contextlib
import select
import ssl
import threading
import typing as t

from ..errors import ApiError
from .connection import Connection
from .faults import Asked
from .kinds import POD
from .pod_exec import OUTCOME, STDERR, STDOUT, exit_code, open_exec

STDIN = 0
FRAME = 32 << 10
PING_EVERY = 20.0
_READ_TIMEOUT = 1.0


class PodStream:
    """One running command, used by one thread; leaving it as a context closes the connection."""

    def __init__(self, connection: Connection, pod: str, namespace: str, container: str, argv: t.Sequence[str]) -> None:
        self._asked = Asked("exec into", POD, namespace, pod)
        self._argv = argv
        self._socket: t.Any = open_exec(connection, self._asked, container, argv, stdin=True).sock
        self._pending = memoryview(b"")
        self._status = b""
        self._using = threading.Lock()
        self._closed = threading.Event()
        self.ended = False
        threading.Thread(target=self._keep_alive, name=f"keep {pod} alive", daemon=True).start()

    def write(self, data: memoryview, timeout: float) -> memoryview:
        """Send to stdin what goes, waiting for ``timeout`` seconds at most; returns the rest, to be offered next.

        When nothing is left, see ``sending``.
        """
        with self._using:
            if not self._pending and data:
                self._pending = self._framed(bytes(data[:FRAME]))
                data = data[FRAME:]
            while self._pending and self._send(timeout):
                pass
        return data

    @property
    def sending(self) -> bool:
        """Whether a part of what ``write`` took has yet to go: offer more, or nothing, to go on."""
        return bool(self._pending)

    def read(self, timeout: float) -> tuple[int, bytes] | None:
        """The next bytes with their channel (STDOUT, STDERR), or None after ``timeout`` seconds; see ``ended``."""
        from websocket import ABNF, WebSocketException, WebSocketTimeoutException

        if self.ended or not self._readable(timeout):
            return None
        try:
            with self._using:
                self._socket.settimeout(_READ_TIMEOUT)
                code, frame = self._socket.recv_data_frame(True)
        except WebSocketTimeoutException:
            return None
        except (WebSocketException, OSError):
            self.ended = True
            return None
        if code == ABNF.OPCODE_CLOSE:
            self.ended = True
        elif code in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and len(frame.data) > 1:
            channel, data = frame.data[0], bytes(frame.data[1:])
            if channel == OUTCOME:
                self._status += data
            elif channel in (STDOUT, STDERR):
                return channel, data
        return None

    def exit_code(self) -> int:
        """Of a command that has ended; ApiError if it could not be started or the connection ended before it did."""
        return exit_code(self._asked, self._argv, self._status.decode("utf-8", "replace"))

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(Exception):
            self._socket.close(timeout=0)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _keep_alive(self) -> None:
        """Something goes over the connection now and then, also while nobody uses it: proxies end idle ones."""
        while not self._closed.wait(PING_EVERY):
            with self._using, contextlib.suppress(Exception):
                if not self._pending and not self.ended:
                    self._socket.ping()

    def _framed(self, data: bytes) -> memoryview:
        from websocket import ABNF

        return memoryview(ABNF.create_frame(bytes([STDIN]) + data, ABNF.OPCODE_BINARY).format())

    def _send(self, timeout: float) -> bool:
        """Whether something went; a connection that is gone shows as the end of the stream."""
        raw = self._socket.sock
        raw.settimeout(timeout)
        try:
            self._pending = self._pending[raw.send(self._pending) :]
        except (TimeoutError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return False
        except OSError as error:
            raise ApiError(
                f"the connection to {self._asked.object} broke while data was sent: {error}",
                verb=self._asked.verb,
                object=self._asked.object,
                remedy="see why the container or the connection ended, then run again",
            ) from error
        return True

    def _readable(self, timeout: float) -> bool:
        raw = self._socket.sock
        if raw is None:
            self.ended = True
            return False
        if isinstance(raw, ssl.SSLSocket) and raw.pending():
            return True
        poll = select.poll()
        poll.register(raw, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout) * 1000))
