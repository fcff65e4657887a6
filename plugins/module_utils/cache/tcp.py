# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server reached over the network, by the protocol of Redis itself.

Every answer comes within a deadline and is bounded in size; the library would read whatever a wrong server sends for as
long as it sends.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import Refused, ReleaseError
from .base import Answer, Cache, Command, Deadline, Failure

_CHUNK = 1 << 16
_LONGEST_LINE = 64 << 10
_LONGEST_TEXT = 512 << 20
_MOST_ANSWERS = 1 << 20
_DEEPEST = 8


@dataclass(frozen=True)
class Login:
    """How to get in; what is empty is left out."""

    host: str
    port: int = 6379
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_cert: str = ""


class TcpCache(Cache):
    """``longest`` is how many bytes one text may have."""

    def __init__(self, login: Login, deadline: Deadline, longest: int = _LONGEST_TEXT) -> None:
        self.where = f"{login.host}:{login.port}, database {login.db}"
        self._deadline, self._longest = deadline, longest
        self._unread = bytearray()
        self._socket = self._connected(login)
        try:
            if login.password:
                self.say("AUTH", *filter(None, (login.username, login.password)))
            if login.db:
                self.say("SELECT", str(login.db))
        except BaseException:
            self.close()
            raise

    def ask(self, commands: Sequence[Command]) -> list[Answer]:
        try:
            self._socket.settimeout(self._deadline.left())
            self._socket.sendall(b"".join(map(encoded, commands)))
            return [self._answer() for _command in commands]
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def _connected(self, login: Login) -> socket.socket:
        trust = _trust(login.ca_cert) if login.tls else None
        try:
            plain = socket.create_connection((login.host, login.port), self._deadline.left())
            return trust.wrap_socket(plain, server_hostname=login.host) if trust else plain
        except OSError as error:
            raise self._fault(error) from error

    def _answer(self, depth: int = 0) -> Answer:
        line = self._line()
        sign, rest = line[:1], line[1:]
        if sign == b"+":
            return rest
        if sign == b"-":
            return Failure(rest.decode("utf-8", "replace"))
        if sign in (b":", b"$", b"*") and rest.lstrip(b"-").isdigit():
            number = int(rest)
            if sign == b":":
                return number
            if number < 0:
                return None
            return self._text(number) if sign == b"$" else self._list(number, depth + 1)
        raise ReleaseError(
            f"the answer is not one of Redis: {line[:40]!r}", where=self.where, remedy="correct host, port or tls"
        )

    def _text(self, length: int) -> bytes:
        if length > self._longest:
            raise ReleaseError(f"the answer has {length} bytes, at most {self._longest} are expected", where=self.where)
        self._fill(length + 2)
        text = bytes(self._unread[:length])
        del self._unread[: length + 2]
        return text

    def _list(self, count: int, depth: int) -> list[Answer]:
        if count > _MOST_ANSWERS or depth > _DEEPEST:
            raise ReleaseError(f"an answer with {count} parts is none that was asked for", where=self.where)
        return [self._answer(depth) for _place in range(count)]

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > _LONGEST_LINE:
                raise ReleaseError(
                    "the answer is not one of Redis: a line without end", where=self.where, remedy="correct host, port"
                )
            self._fill(len(self._unread) + 1)
        line = bytes(self._unread[:end])
        del self._unread[: end + 2]
        return line

    def _fill(self, wanted: int) -> None:
        while len(self._unread) < wanted:
            self._socket.settimeout(self._deadline.left())
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                raise ReleaseError(
                    "the connection was closed before the answer was complete",
                    where=self.where,
                    remedy="see the server's log, then run again",
                )
            self._unread += chunk

    def _fault(self, error: OSError) -> ReleaseError:
        if isinstance(error, TimeoutError):
            try:
                self._deadline.left()
            except ReleaseError as late:
                return late
        if isinstance(error, ssl.SSLCertVerificationError):
            return Refused(
                f"the certificate of the server is not accepted: {error.verify_message}",
                where=self.where,
                remedy="check that server.host is a name in it, and server.ca_cert the authority that signed it",
            )
        return ReleaseError(
            f"the server cannot be reached: {error.strerror or error}",
            where=self.where,
            remedy="check host, port and tls of the option server, and that the server runs",
        )


def encoded(command: Command) -> bytes:
    """A command as it goes over the wire."""
    words = [word.encode() if isinstance(word, str) else word for word in command]
    return b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)])


def _trust(ca_cert: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_cert or None)
    except OSError as error:
        raise Refused(
            f"no certificate can be read from {ca_cert}", remedy="correct server.ca_cert: a PEM file"
        ) from error
