# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which images pods really run, by their digests, and whether they are those that were proven elsewhere. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..helm.objects import Obj, containers, meta, name_of, pod_template
from ..kube.readiness import selects

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RUNTIME = re.compile(r"^[a-z-]+://")
_STATUSES = ("initContainerStatuses", "containerStatuses")
SHOWN = 19

Images = Mapping[str, Sequence[str]]
"""The images of each component, as ``repository@sha256:…``, or the digest alone where the node knows no more."""


def digest_of(image: str) -> str:
    """Empty if the image is named by a tag only."""
    found = DIGEST.search(image)
    return found[0] if found else ""


def running(workloads: Iterable[Obj], pods: Sequence[Obj]) -> list[str]:
    """The images of the containers that these workloads ask for; what was put into their pods besides is left out.

    A container that does not say what it runs is told by the name it was asked for, without a digest.
    """
    found = {image for workload in workloads for pod in _of(workload, pods) for image in _images(workload, pod)}
    return sorted(found)


def _of(workload: Obj, pods: Sequence[Obj]) -> list[Obj]:
    selector = workload["spec"]["selector"]
    return [
        pod
        for pod in pods
        if not meta(pod).get("deletionTimestamp")
        and (pod.get("status") or {}).get("phase") == "Running"
        and selects(selector, meta(pod).get("labels") or {})
    ]


def _images(workload: Obj, pod: Obj) -> Iterator[str]:
    asked = {name_of({"metadata": one}): one for one in containers(pod_template(workload).get("spec") or {})}
    told = {one["name"]: one for part in _STATUSES for one in pod["status"].get(part) or []}
    for name, container in asked.items():
        given = _RUNTIME.sub("", str((told.get(name) or {}).get("imageID") or ""))
        yield given if digest_of(given) else str(container.get("image", ""))


def digests(images: Iterable[str]) -> set[str]:
    return {digest for digest in map(digest_of, images) if digest}


def unknown(components: Images) -> list[str]:
    """One sentence for each component of which it is not known what runs."""
    told = []
    for name, images in components.items():
        nameless = [image for image in images if not digest_of(image)]
        if not images:
            told.append(f"no pod of {name} runs")
        elif nameless:
            told.append(f"the digest of {', '.join(nameless)} of {name} is not known")
    return told


def unproven(components: Images, proven: Images) -> list[str]:
    """One sentence for each image that is not one of those its component was proven with."""
    told = []
    for name, images in components.items():
        known = digests(proven.get(name) or ())
        other = [image for image in images if digest_of(image) and digest_of(image) not in known]
        if not known:
            told.append(f"{name} was no part of it")
        elif other:
            with_what = ", ".join(sorted(digest[:SHOWN] for digest in known))
            told.append(f"{name} runs {', '.join(other)}, and was proven with {with_what}")
    return told


def unlike(pinned: Images, proven: Images) -> list[str]:
    """One sentence for each component that is pinned to digests of which none was proven."""
    return [
        f"{name} is pinned to {', '.join(sorted(one[:SHOWN] for one in digests(images)))}"
        for name, images in pinned.items()
        if digests(images) and not digests(images) & digests(proven.get(name) or ())
    ]
