# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What Helm remembers about a release: its revisions, held in Secrets of the namespace."""

from __future__ import annotations

import base64
import gzip
import json
import time
import typing as t
from dataclasses import dataclass

from ..errors import ReleaseError
from ..kube.kinds import SECRET
from .content import parse
from .objects import Obj, labels_of, meta, name_of

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient

OWNER = "owner=helm"
DEPLOYED = "deployed"


@dataclass(frozen=True)
class Revision:
    """One revision of a release, as its Secret's labels tell."""

    release: str
    number: int
    status: str
    modified: float
    secret: str

    @property
    def pending(self) -> bool:
        return self.status.startswith("pending-")

    @property
    def deployed(self) -> bool:
        return self.status == DEPLOYED


def revisions(client: KubeClient, namespace: str, releases: t.Sequence[str]) -> dict[str, list[Revision]]:
    """The revisions of each release, newest first."""
    found: dict[str, list[Revision]] = {release: [] for release in releases}
    for secret in client.list_metadata(SECRET, namespace, labels=f"{OWNER},name in ({','.join(releases)})"):
        revision = _revision(secret)
        found[revision.release].append(revision)
    return {release: sorted(them, key=lambda one: -one.number) for release, them in found.items()}


def _revision(secret: Obj) -> Revision:
    labels = labels_of(secret)
    stamp = labels.get("modifiedAt") or labels.get("createdAt")
    moment = float(stamp) if stamp else _epoch(str(meta(secret).get("creationTimestamp", "")))
    return Revision(labels["name"], int(labels.get("version", 0)), labels.get("status", ""), moment, name_of(secret))


def _epoch(text: str) -> float:
    import calendar

    return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))) if text else 0.0


def decode(secret: Obj) -> dict[str, t.Any]:
    """The release inside a Helm Secret: JSON, gzipped, in base64 within the base64 of every Secret."""
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        plain = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
        record: dict[str, t.Any] = json.loads(plain)
    except (KeyError, ValueError, OSError) as error:
        raise ReleaseError(
            f"The Helm record cannot be read: {error}",
            where=f"Secret {name_of(secret)}",
            remedy="look at it with `helm history`; remove the Secret if it is damaged",
        ) from error
    return record


def encode(record: dict[str, t.Any]) -> str:
    packed = gzip.compress(json.dumps(record, separators=(",", ":")).encode())
    return base64.b64encode(base64.b64encode(packed)).decode()


def read(client: KubeClient, namespace: str, revision: Revision) -> dict[str, t.Any]:
    secret = client.get(SECRET, revision.secret, namespace)
    return decode(secret) if secret else {}


def manifest(record: dict[str, t.Any]) -> list[Obj]:
    return parse(record.get("manifest") or "", f"release {record.get('name', '')}")


def mark_failed(client: KubeClient, namespace: str, revision: Revision) -> None:
    """End an operation that died half-way, so that Helm accepts the next one. Refused if it moved meanwhile."""
    secret = client.get(SECRET, revision.secret, namespace)
    if secret is None:
        return
    record = decode(secret)
    record["info"]["status"] = "failed"
    record["info"]["description"] = f"was {revision.status}; its Helm process ended without a result"
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": secret["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/data/release", "value": encode(record)},
        {"op": "replace", "path": "/metadata/labels/status", "value": "failed"},
    ]
    client.json_patch(SECRET, revision.secret, operations, namespace)
