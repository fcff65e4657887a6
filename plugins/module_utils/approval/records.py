# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Approvals as files in a folder, and the kinds of proof they may carry.

A record is ``{"kind": …, "statement": …}`` and what its kind adds. A further kind, such as the approval node of AWX, is
one more function in ``KINDS``: from the record's text, its other fields and the folder of the allowed signers to the
approver, or ``Unsigned``.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ReleaseError
from . import ssh
from .ssh import Approver, Unsigned
from .statement import Statement

Proof = Callable[[Statement, Mapping[str, Any], Path], Approver]


@dataclass(frozen=True)
class Record:
    """One file; ``statement`` is None when it cannot be read as one."""

    path: Path
    kind: str
    statement: Statement | None
    fields: Mapping[str, Any]

    def approver(self, signers: Path) -> Approver:
        """Who gave it, proven; ``Unsigned`` otherwise."""
        if self.statement is None:
            raise Unsigned(f"it is not an approval: {self.fields.get('why', '')}")
        if self.kind not in KINDS:
            raise Unsigned(f"its kind {self.kind!r} is not one of {', '.join(KINDS)}")
        return KINDS[self.kind](self.statement, self.fields, signers)


def signers_of(signers: Path, role: str) -> Path:
    """The allowed_signers file of a role."""
    return signers / f"{role}.allowed_signers"


def _by_ssh(statement: Statement, fields: Mapping[str, Any], signers: Path) -> Approver:
    return ssh.verify(signers_of(signers, statement.role), statement.text(), str(fields.get("signature", "")))


KINDS: dict[str, Proof] = {"ssh": _by_ssh}


def read(folder: Path) -> list[Record]:
    """Every record of the folder, by name; none when there is no folder."""
    return [_record(path) for path in sorted(folder.glob("*.json"))]


def _record(path: Path) -> Record:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return Record(path, str(given["kind"]), Statement.of(given["statement"]), given)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ReleaseError) as error:
        return Record(path, "", None, {"why": f"{type(error).__name__}: {error}"})


def file_of(folder: Path, statement: Statement, key: str) -> Path:
    """Where the approval of a key is kept; a newer one of the same key, role and scope takes its place."""
    scope = json.dumps([statement.scope.digest, statement.scope.system, statement.scope.environment, key])
    return folder / f"{statement.role}-{hashlib.sha256(scope.encode()).hexdigest()[:16]}.json"


def write(path: Path, statement: Statement, signature: str) -> None:
    """Put the record there at once and whole, readable by its owner only."""
    text = json.dumps({"kind": "ssh", "statement": statement.fields(), "signature": signature}, indent=2) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".approval-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise ReleaseError(
            f"The approval cannot be written: {error.strerror}", where=str(path), remedy="choose a folder you may write"
        ) from error
