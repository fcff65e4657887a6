# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which pods were started before what they read was changed. Pure, and the contents are never read.

The API server writes times in whole seconds. So the pods of a restart also carry the versions they were started with,
and a second run does not restart what started in the same second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..colours import PREFIX
from ..errors import Refused
from ..helm.objects import Obj, annotations_of, kind_name, meta, name_of
from ..rollout.model import Key, titled

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
STARTED_WITH = PREFIX + "started-with"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass(frozen=True)
class Changes:
    """When the newest of some objects was changed, and the version of each."""

    at: str
    versions: Mapping[str, str]

    def text(self) -> str:
        return json.dumps(self.versions, sort_keys=True, separators=(",", ":"))


def changes_of(named: Sequence[Key], found: Iterable[Obj], where: str) -> Changes:
    """``found`` are objects by their metadata; the newest write that was not about a status is the last change."""
    there = {(kind_name(obj), name_of(obj)): obj for obj in found}
    missing = [titled(key) for key in named if key not in there]
    if missing:
        raise Refused(
            f"There is no {', no '.join(missing)}. Nothing was restarted",
            where=where,
            remedy="correct after_change_of",
        )
    versions = {"/".join(key): str(meta(there[key])["resourceVersion"]) for key in named}
    return Changes(max(_changed(there[key]) for key in named), versions)


def _changed(obj: Obj) -> str:
    writes = [one for one in meta(obj).get("managedFields") or [] if not one.get("subresource")]
    return max((str(one.get("time") or "") for one in writes), default="") or str(meta(obj)["creationTimestamp"])


def since(text: str) -> Changes:
    if not _MOMENT.fullmatch(text):
        raise Refused(
            f"{text!r} is no moment", where="option since", remedy="write it in UTC, such as 2026-11-21T16:00:00Z"
        )
    return Changes(text[:19] + "Z", {})


def stale(pods: Iterable[Mapping[str, Any]], changes: Changes) -> list[str]:
    """Names of the pods that may not have it; what started in the very second of the change may not."""
    return sorted(name_of(dict(pod)) for pod in pods if not _has(dict(pod), changes))


def _has(pod: Obj, changes: Changes) -> bool:
    if meta(pod).get("deletionTimestamp"):
        return True
    started = str(meta(pod)["creationTimestamp"])
    known = annotations_of(pod).get(STARTED_WITH)
    return (
        started > changes.at
        or bool(changes.versions and known == changes.text())
        or (not changes.versions and started == changes.at)
    )


def marks(moment: str, changes: Changes | None) -> dict[str, str]:
    """What the pod template says after a restart."""
    return {RESTARTED_AT: moment, **({STARTED_WITH: changes.text()} if changes and changes.versions else {})}
