# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The Job that runs a command of a migration, made from the pods of a workload or from a given pod spec. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..ledger.canonical import digest

Obj = dict[str, Any]

MIGRATION, DATABASE, DIGEST = (f"runbook.release/{word}" for word in ("migration", "database", "digest"))
KEPT_FOR = 24 * 3600
GRACE = 60
_NOT_OF_A_JOB = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports")
_LONGEST = 40


@dataclass(frozen=True)
class Task:
    """What a Job is for.

    ``pod`` is the pod spec it is made from, of which only ``container`` is kept; ``options`` are for its sessions.
    """

    namespace: str
    migration: str
    database: str
    release: str
    image: str
    pod: Mapping[str, Any]
    container: str
    timeout: int
    options: str

    def digest(self, argv: Sequence[str]) -> str:
        """The same for the same command of the same migration in the same release."""
        return digest([self.release, self.migration, self.image, list(argv), dict(self.pod)])[:12]

    def labels(self, argv: Sequence[str]) -> dict[str, str]:
        return {
            "app.kubernetes.io/managed-by": "runbook.release",
            MIGRATION: slug(self.migration),
            DATABASE: slug(self.database),
            DIGEST: self.digest(argv),
        }


def job_of(task: Task, argv: Sequence[str], number: int) -> Obj:
    """One attempt: it is never started again by itself, and stays for a day to be looked at.

    Its own deadline, which takes the logs with it, is for a Job whose run was killed.
    """
    labels = task.labels(argv)
    return {
        "metadata": {"name": f"migrate-{slug(task.migration)}-{labels[DIGEST]}-{number}", "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": task.timeout + GRACE,
            "ttlSecondsAfterFinished": KEPT_FOR,
            "template": {"metadata": {"labels": labels}, "spec": _pod(task, argv)},
        },
    }


def _pod(task: Task, argv: Sequence[str]) -> Obj:
    spec = copy.deepcopy(dict(task.pod))
    container = _container(spec.get("containers") or [], task.container)
    for key in _NOT_OF_A_JOB:
        container.pop(key, None)
    container.update(image=task.image, command=list(argv), args=[])
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    env = [one for one in container.get("env") or [] if one["name"] != "PGOPTIONS"]
    own = next((one.get("value") for one in container.get("env") or [] if one["name"] == "PGOPTIONS"), "") or ""
    container["env"] = [*env, {"name": "PGOPTIONS", "value": f"{own} {task.options}".strip()}]
    spec.pop("initContainers", None)
    return {**spec, "containers": [container], "restartPolicy": "Never"}


def _container(containers: Sequence[Obj], name: str) -> Obj:
    found = [one for one in containers if one["name"] == (name or one["name"])]
    if not found:
        names = ", ".join(one["name"] for one in containers) or "none"
        raise Refused(f"There is no container {name or 'at all'}, only {names}", remedy="name it with job.container")
    return found[0]


def slug(text: str) -> str:
    """A name as labels and objects may have it; two that are alike only in that form get different ones."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-")
    return plain if plain == text else f"{plain[: _LONGEST - 7].strip('-')}-{digest(text)[:6]}".strip("-")


def outcome(job: Mapping[str, Any]) -> tuple[str, str] | None:
    """``Complete`` or ``Failed`` with the reason; None while it runs."""
    for one in (job.get("status") or {}).get("conditions") or []:
        if one["type"] in ("Complete", "Failed") and one["status"] == "True":
            return str(one["type"]), ": ".join(filter(None, (one.get("reason"), one.get("message"))))
    return None


def image_of(job: Mapping[str, Any]) -> str:
    return str(job["spec"]["template"]["spec"]["containers"][0]["image"])


def number_of(job: Mapping[str, Any]) -> int:
    """Which attempt it is."""
    return int(str(job["metadata"]["name"]).rpartition("-")[2])
