# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What one task of a release does, in the release's ledger before and after; and only while the lock is ours.

``with journal(client, run) as book`` proves that the token of ``run`` is the newest one and keeps the lock renewed.
Every write of ``client`` then asks the Lease first. Without a run, or in check mode, the book does nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ReleaseError
from ..kube.transport import RUN_PATIENCE
from . import machine
from .keeper import Keeper
from .run import Run

if TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..ledger.chain import Entry, Head
    from ..ledger.store import Store

LAST_WORDS = 5.0
LONGEST_REASON = 500


class Done(Protocol):
    """Says how a step ended."""

    def __call__(self, after: Any) -> None: ...


class Book:
    """Takes every entry and keeps none: for a task that is no part of a release, or changes nothing.

    ``fence`` is the token that what this run changes has to carry.
    """

    def __init__(self, fence: int = 0) -> None:
        self.fence = fence

    @contextlib.contextmanager
    def step(self, what: str, before: Any = None, will: Any = None) -> Iterator[Done]:
        """Everything in this block is one step: what was seen before it, and what it is going to do."""
        yield lambda after: None

    def note(self, what: str, before: Any = None, after: Any = None) -> None:
        """One entry about something that happened."""

    def sign(self) -> dict[str, Any]:
        """Sign the newest entry of this task and keep it outside of the cluster; empty without a key to sign with."""
        return {}

    def check(self) -> None:
        """For a long wait: ``Refused`` once the lock is known to be lost. Asks nobody, the lock is renewed anyway."""

    def look(self) -> None:
        """For what changes something outside of the cluster: ``Refused`` unless the Lease says the lock is ours."""


class Journal(Book):
    """Writes the ledger of a release."""

    def __init__(self, client: KubeClient, run: Run, keeper: Keeper, warn: Callable[[str], None]) -> None:
        super().__init__(run.token)
        self._client = client
        self._run = run
        self._store = self._ledger(client, RUN_PATIENCE)
        self._keeper = keeper
        self._warn = warn
        self._warned = False
        self._head: Head | None = None

    @contextlib.contextmanager
    def step(self, what: str, before: Any = None, will: Any = None) -> Iterator[Done]:
        result: list[Any] = [None]
        self.note(machine.begins(what), before, will)
        try:
            yield lambda after: result.__setitem__(0, after)
        except BaseException as error:
            self._last_words(machine.failed(what), {"reason": reason_of(error)})
            raise
        self.note(machine.done(what), None, result[0])

    def note(self, what: str, before: Any = None, after: Any = None) -> None:
        self._write(self._store, what, before, after)

    def sign(self) -> dict[str, Any]:
        if not self._run.signing_key or not self._head:
            return {}
        from .pin import pin

        return pin(self._run, self._head, self._warn)

    def check(self) -> None:
        if self._keeper.lost:
            raise self._keeper.lost

    def look(self) -> None:
        self._keeper.check()

    def _last_words(self, what: str, after: Any) -> None:
        """A step that failed is known to be open, so this entry may be missing; what it is about is told anyway."""
        if self._keeper.lost:
            return
        with contextlib.suppress(ReleaseError):
            self._write(self._ledger(self._client.beside(patience=LAST_WORDS), LAST_WORDS), what, None, after)

    def _ledger(self, client: KubeClient, patience: float) -> Store:
        from ..ledger.store import Store

        return Store(client, self._run.namespace, self._run.release, patience=patience)

    def _write(self, store: Store, what: str, before: Any, after: Any) -> None:
        from ..ledger.chain import Draft

        entry = store.append(Draft(what, before, after, self._run.who, self._run.token))
        self._head = entry.head
        self._mirror(store, entry)

    def _mirror(self, store: Store, entry: Entry) -> None:
        from .register import trouble_copying

        trouble = trouble_copying(entry, self._run.mirror, store)
        if trouble and not self._warned:
            self._warn(trouble)
            self._warned = True


@contextlib.contextmanager
def journal(
    client: KubeClient | None, run: Run | None, warn: Callable[[str], None] = lambda text: None
) -> Iterator[Book]:
    """The book of a release, for as long as one of its tasks works; ``Refused`` if the lock is not ours any more.

    Without a run no cluster is needed. A mirror that cannot be written stops nobody: ``warn`` is told, and the next
    entry brings it up to date.
    """
    if run is None or client is None or client.dry_run:
        yield Book(run.token if run else 0)
        return
    own = client.beside(patience=RUN_PATIENCE)
    keeper = Keeper(own, run)
    keeper.start()
    client.guard = keeper.check
    try:
        yield Journal(own, run, keeper, warn)
    finally:
        client.guard = None
        keeper.stop()


def reason_of(error: BaseException) -> str:
    """Why a step failed, in short; what else an error carries (logs, output) does not belong in a ledger."""
    said = error.record if isinstance(error, ReleaseError) else type(error).__name__
    return said if len(said) <= LONGEST_REASON else said[:LONGEST_REASON] + " …"
