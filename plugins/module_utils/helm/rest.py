# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Watch until nothing of some workers is left: no pod, also none that is still ending, and no running Job."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ..errors import NotReady
from ..workloads.observe import remains, watches
from .capacity import Key

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient


@dataclass
class Quiet:
    """For the workers of one namespace; `check` may end it early."""

    client: KubeClient
    namespace: str
    check: t.Callable[[], None] = lambda: None

    def __call__(self, colour: str, workers: t.Sequence[Key], deadline: float) -> None:
        """Return when nothing is left; NotReady names what still is when the time is over."""
        started, left = time.monotonic(), ["nobody knows, the cluster did not answer"]
        for snapshot in self.client.watch(watches(self.namespace), deadline):
            self.check()
            if snapshot.live:
                left = remains(workers, snapshot)
            if not left:
                return
        raise NotReady(
            f"{colour} still works after {time.monotonic() - started:.0f} s: {', '.join(left)}",
            where=f"namespace {self.namespace}",
            remedy="give it more time with timeout, end it by hand, or let both versions work at once with overlap; "
            "the work of the other colour has not begun",
            left=left,
        )
