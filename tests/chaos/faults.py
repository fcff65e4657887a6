# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a release from outside: API server stopped, disk full, lock stolen, clock wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import keep

from .site import NAMESPACE, Site

CLIENTS = ("runbook.release", "Helm", "OpenAPI-Generator")
FULL_DISK = 'mount -t tmpfs -o size=4096 none "$0" && head -c 4096 /dev/zero > "$0/filler"; exec "$@"'


@contextmanager
def stopped_api_server(seconds: float) -> Iterator[None]:
    """Halts the API server of the cluster the tests run on; it wakes up after that time, or when the block ends."""
    pid = _api_server()
    waker = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
    os.kill(pid, signal.SIGSTOP)
    waker.start()
    try:
        yield
    finally:
        waker.cancel()
        os.kill(pid, signal.SIGCONT)


def _api_server() -> int:
    """The process that writes the audit log of this cluster, and no other cluster's."""
    mine = f"--audit-log-path={os.environ['AUDIT_LOG']}"
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        program, *arguments = entry.read_bytes().decode(errors="replace").split("\0")
        if program.endswith("/kube-apiserver") and mine in arguments:
            return int(entry.parent.name)
    raise AssertionError("the API server is not a process of this machine")


def wrong_clock(folder: Path, seconds: int) -> dict[str, str]:
    """The environment of an operator whose clock is that far off; that of Helm and k6, which are static, is right."""
    library = folder / "wrong_clock.so"
    source = Path(__file__).with_name("wrong_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(seconds)}


def full_disk(folder: Path) -> list[str]:
    """What to run a command in that is to find no room in this folder."""
    folder.mkdir(parents=True)
    return ["unshare", "--mount", "sh", "-c", FULL_DISK, str(folder)]


def steal_lock(site: Site, thief: str) -> None:
    """Take the lock from whoever holds it, as a takeover would."""
    (lease,) = site.leases()
    where = f"{NAMESPACE}/{lease['metadata']['name']}"
    keep(site.client, Want(where, "held", thief, str(uuid.uuid4()), takeover=True, reason="stolen by chaos"))


@dataclass(frozen=True)
class Write:
    """A request that changed something; ``received`` by the API server, epoch seconds."""

    what: str
    received: float


@contextmanager
def audited_writes() -> Iterator[list[Write]]:
    """The writes to the namespace during the block that were sent by no part of the cluster itself."""
    found: list[Write] = []
    with Path(os.environ["AUDIT_LOG"]).open() as log:
        log.seek(0, os.SEEK_END)
        yield found
        found += [_write(event) for event in map(json.loads, log) if _is_ours(event)]


def _write(event: dict[str, Any]) -> Write:
    received = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
    return Write(f"{event['verb']} {event['requestURI']}", received)


def _is_ours(event: dict[str, Any]) -> bool:
    inside = event.get("objectRef", {}).get("namespace") == NAMESPACE and "dryRun=All" not in event["requestURI"]
    return inside and event["userAgent"].startswith(CLIENTS)
