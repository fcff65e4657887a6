# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stay for a system to run, to start again and to go back: digests and tags, with the reason of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..helm.objects import Obj, containers, pod_template, title
from ..kube.kinds import CRONJOB, DAEMONSET, DEPLOYMENT, JOB, POD, REPLICASET, STATEFULSET
from ..ledger.store import Store
from ..release.images import digest_of
from ..release.index import RELEASE, RELEASED, ROLLED_BACK, Attempt, Index, read
from ..release.register import index_of
from ..release.story import Story
from ..rollout.model import CONTROLLERREVISION
from ..rollout.revisions import template_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Live = Mapping[str, str]

KINDS = (POD, DEPLOYMENT, STATEFULSET, DAEMONSET, REPLICASET, CONTROLLERREVISION, JOB, CRONJOB)
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def in_namespace(client: KubeClient, namespace: str, image: str) -> Live:
    """What pods run, and what workloads ask for, also those without pods and the former revisions of each."""
    return asked_for(image, (one for kind in KINDS for one in client.list(kind, namespace)))


def in_index(client: KubeClient, namespace: str, lease: str) -> Live:
    """What is live and what was before it, as their releases recorded it, and what came after."""
    index = Index.of(index_of(client, namespace, lease).entries())
    found: dict[str, str] = {}
    for attempt in to_go_back_to(index):
        why = f"release {attempt.release} may be gone back to"
        images = Story.of(read(Store(client, namespace, attempt.release))).ended.get("images") or {}
        digests = filter(None, (digest_of(str(one)) for ones in images.values() for one in ones))
        found.update(dict.fromkeys([*tags_of(attempt.version), *digests], why))
    return found


def asked_for(image: str, objects: Iterable[Obj]) -> Live:
    found: dict[str, str] = {}
    for obj in objects:
        for reference in _references(obj):
            if name := _name_of(image, reference):
                found.setdefault(name, f"{title(obj)} names it")
    return found


def to_go_back_to(index: Index) -> list[Attempt]:
    """Of the two versions that were released last, and not taken back, the newest release; and what came after."""
    whole = [one.takes_back for one in index.attempts if one.verdict == ROLLED_BACK and not one.alone]
    stood = [one for one in index.attempts if one.verdict == RELEASED and one.release not in whole]
    versions = list(dict.fromkeys(one.version for one in reversed(stood)))[:2]
    first = max((one.number for one in stood if one.version in versions[-1:]), default=1)
    return [one for one in index.attempts if one.kind == RELEASE and one.number >= first]


def tags_of(version: str) -> list[str]:
    """How a version may be written as a tag, which has no plus."""
    bare = version.removeprefix("v")
    spelt = dict.fromkeys(bare.replace("+", joint) for joint in "+-_")
    return [f"{prefix}{one}" for one in spelt if one for prefix in ("", "v")]


def _references(obj: Obj) -> Iterator[str]:
    template = template_of(obj) if obj.get("kind") == CONTROLLERREVISION.kind and "data" in obj else pod_template(obj)
    spec = template.get("spec") or {}
    for container in (*containers(spec), *(spec.get("ephemeralContainers") or [])):
        yield str(container.get("image") or "")
    status = obj.get("status") or {}
    statuses: Sequence[Obj] = [one for part in _STATUSES for one in status.get(part) or []]
    for one in statuses:
        yield str(one.get("imageID") or "")


def _name_of(image: str, reference: str) -> str:
    """The digest that is named, or else the tag if it is one of this image, wherever a mirror keeps that."""
    if digest := digest_of(reference):
        return digest
    path, _colon, tag = reference.rpartition(":") if ":" in reference.rpartition("/")[2] else (reference, "", "latest")
    own = image.partition("/")[2]
    return tag if path and f"/{path}".endswith(f"/{own}") else ""
