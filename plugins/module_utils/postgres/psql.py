# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session by a psql that runs elsewhere: one message in, one answer out, told apart by marks nobody can guess."""

from __future__ import annotations

import re
import secrets
import typing as t

from .errors import fault
from .server import Row
from .session import Session, as_json, of_json
from .stream import Watchdog

if t.TYPE_CHECKING:
    from .remote import Remote

ARGUMENTS = (
    *("psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password", "--pset=pager=off"),
    *("--set=ON_ERROR_STOP=0", "--set=VERBOSITY=default", "--set=ECHO=none"),
)


class PsqlSession(Session):
    """Each text is sent whole and as it is (``\\gexec``), so psql neither splits it nor looks for variables in it."""

    def __init__(self, remote: Remote, database: str, where: str, watch: Watchdog) -> None:
        self._remote, self._where, self._watch = remote, where, watch
        self._doing = f"connecting to {database}"
        self._ask("select")
        self._doing = f"a query in {database}"

    def rows(self, query: str) -> list[Row]:
        return of_json(self._ask(as_json(query)))

    def run(self, statements: str) -> None:
        self._ask(statements)

    def close(self) -> None:
        self._remote.close()

    def _ask(self, text: str) -> str:
        mark = secrets.token_hex(12)
        quote = f"$q{mark}$"
        message = f"\\echo {mark}\nselect {quote}{text}{quote} \\gexec\n\\echo {mark} :ERROR :SQLSTATE\n"
        self._watch.feed(0)
        self._remote.send(message.encode(), self._watch)
        closing = re.compile(rf"^{mark} (\w+) (\w+)\n".encode(), re.MULTILINE)
        said = self._remote.until(closing, self._watch)
        _before, _mark, answer = said.partition(f"{mark}\n".encode())
        found = closing.search(answer)
        if found is None:
            raise fault(self._doing, said.decode("utf-8", "replace"), self._where)
        body = answer[: found.start()].decode("utf-8", "replace")
        if found[1] != b"false":
            raise fault(self._doing, re.sub(r"^psql:<stdin>:\d+: ", "", body), self._where, sqlstate=found[2].decode())
        return body
