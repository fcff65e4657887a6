# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The lock of a release while one of its tasks works: renewed in the background, asked before every write."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

from ..errors import Refused, ReleaseError
from ..lock.decide import Want
from ..lock.keep import keep
from .run import Run

if TYPE_CHECKING:
    from ..kube.client import KubeClient

SOON = 1.0
ENDING = 1.0


class Keeper:
    """Keeps the lock that ``run`` holds. ``lost`` says why as soon as it is known that this run does not hold it."""

    def __init__(self, client: KubeClient, run: Run) -> None:
        self.lost: Refused | None = None
        self._client = client
        self._impatient = client.beside(patience=run.ttl / 3)
        self._run = run
        self._claim = str(uuid.uuid4())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_on, name="release-lock", daemon=True)

    def start(self) -> None:
        """Prove that the lock is ours, and renew it from now on."""
        self._ask(self._client, "renewed")
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(ENDING)

    def check(self) -> None:
        """One look at the Lease: ``Refused`` unless the lock is ours; renewed first if its time is over."""
        self._ask(self._client, "held")

    def _keep_on(self) -> None:
        """While the API server cannot be asked the lock may expire; as long as nobody takes it, it can be renewed."""
        pause = self._run.ttl / 3
        while not self._over.wait(pause):
            try:
                self._ask(self._impatient, "renewed")
                pause = self._run.ttl / 3
            except Refused:
                return
            except ReleaseError:
                pause = min(SOON, self._run.ttl / 3)

    def _ask(self, client: KubeClient, state: str) -> None:
        run = self._run
        try:
            keep(client, Want(f"{run.namespace}/{run.lease}", state, run.who, self._claim, run.ttl, run.token))
        except Refused as refused:
            self.lost = refused
            raise
