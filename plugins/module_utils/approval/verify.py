# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Are all approvals there? Roles, quorum, expiry, separation of duties; everything that does not count says why."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import Refused
from .records import Record, read
from .ssh import Approver, Unsigned
from .statement import Scope, checked_role


@dataclass(frozen=True)
class Policy:
    """Which roles have to approve, by how many people each, and who starts the release."""

    required: Mapping[str, int]
    starter: str

    @classmethod
    def of(cls, required: Mapping[str, Any], starter: str) -> Policy:
        """Check what is written; counts may come as text."""
        if not required:
            raise Refused("required names no role, so nobody would have to approve", remedy="name at least one role")
        counts = {checked_role(str(role)): str(count) for role, count in required.items()}
        for role, count in counts.items():
            if not count.isdecimal() or int(count) < 1:
                raise Refused(f"required.{role} is {count!r}", remedy="write how many people have to sign, at least 1")
        return cls({role: int(count) for role, count in counts.items()}, starter)


@dataclass(frozen=True)
class Approval:
    """A record that counts."""

    record: Record
    role: str
    expires: str
    approver: Approver

    def report(self) -> dict[str, str]:
        return {
            "role": self.role,
            "approver": self.approver.name,
            "key": self.approver.key,
            "expires": self.expires,
            "kind": self.record.kind,
            "file": str(self.record.path),
        }


@dataclass(frozen=True)
class Tally:
    """What the folder holds for one scope."""

    approvals: Sequence[Approval]
    rejected: Sequence[Mapping[str, str]]

    def count(self, role: str) -> int:
        """People who approved as ``role``: two keys of one person and one key of two people count once."""
        given = [one.approver for one in self.approvals if one.role == role]
        return min(len({one.name for one in given}), len({one.key for one in given}))

    def not_counted(self, roles: Collection[str]) -> str:
        """Why files that may have been meant for ``roles`` do not count."""
        reasons = [f"{Path(one['file']).name}: {one['reason']}" for one in self.rejected if one["role"] in {*roles, ""}]
        return f". Not counted: {'; '.join(reasons)}" if reasons else ""

    def report(self) -> dict[str, Any]:
        return {"approvals": [one.report() for one in self.approvals], "rejected": list(self.rejected)}

    def only(self, starter: str) -> bool:
        """Whether nobody but the starter approved."""
        return all(starter in one.approver.principals for one in self.approvals)


@dataclass(frozen=True)
class Case:
    """Where the approvals of a scope lie and who may give them."""

    folder: Path
    signers: Path
    scope: Scope

    def tally(self, roles: Collection[str], now: datetime) -> Tally:
        approvals, rejected = list[Approval](), list[dict[str, str]]()
        for record in read(self.folder):
            said = record.statement
            try:
                if said and (objection := said.objection(self.scope, now)):
                    raise Unsigned(objection)
                approver = record.approver(self.signers)
            except Unsigned as error:
                role = said.role if said else ""
                rejected.append({"file": str(record.path), "role": role, "reason": str(error)})
                continue
            if said and said.role in roles:
                approvals.append(Approval(record, said.role, said.fields()["expires"], approver))
        return Tally(approvals, rejected)

    def commands(self, roles: Iterable[str]) -> dict[str, str]:
        """What a person of each role types to approve."""
        shared = {**asdict(self.scope), "path": str(self.folder), "signers": str(self.signers)}
        options = {role: {"state": "signed", "role": role, **shared} for role in roles}
        given = {role: " ".join(f"{key}={shlex.quote(one[key])}" for key in one) for role, one in options.items()}
        return {
            role: f"ansible localhost -m runbook.release.release_approval -a {shlex.quote(text)}"
            for role, text in given.items()
        }


def verify(case: Case, policy: Policy, now: datetime) -> dict[str, Any]:
    """The approvals that count, or ``Refused`` with who is missing and how to sign."""
    found = case.tally(policy.required, now)
    missing = {role: count - found.count(role) for role, count in policy.required.items() if found.count(role) < count}
    if not missing and not found.only(policy.starter):
        return {"changed": False, "missing": {}, "commands": {}, **found.report()}
    if missing:
        counts = "; ".join(f"{role} ({found.count(role)} of {policy.required[role]})" for role in missing)
        what = f"Approvals of {case.scope.system} in {case.scope.environment} are missing: {counts}"
        what += found.not_counted(missing)
        who, commands = "each of them", case.commands(missing)
    else:
        what = f"{policy.starter} starts this release and is the only one who approved it"
        who, commands = "somebody else", case.commands(policy.required)
    raise Refused(
        what,
        where=str(case.folder),
        remedy=f"have {who} sign with {' ; '.join(commands.values())} (the result has them as commands)",
        missing=missing,
        commands=commands,
        **found.report(),
    )
