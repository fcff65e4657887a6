# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol of Redis, as far as reading needs it: every answer within a deadline and bounded in size.

The library would read whatever a wrong server sends for as long as it sends.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any

from ...errors import ReleaseError

LONGEST = 1024 * 1024
_LONGEST_LINE = 1024
_LISTED = ("SCAN",)
"""What is answered by lists; any other answer of that shape is none."""
_MOST_ITEMS, _DEEPEST = 100_000, 2


class Conversation:
    """One connection, as a context manager; `deadline` is on the monotonic clock."""

    def __init__(self, host: str, port: int, deadline: float, *, tls: bool = False, ca_cert: str = "") -> None:
        self._address = (host, port)
        self._deadline = deadline
        self._began = time.monotonic()
        self._trust = _trust(ca_cert) if tls else None
        self._unread = bytearray()

    def __enter__(self) -> Conversation:
        try:
            self._socket = socket.create_connection(self._address, self._left())
            if self._trust:
                self._socket = self._trust.wrap_socket(self._socket, server_hostname=self._address[0])
        except OSError as exc:
            raise self._fault(exc) from exc
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()

    def say(self, *words: str) -> Any:
        """What the server answers; an error of its own is raised with its words."""
        return self.say_all([words])[0]

    def say_all(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        """What the server answers to each, all sent at once."""
        try:
            self._socket.settimeout(self._left())
            self._socket.sendall(b"".join(map(_encoded, commands)))
            return [self._answer(words[0]) for words in commands]
        except OSError as exc:
            raise self._fault(exc) from exc

    def _answer(self, command: str, depth: int = 0) -> Any:
        line = self._line()
        sign, rest = line[:1], line[1:].decode("utf-8", "replace")
        if sign == b"+":
            return rest
        if sign == b"-":
            raise ReleaseError(f"{command} was refused: {rest[:200]}", remedy="correct user, password or database")
        if sign in (b":", b"$") and rest.lstrip("-").isdigit():
            return int(rest) if sign == b":" else self._bulk(int(rest))
        listed = command in _LISTED and depth < _DEEPEST and rest.isdigit()
        if sign == b"*" and listed and int(rest) <= _MOST_ITEMS:
            return [self._answer(command, depth + 1) for _item in range(int(rest))]
        raise ReleaseError(f"the answer is not one of Redis: {line[:40]!r}", remedy="correct host, port or tls")

    def _bulk(self, length: int) -> str:
        if not 0 <= length <= LONGEST:
            raise ReleaseError(f"the answer has {length} bytes, between 0 and {LONGEST} are expected")
        self._fill(length + 2)
        text = self._take(length).decode("utf-8", "replace")
        self._take(2)
        return text

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > _LONGEST_LINE:
                raise ReleaseError("the answer is not one of Redis: a line without end", remedy="correct host or port")
            self._fill(len(self._unread) + 1)
        line = self._take(end)
        self._take(2)
        return line

    def _fill(self, wanted: int) -> None:
        while len(self._unread) < wanted:
            self._socket.settimeout(self._left())
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ReleaseError("the connection was closed before the answer was complete")
            self._unread += chunk

    def _take(self, length: int) -> bytes:
        taken = bytes(self._unread[:length])
        del self._unread[:length]
        return taken

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _fault(self, exc: OSError) -> ReleaseError:
        if isinstance(exc, TimeoutError):
            return ReleaseError(f"no complete answer within {self._deadline - self._began:.2g} s")
        if isinstance(exc, ssl.SSLCertVerificationError):
            return ReleaseError(f"the certificate is not accepted: {exc.verify_message}")
        return ReleaseError(str(exc) or type(exc).__name__)


def _encoded(command: Sequence[str]) -> bytes:
    words = [word.encode() for word in command]
    return b"".join((b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)))


def _trust(ca_cert: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_cert or None)
    except OSError as exc:
        raise ReleaseError(f"no certificate can be read from {ca_cert}", remedy="correct ca_cert: a PEM file") from exc
