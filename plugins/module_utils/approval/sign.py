# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Give an approval: look whether it is there, sign, prove that the signature counts, keep it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import Refused
from . import ssh
from .records import Record, file_of, read, signers_of, write
from .ssh import Unsigned
from .statement import Scope, Statement


@dataclass(frozen=True)
class Signing:
    """One request to approve ``scope`` as ``role`` with ``key``."""

    scope: Scope
    role: str
    key: Path
    valid: timedelta
    folder: Path
    signers: Path


@dataclass(frozen=True)
class Signed:
    """The approval before and after."""

    file: Path
    statement: Statement
    approver: str
    key: str
    before: Statement | None
    changed: bool

    def report(self) -> dict[str, Any]:
        fields = self.statement.fields()
        given = {"role": self.statement.role, "approver": self.approver, "key": self.key, "expires": fields["expires"]}
        return {"changed": self.changed, "approvals": [{**given, "kind": "ssh", "file": str(self.file)}]}

    def diff(self) -> dict[str, Any]:
        return {
            "before_header": str(self.file),
            "after_header": str(self.file),
            "before": self.before.fields() if self.before else {},
            "after": self.statement.fields(),
        }


def sign(asked: Signing, now: datetime, *, dry_run: bool = False) -> Signed:
    """Sign unless this key's approval is there and valid; in a dry run nothing is signed or written."""
    key = ssh.fingerprint(asked.key)
    wanted = Statement(asked.scope, asked.role, (now + asked.valid).replace(microsecond=0))
    file = file_of(asked.folder, wanted, key)
    before = next((record for record in read(asked.folder) if record.path == file), None)
    standing = before.statement if before else None
    if before and standing and not standing.objection(asked.scope, now):
        approver = _standing(before, asked.signers)
        if approver:
            return Signed(file, standing, approver, key, standing, changed=False)
    if dry_run:
        return Signed(file, wanted, "", key, standing, changed=True)
    signature = ssh.sign(asked.key, wanted.text())
    try:
        found = ssh.verify(signers_of(asked.signers, asked.role), wanted.text(), signature)
    except Unsigned as error:
        raise Refused(
            f"The signature with {asked.key} would not count for {asked.role}: {error}",
            where=str(signers_of(asked.signers, asked.role)),
            remedy="sign with a key that is listed there, or have yours added by who maintains the file",
        ) from error
    write(file, wanted, signature)
    return Signed(file, wanted, found.name, key, standing, changed=True)


def _standing(record: Record, signers: Path) -> str:
    try:
        return record.approver(signers).name
    except Unsigned:
        return ""
