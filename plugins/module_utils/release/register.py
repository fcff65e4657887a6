# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The two ledgers of a release as the one who holds the lock writes them: its own, and the index of its environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..errors import ReleaseError
from ..ledger.chain import Draft, Entry
from ..ledger.store import Store
from .index import index_id, read

if TYPE_CHECKING:
    from ..kube.client import KubeClient


class Register:
    """One ledger, written by ``who`` with the fencing token ``fence``.

    ``mirror`` is a folder for its copy, or empty. A mirror that cannot be written is a warning: the next entry brings
    it up to date.
    """

    def __init__(self, store: Store, who: str, fence: int, mirror: str = "") -> None:
        self.store = store
        self.warnings: list[str] = []
        self._who = who
        self._fence = fence
        self._mirror = mirror

    def entries(self) -> list[Entry]:
        return read(self.store)

    def add(self, what: str, after: Any, before: Any = None) -> Entry:
        return self._copied(self.store.append(Draft(what, before, after, self._who, self._fence)))

    def seal(self) -> Entry:
        return self._copied(self.store.seal(self._who, self._fence)[0])

    def _copied(self, entry: Entry) -> Entry:
        trouble = trouble_copying(entry, self._mirror, self.store)
        if trouble and trouble not in self.warnings:
            self.warnings.append(trouble)
        return entry


def trouble_copying(entry: Entry, mirror: str, store: Store) -> str:
    """Bring the mirror, if there is one, up to ``entry``; what keeps it from that, in words."""
    if not mirror:
        return ""
    from ..ledger.mirror import Mirror

    try:
        Mirror(mirror).follow(entry, store.texts)
    except ReleaseError as error:
        return str(error)
    return ""


def index_of(
    client: KubeClient, namespace: str, lease: str, who: str = "", fence: int = 0, mirror: str = ""
) -> Register:
    """The index of an environment; its copy lies beside those of the releases."""
    store = Store(client, namespace, index_id(lease))
    return Register(store, who, fence, os.path.join(mirror, "index") if mirror else "")
