# SPDX-License-Identifier: GPL-3.0-or-later
"""A loopback WebSocket server that says what it is told to: for ends of an exec no cluster makes on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any, Self

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SUCCESS = json.dumps({"status": "Success"}).encode()


def exited(code: int) -> bytes:
    """The last word of an API server about a command that failed."""
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return json.dumps({"status": "Failure", "details": {"causes": causes}}).encode()


class ExecServer:
    """Sends `frames` (channel, data) and closes; `abrupt` without a closing frame. Before that it reads `expect` bytes.

    One that `stalls` says nothing more instead, also when the client closes.
    `heard` is what came on stdin, `asked` the first line of the request.
    """

    def __init__(
        self, frames: Sequence[tuple[int, bytes]], *, expect: int = 0, abrupt: bool = False, stalls: bool = False
    ) -> None:
        self._frames, self._expect, self._abrupt, self._stalls = frames, expect, abrupt, stalls
        self.heard = b""
        self.asked = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        connection, _address = self._listener.accept()
        with connection, connection.makefile("rb") as reading:
            self._greet(connection, reading)
            while len(self.heard) < self._expect:
                data = _frame_of(reading)
                assert data[0] == 0
                self.heard += data[1:]
            for channel, data in self._frames:
                connection.sendall(_framed(2, bytes([channel]) + data))
            if self._stalls:
                reading.read()
            elif not self._abrupt:
                connection.sendall(_framed(8, struct.pack(">H", 1000)))

    def _greet(self, connection: socket.socket, reading: Any) -> None:
        self.asked = reading.readline().decode()
        headers = {}
        while (line := reading.readline().decode().strip()) != "":
            name, _colon, value = line.partition(": ")
            headers[name.lower()] = value
        accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + _MAGIC).encode()).digest()).decode()
        connection.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n".encode()
        )


def _framed(opcode: int, data: bytes) -> bytes:
    if len(data) < 126:
        return bytes([0x80 | opcode, len(data)]) + data
    if len(data) < 1 << 16:
        return bytes([0x80 | opcode, 126]) + struct.pack(">H", len(data)) + data
    return bytes([0x80 | opcode, 127]) + struct.pack(">Q", len(data)) + data


def _frame_of(reading: Any) -> bytes:
    """The data of one masked frame, as clients send them."""
    head = reading.read(2)
    length = head[1] & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", reading.read(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", reading.read(8))
    mask = reading.read(4)
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(reading.read(length)))
