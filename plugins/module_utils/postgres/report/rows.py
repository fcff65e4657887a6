# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of one statement, for an extract that is kept: of an audit log, for example."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...errors import Refused, ReleaseError
from . import cursor
from .request import Request

if TYPE_CHECKING:
    from ..session import Session

_BEFORE = "select coalesce(json_agg(r), json_build_array()) from (select * from ("


def report(session: Session, request: Request) -> dict[str, Any]:
    """One row more than asked for is read, to know whether there are more."""
    try:
        text = cursor.read(session, request.statement, _BEFORE, f"\\n) q limit {request.most + 1}) r")
    except ReleaseError as error:
        raise Refused(
            f"the rows cannot be read: {error.what}", remedy="correct statement: one SELECT, which changes nothing"
        ) from error
    found = json.loads(text)
    rows = found[: request.most]
    more = ", and there are more" if len(found) > len(rows) else ""
    return {"summary": [f"{len(rows)} rows{more}"], "rows": rows, "whole": not more}
