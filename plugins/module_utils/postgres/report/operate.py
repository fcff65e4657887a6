# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One report: a read-only session with short timeouts goes to the file that knows what to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import Refused
from . import bloat, explain, indexes, rows, sessions, sizes, statements
from .request import Request

if TYPE_CHECKING:
    from ..server import Server
    from ..session import Session

_ASKING: Mapping[str, Callable[[Session, Request], dict[str, Any]]] = {
    "sessions": sessions.report,
    "statements": statements.report,
    "sizes": sizes.report,
    "bloat": bloat.report,
    "indexes": indexes.report,
    "explain": explain.report,
    "rows": rows.report,
}
ABOUT = tuple(_ASKING)
BY = statements.BY
_LOCK_TIMEOUT = "'2s'"

__all__ = ["ABOUT", "BY", "Request", "report"]


def report(server: Server, request: Request) -> dict[str, Any]:
    """The result of the module."""
    if request.most < 1:
        raise Refused("most is less than 1", remedy="set most to the number of rows to show")
    settings = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"'{request.timeout}s'",
        "lock_timeout": _LOCK_TIMEOUT,
    }
    with server.session(request.database, settings) as session:
        return _ASKING[request.about](session, request)
