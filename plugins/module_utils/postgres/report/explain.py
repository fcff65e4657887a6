# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one statement. It is planned and never run, in a transaction that is read only and rolled back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...errors import Refused, ReleaseError
from . import cursor
from .request import Request

if TYPE_CHECKING:
    from ..session import Session

_MAJOR = "select current_setting('server_version_num')::int / 10000 as major"
_FIRST_WITH_GENERIC_PLANS = 16
_PARAMETER = re.compile(r"\$\d")


def report(session: Session, request: Request) -> dict[str, Any]:
    """Behind options in parentheses the word ANALYZE, which would run the statement, is none."""
    options = "costs"
    if _PARAMETER.search(request.statement):
        if session.rows(_MAJOR)[0]["major"] < _FIRST_WITH_GENERIC_PLANS:
            raise Refused(
                "a statement with parameters can be planned from PostgreSQL 16 on only",
                remedy="write values in the place of $1, $2 …",
            )
        options = "costs, generic_plan"
    try:
        lines = cursor.read(session, request.statement, f"explain ({options}) ").splitlines()
    except ReleaseError as error:
        raise Refused(f"the statement cannot be planned: {error.what}", remedy="correct statement") from error
    return {"summary": [lines[0].strip()] if lines else [], "steps": lines}
