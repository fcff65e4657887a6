# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What an entry said before it answered from the maintenance page, in an annotation of its own. Pure.

The patch that changes the entry writes it, so no entry is ever in maintenance without saying how it comes back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import Refused, ReleaseError

MAINTENANCE = "runbook.release/maintenance"
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """``by`` is what it is on for; ``was`` and ``now`` map JSON pointers to the values before and since.

    ``beside`` maps to what tells the rules of these places apart, None where nothing was said. It is empty in a record
    of an earlier version.
    """

    by: str
    who: str
    since: str
    was: Values
    now: Values
    beside: Values = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


def record_of(obj: Mapping[str, Any]) -> Record | None:
    """What the entry says about its maintenance."""
    text = (obj["metadata"].get("annotations") or {}).get(MAINTENANCE)
    if text is None:
        return None
    try:
        said = json.loads(text)
        was, now, beside = dict(said["was"]), dict(said["now"]), dict(said.get("beside") or {})
        return Record(str(said["by"]), str(said["who"]), str(said["since"]), was, now, beside)
    except (ValueError, KeyError, TypeError):
        raise ReleaseError(
            f"{obj.get('kind', 'The entry')} {obj['metadata']['name']} has an annotation {MAINTENANCE} that nobody can "
            f"read: {text}",
            where=f"namespace {obj['metadata'].get('namespace', '')}",
            remedy="make it answer as it should and remove the annotation",
        ) from None


def refuse_maintained(kind: str, obj: Mapping[str, Any], where: str) -> None:
    """Nothing that an entry says counts while it answers from the maintenance page."""
    record = record_of(obj)
    if record is not None:
        raise Refused(
            f"{kind} {obj['metadata']['name']} answers from the maintenance page since {record.since}, by {record.who}",
            where=where,
            remedy="wait for that run of maintenance.yml to end; if it is dead, run this again once nobody holds the "
            "lock, or with -e release_takeover=true and a release_reason, which lifts it",
        )
