# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The evidence of some workloads, read from the cluster and kept as files only their owner can read."""

from __future__ import annotations

import json
import os
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import ReleaseError
from ..kube.evidence import collect
from ..kube.follow import Followed, Wanted, follow
from ..kube.kinds import POD, REPLICASET
from ..kube.readiness import pods_of, workload_ready
from .access import write_private
from .objects import Obj, name_of, title

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient

FOLLOWED = "followed.log"
LAST_LINES = 3
LOG_LINES = 500


def gather(
    client: KubeClient, namespace: str, workloads: t.Sequence[Obj], everything: bool = False
) -> dict[str, t.Any]:
    """Logs, events and conditions of every pod the workloads have, of any revision."""
    pods = pods_behind(client, namespace, workloads)
    return collect(client, namespace, pods, workloads, lines=LOG_LINES, everything=everything)


def pods_behind(client: KubeClient, namespace: str, workloads: t.Sequence[Obj]) -> list[t.Mapping[str, t.Any]]:
    """Every pod the workloads have, of any revision."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        listing = pool.submit(client.list, POD, namespace)
        sets = client.list(REPLICASET, namespace)
        pods = {name_of(dict(pod)): pod for one in workloads for pod in pods_of(one, listing.result(), sets)}
    return list(pods.values())


def follow_into(
    client: KubeClient, namespace: str, workloads: t.Sequence[Obj], wanted: Wanted, folder: str
) -> tuple[str, Followed]:
    """The file that each line is in as soon as it has come, and what came."""
    pods = pods_behind(client, namespace, workloads)
    [path] = keep(folder, {FOLLOWED: ""})
    with open(path, "a", encoding="utf-8", buffering=1) as file:
        return path, follow(client, pods, wanted, lambda line: file.write(f"{line}\n"))


def summary(whose: str, workloads: t.Sequence[Obj], evidence: t.Mapping[str, t.Any]) -> list[str]:
    """What a person reads first: what is missing, why, and the last words of what failed."""
    if not workloads:
        return [f"{whose} has no workloads"]
    lines = [_state(workload) for workload in workloads]
    for pod in evidence["pods"]:
        if pod["problem"]:
            lines.append(pod["problem"])
        for container in pod["containers"]:
            if not container["ready"]:
                said = container["log"].strip() or container["previous_log"].strip()
                lines += [f"{pod['name']} {container['name']}: {line}" for line in said.splitlines()[-LAST_LINES:]]
    return lines + [f"could not be read: {text}" for text in evidence["unreadable"]]


def _state(workload: Obj) -> str:
    readiness = workload_ready(workload)
    state = "; ".join(readiness.missing) or "ready"
    return f"{title(workload)}: {readiness.ready} of {readiness.desired} pods ready ({state})"


def contents(lines: t.Sequence[str], evidence: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The bundle, by the names of its files, the summary first."""
    found = {"summary.txt": "".join(f"{line}\n" for line in lines)}
    for pod in evidence["pods"]:
        for container in pod["containers"]:
            for which, suffix in (("log", "log"), ("previous_log", "previous.log")):
                if container[which]:
                    found[f"{pod['name']}.{container['name']}.{suffix}"] = container[which]
    found["events.txt"] = "".join(_event(event) for event in evidence["events"])
    found["evidence.json"] = json.dumps(evidence, indent=2, default=str)
    return found


def is_kept(folder: str, found: t.Mapping[str, str]) -> bool:
    """Whether all these files are there and say just that."""
    try:
        return all(Path(folder, name).read_bytes() == text.encode() for name, text in found.items())
    except OSError:
        return False


def keep(folder: str, found: t.Mapping[str, str]) -> list[str]:
    """The paths of the files."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.chmod(folder, 0o700)
        return [write_private(os.path.join(folder, name), text) for name, text in found.items()]
    except OSError as error:
        raise ReleaseError(
            f"The evidence cannot be written: {error.strerror}", where=folder, remedy="give a path that can be written"
        ) from error


def _event(event: t.Mapping[str, t.Any]) -> str:
    return (
        f"{event['last']} {event['type']:7} x{event['count']} {event['object']} {event['reason']}: {event['message']}\n"
    )
