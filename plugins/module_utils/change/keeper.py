# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The Job in the cluster that puts back what is temporary about one object, with rights to that object only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..colours import PREFIX
from ..helm.objects import Obj, name_of
from ..kube.kinds import JOB, Kind
from ..release import pod_api
from ..release.pod_keep import absent
from ..release.pod_program import Image, Program, rule
from . import put_back, put_back_job
from .observe import CREATES
from .put_back import title_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

LABEL = PREFIX + "put-back"
LONGEST = 52


def job_name(obj: Mapping[str, object]) -> str:
    """Of the object; two whose names are too long to be told apart have different ones all the same."""
    title = title_of(obj)
    plain = re.sub(r"[^a-z0-9]+", "-", title.lower())
    name = f"put-back-{plain}"
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{hashlib.sha256(title.encode()).hexdigest()[:8]}"


def keeper(kind: Kind, obj: Obj, namespace: str, records: Mapping[str, Obj], image: Image) -> Program:
    """``records`` are what the object says when the change is made."""
    rules = [rule(kind, name_of(obj), "get", "patch")]
    made = [one["created"] for one in records.values() if one.get("created")]
    rules += [rule(CREATES[one["kind"]], one["name"], "get", "delete") for one in made]
    name = job_name(obj)
    return Program(
        name,
        namespace,
        (LABEL, name),
        "Job that puts it back",
        "put-back",
        (pod_api, put_back, put_back_job),
        {"title": title_of(obj), "path": kind.path(namespace, name_of(obj)), "rules": rules},
        {namespace: rules},
        image,
        ends_alone=True,
    )


def dismiss(client: KubeClient, obj: Obj, namespace: str) -> None:
    """Nothing is temporary about the object any more."""
    if client.get(JOB, job_name(obj), namespace):
        absent(client, job_name(obj), namespace)
