# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One statement of somebody else, in a transaction that is read only and rolled back."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

from ...errors import ReleaseError

if TYPE_CHECKING:
    from ..session import Session

_RESULT = "runbook.result"
_READ = f"select current_setting('{_RESULT}') as text"


def read(session: Session, statement: str, before: str, after: str = "") -> str:
    """The first column of what it says with ``before`` and ``after`` around it, a line for each row."""
    session.run("begin transaction read only")
    try:
        session.run(block_of(statement, before, after))
        return str(session.rows(_READ)[0]["text"])
    finally:
        with contextlib.suppress(ReleaseError):
            session.run("rollback")


def block_of(statement: str, before: str, after: str = "") -> str:
    """A block that runs it by a cursor, which takes one statement and refuses a second one behind it."""
    mark = f"$s{secrets.token_hex(8)}$"
    body, block = f"{mark}{statement.strip().rstrip(';')}{mark}", mark.replace("s", "b", 1)
    return f"""do {block}
declare line text; lines text := '';
begin
  for line in execute '{before}' || {body} || E'{after}' loop
    lines := lines || line || chr(10);
  end loop;
  perform set_config('{_RESULT}', lines, true);
end {block}"""
