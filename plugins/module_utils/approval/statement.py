# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What an approver says: one role's yes to one plan or one ended release, in one environment, until a moment."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import Refused

TYPE = "runbook.release/approval"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
ROLE = re.compile(r"[a-z0-9][a-z0-9_-]*")
VALIDITY = re.compile(r"(\d+)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Scope:
    """What is approved: a plan or what a release did, and where."""

    digest: str
    system: str
    environment: str

    def __post_init__(self) -> None:
        if not DIGEST.fullmatch(self.digest):
            raise Refused(
                f"digest is {self.digest!r}, not a digest",
                remedy="write it like sha256:<64 hexadecimal digits>, as the plan says it, or the head of the ledger",
            )
        for field in ("system", "environment"):
            if not getattr(self, field):
                raise Refused(f"{field} is empty", remedy=f"set {field}")


@dataclass(frozen=True)
class Statement:
    """The signed text is its canonical JSON, so each of its fields is bound."""

    scope: Scope
    role: str
    expires: datetime

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Statement:
        """Read a statement; KeyError, TypeError or ValueError if it is none."""
        scope = Scope(*(str(given[field]) for field in ("digest", "system", "environment")))
        found = cls(scope, checked_role(str(given["role"])), datetime.fromisoformat(given["expires"]))
        if found.fields() != given:
            raise ValueError("it has other fields than an approval")
        return found

    def fields(self) -> dict[str, str]:
        expires = self.expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"type": TYPE, "role": self.role, "expires": expires, **asdict(self.scope)}

    def text(self) -> bytes:
        return json.dumps(self.fields(), sort_keys=True, separators=(",", ":")).encode()

    def objection(self, scope: Scope, now: datetime) -> str:
        """Why it says nothing about ``scope`` at ``now``; empty if it does."""
        if replace(self.scope, digest=scope.digest) != scope:
            return f"it approves {self.scope.system} in {self.scope.environment}"
        if self.scope != scope:
            return f"it approves something else, {self.scope.digest}"
        if self.expires <= now:
            return f"it expired at {self.fields()['expires']}"
        return ""


def checked_role(role: str) -> str:
    if not ROLE.fullmatch(role):
        raise Refused(
            f"{role!r} is not the name of a role", remedy="use lower case letters, digits, hyphens and underscores"
        )
    return role


def validity(text: str) -> timedelta:
    """How long an approval is valid, from a text like ``24h``."""
    found = VALIDITY.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise Refused(f"valid is {text!r}, not a duration above 0", remedy="write it like 24h, 90m or 7d")
    return timedelta(seconds=int(found[1]) * SECONDS[found[2]])
