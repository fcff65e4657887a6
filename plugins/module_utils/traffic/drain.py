# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Drain: connections opened before a switch stay on the old side until their clients close them; wait and count."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Forbidden, ReleaseError
from ..kube.kinds import POD
from .entry import Obj, Side

if TYPE_CHECKING:
    from ..kube.client import KubeClient

INTERVAL = 1.0
QUIET = 3.0
ONE_READING = 30.0
NOT_ALL = (None, "the time was up before all were asked")
ESTABLISHED = "01"
HEADING = "local_address"
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
READERS = (
    ("cat", *TABLES),
    ("busybox", "cat", *TABLES),
    ("python3", "-c", "import sys\nfor name in sys.argv[1:]: print(open(name).read())", *TABLES),
)


@dataclass(frozen=True)
class Drained:
    """`connected` is None where it cannot be counted; `stale` counts answers of the old version the witness saw."""

    seconds: float
    connected: int | None
    reason: str = ""
    stale: int | None = None

    def report(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 2),
            "connected": self.connected,
            "reason": self.reason,
            "stale": self.stale,
        }


class Uncountable(Exception):
    """The connections of a pod cannot be read; says why."""


class TimeUp(Exception):
    """The budget was spent before every pod was asked."""


def drain(client: KubeClient, namespace: str, old: Side, budget: float, witness: str = "") -> Drained:
    """Wait until nobody is connected to the old side, at most `budget` seconds; tells the last count that was complete.

    One that the end of the budget cuts short is none.
    """
    began, since = time.monotonic(), time.time()
    deadline = began + budget
    selector = ",".join(f"{key}={value}" for key, value in sorted(old.selector.items()))
    pods = [pod for pod in client.list(POD, namespace=namespace, labels=selector) if _is_running(pod)]
    connected, reason = _count(client, namespace, pods, old, deadline) or NOT_ALL
    while True:
        stale, quiet = _stale(witness, old.version, since)
        spent = time.monotonic() - began
        if connected == 0 or (connected is None and quiet) or spent >= budget:
            return Drained(spent, connected, reason, stale)
        time.sleep(min(INTERVAL, budget - spent))
        if connected is not None:
            connected, reason = _count(client, namespace, pods, old, deadline) or (connected, reason)


def established(table: str, ports: Iterable[int]) -> int:
    """Connections from elsewhere to `ports` in the text of /proc/net/tcp and tcp6."""
    wanted = set(ports)
    count = 0
    for line in table.splitlines():
        columns = line.split()
        if len(columns) < 4 or columns[0] == "sl" or columns[3] != ESTABLISHED:
            continue
        remote = columns[2].partition(":")[0]
        local_port = int(columns[1].partition(":")[2], 16)
        count += local_port in wanted and remote not in LOOPBACK
    return count


def target_ports(service: Obj, pod: Obj) -> Iterator[int]:
    """The ports of a pod a Service sends to."""
    named = {
        port["name"]: int(port["containerPort"])
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or []
        if "name" in port
    }
    for port in service["spec"].get("ports") or []:
        target = port.get("targetPort", port["port"])
        if target in named:
            yield named[target]
        elif isinstance(target, int):
            yield target


def _count(
    client: KubeClient, namespace: str, pods: list[Obj], old: Side, deadline: float
) -> tuple[int | None, str] | None:
    """How many, or why they cannot be counted; None when the time was up first."""
    try:
        return sum(_connected(client, namespace, pod, old.obj or {}, deadline) for pod in pods), ""
    except Uncountable as exc:
        return None, str(exc)
    except TimeUp:
        return None


def _connected(client: KubeClient, namespace: str, pod: Obj, service: Obj, deadline: float) -> int:
    """All containers of a pod share its network, so the first that can be read speaks for it."""
    name = pod["metadata"]["name"]
    for container in pod["spec"]["containers"]:
        for argv in READERS:
            limit = min(ONE_READING, _left(deadline))
            try:
                _code, output = client.exec(name, namespace, container["name"], list(argv), limit)
            except Forbidden as exc:
                raise Uncountable(exc.what) from exc
            except ReleaseError:
                continue
            if HEADING in output:
                return established(output, target_ports(service, pod))
    _left(deadline)  # what time cut short does not say that nothing can be read
    commands = ", ".join(argv[0] for argv in READERS)
    raise Uncountable(f"no container of pod {name} can read {TABLES[0]}: none has {commands}")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeUp
    return left


def _stale(witness: str, version: str, since: float) -> tuple[int | None, bool]:
    """Answers of the old version since the drain began, and whether there were none for a while."""
    if not witness:
        return None, False
    from ..witness.log import read

    tally = read(witness, since=since)
    recent = read(witness, since=max(since, time.time() - QUIET))
    stale, late = (seen.by_version[version].sent if version in seen.by_version else 0 for seen in (tally, recent))
    return stale, time.time() - since >= QUIET and not late and recent.sent > 0


def _is_running(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running"
