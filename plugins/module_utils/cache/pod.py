# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server reached through its own container, by the redis-cli there. All that is secret goes in on stdin."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from ..errors import ReleaseError
from ..postgres.pod_script import conversing
from ..postgres.remote import Open, Remote
from ..postgres.stream import Watchdog
from .base import Answer, Cache, Command, Deadline
from .cli import answer_of, line_of
from .tcp import Login

_FIND = (
    "c=$(command -v redis-cli || command -v valkey-cli) || { echo 'the container has no redis-cli'; exit 127; }; "
    'exec "$c" "$@"'
)
_LINE = re.compile(rb"\n")


class _Patience(Watchdog):
    """Waits until the deadline, whatever moves."""

    def __init__(self, deadline: Deadline, where: str) -> None:
        super().__init__(deadline.left(), lambda: None, "the cache", where)
        self._deadline = deadline

    def check(self) -> None:
        self._deadline.left()


class PodCache(Cache):
    """``open`` starts a command in the container; ``where`` names it."""

    def __init__(self, open: Open, login: Login, deadline: Deadline, where: str) -> None:
        self.where = f"{where}, database {login.db}"
        self._watch = _Patience(deadline, self.where)
        command = ["sh", "-c", _FIND, "cache", *arguments(login)]
        self._remote = Remote(open, conversing({"REDISCLI_AUTH": login.password}, command), self._watch)
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def ask(self, commands: Sequence[Command]) -> list[Answer]:
        self._remote.send(b"".join(map(line_of, commands)), self._watch)
        return [answer_of(self._line()) for _command in commands]

    def close(self) -> None:
        self._remote.close()

    def _greet(self) -> None:
        """Before it answers redis-cli says what it could not do: log in, connect."""
        mark = secrets.token_hex(12)
        self._remote.send(line_of(("ECHO", mark)), self._watch)
        while (line := self._line()) != f'"{mark}"'.encode():
            if not line.startswith(b"Warning"):
                raise ReleaseError(
                    f"redis-cli says: {line[:200].decode('utf-8', 'replace')}",
                    where=self.where,
                    remedy="check the address, db and password of the option server, and that the server runs",
                )

    def _line(self) -> bytes:
        line = self._remote.until(_LINE, self._watch)
        if not line.endswith(b"\n"):
            raise ReleaseError(
                f"redis-cli ended before it answered: {line[-200:].decode('utf-8', 'replace').strip() or 'in silence'}",
                where=self.where,
                remedy="see whether the container still runs, then run again",
            )
        return line.rstrip(b"\r\n")


def arguments(login: Login) -> list[str]:
    """Of redis-cli; what is there is not secret."""
    given = ["--csv", "-n", str(login.db), "-p", str(login.port)]
    given += ["-h", login.host] if login.host else []
    given += ["--user", login.username] if login.username else []
    given += ["--tls"] if login.tls else []
    return given + (["--cacert", login.ca_cert] if login.ca_cert else [])
