# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one statement. It is planned and never run, in a transaction that is read only and rolled back."""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import TYPE_CHECKING, Any

from ...errors import Refused, ReleaseError
from .request import Request

if TYPE_CHECKING:
    from ..session import Session

_MAJOR = "select current_setting('server_version_num')::int / 10000 as major"
_FIRST_WITH_GENERIC_PLANS = 16
_PARAMETER = re.compile(r"\$\d")
_RESULT = "runbook.explained"
_READ = f"select current_setting('{_RESULT}') as plan"


def report(session: Session, request: Request) -> dict[str, Any]:
    options = "costs"
    if _PARAMETER.search(request.statement):
        if session.rows(_MAJOR)[0]["major"] < _FIRST_WITH_GENERIC_PLANS:
            raise Refused(
                "a statement with parameters can be planned from PostgreSQL 16 on only",
                remedy="write values in the place of $1, $2 …",
            )
        options = "costs, generic_plan"
    session.run("begin transaction read only")
    try:
        session.run(block_of(request.statement, options))
        lines = session.rows(_READ)[0]["plan"].splitlines()
    except ReleaseError as error:
        raise Refused(f"the statement cannot be planned: {error.what}", remedy="correct statement") from error
    finally:
        with contextlib.suppress(ReleaseError):
            session.run("rollback")
    return {"summary": [lines[0].strip()] if lines else [], "steps": lines}


def block_of(statement: str, options: str) -> str:
    """A block that explains it by a cursor, which takes one statement and refuses a second one behind it.

    Behind options in parentheses the word ANALYZE, which would run the statement, is none.
    """
    mark = f"$s{secrets.token_hex(8)}$"
    return f"""do {mark.replace("s", "b", 1)}
declare line text; lines text := '';
begin
  for line in execute 'explain ({options}) ' || {mark}{statement.strip().rstrip(";")}{mark} loop
    lines := lines || line || chr(10);
  end loop;
  perform set_config('{_RESULT}', lines, true);
end {mark.replace("s", "b", 1)}"""
