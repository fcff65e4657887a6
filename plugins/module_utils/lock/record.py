# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A lock as its Lease holds it: who, since when, for how long, and the fencing token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..colours import PREFIX
from ..errors import Refused
from ..kube.patches import pointer

TOKEN = PREFIX + "token"
CLAIM = PREFIX + "claim"
TAKEN_OVER = PREFIX + "taken-over"
FIELDS = ("leaseDurationSeconds", "acquireTime", "renewTime")

Obj = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One state of a lock. ``holder`` is empty after a release; ``token`` is that of the newest acquisition.

    ``claim`` is unlike that of every other acquisition, so that two attempts that agree in all the rest stay apart.
    """

    holder: str
    token: int
    claim: str
    ttl: int
    since: datetime
    renewed: datetime
    taken_over: Mapping[str, Any] | None = None
    version: str = ""

    @classmethod
    def of(cls, lease: Obj) -> Record:
        """Read a Lease, unless it belongs to something else."""
        said, spec = lease["metadata"].get("annotations") or {}, lease.get("spec") or {}
        missing = [name for name in (TOKEN, CLAIM) if name not in said] + [name for name in FIELDS if name not in spec]
        if missing:
            raise Refused(
                f"The Lease is not a lock of this collection: it lacks {', '.join(missing)}",
                where=f"Lease {lease['metadata'].get('namespace', '')}/{lease['metadata']['name']}",
                remedy="give the lock a name of its own, or delete the Lease if nothing uses it",
            )
        return cls(
            holder=spec.get("holderIdentity") or "",
            token=int(said[TOKEN]),
            claim=said[CLAIM],
            ttl=spec["leaseDurationSeconds"],
            since=datetime.fromisoformat(spec["acquireTime"]),
            renewed=datetime.fromisoformat(spec["renewTime"]),
            taken_over=json.loads(said[TAKEN_OVER]) if TAKEN_OVER in said else None,
            version=lease["metadata"].get("resourceVersion", ""),
        )

    def remaining(self, now: datetime) -> int:
        """Whole seconds for which nobody may take the lock from its holder; below zero when that time is over.

        Both moments are cut to whole seconds, so only a difference above the TTL proves that the TTL is over.
        """
        return self.ttl - int((now - self.renewed) / timedelta(seconds=1))

    def expired(self, now: datetime) -> bool:
        return self.remaining(now) < 0

    def shown(self) -> dict[str, Any]:
        """For people and for results."""
        return {
            "holder": self.holder,
            "token": self.token,
            "ttl": self.ttl,
            "since": moment(self.since),
            "renewed": moment(self.renewed),
        }

    def body(self, name: str) -> Obj:
        """The Lease to create."""
        return {"metadata": {"name": name, "annotations": self._annotations()}, "spec": self._spec()}

    def ops(self, before: Record) -> list[Obj]:
        """The JSON patch that makes ``before`` this one, if nobody wrote the Lease meanwhile."""
        have = before._annotations()
        changed = {key: value for key, value in self._annotations().items() if have.get(key) != value}
        return [
            {"op": "test", "path": "/metadata/resourceVersion", "value": before.version},
            *({"op": "add", "path": pointer("metadata", "annotations", key), "value": changed[key]} for key in changed),
            {"op": "add", "path": "/spec", "value": self._spec()},
        ]

    def _annotations(self) -> dict[str, str]:
        taken_over = json.dumps(self.taken_over, sort_keys=True, separators=(",", ":"))
        return {
            TOKEN: str(self.token),
            CLAIM: self.claim,
            **({} if self.taken_over is None else {TAKEN_OVER: taken_over}),
        }

    def _spec(self) -> Obj:
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.ttl,
            "acquireTime": f"{self.since:%Y-%m-%dT%H:%M:%S.%fZ}",
            "renewTime": f"{self.renewed:%Y-%m-%dT%H:%M:%S.%fZ}",
        }


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
