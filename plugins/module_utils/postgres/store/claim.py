# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is writing a draft where no lock can be held: a note that its writer renews while it lives."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

RENEWED_EVERY = 60.0
EXPIRES_AFTER = 900.0
"""Seconds without a renewal, by the store's clock, after which a writer of another machine counts as gone."""


@dataclass(frozen=True)
class Holder:
    """A process that no other process is ever mistaken for: ``world`` is the boot and the PID namespace it lives in."""

    host: str
    world: str
    pid: int
    began: str

    @classmethod
    def me(cls) -> Holder:
        return cls(socket.gethostname(), _world(), os.getpid(), _began(os.getpid()))

    @classmethod
    def parse(cls, text: bytes) -> Holder | None:
        """None if it says nothing one could judge by."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def gone(holder: Holder | None, silent: float) -> bool:
    """Whether the writer is dead: known here at once, elsewhere after ``silent`` seconds without a renewal."""
    if holder is not None and holder.world == _world():
        return _began(holder.pid) != holder.began
    return silent > EXPIRES_AFTER


class Renewal:
    """Calls ``renew`` every minute until it is stopped; what goes wrong is for the writer itself to notice."""

    def __init__(self, renew: Callable[[], None], every: float = RENEWED_EVERY) -> None:
        self._renew, self._every = renew, every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopped.wait(self._every):
            self._renew()


def _world() -> str:
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"


def _began(pid: int) -> str:
    """When the process began, in ticks since the boot; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
