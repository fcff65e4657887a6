# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace of ConfigMaps in memory, as strict as the API server about what the ledger relies on."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict, Invalid
from ansible_collections.runbook.release.plugins.module_utils.kube.backoff import Pacing
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import Kind
from ansible_collections.runbook.release.plugins.module_utils.kube.patches import failed_test
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import LABEL, Store

Obj = dict[str, Any]
RELEASE = "shop-1.4.0"
CHUNK = f"ledger-{RELEASE}-1"
WAITING_IS_NOTHING = Pacing(sleep=lambda seconds: None, chance=lambda: 1.0)


def draft(what: str = "shift", before: Any = None, after: Any = None, fence: int = 0) -> Draft:
    return Draft(what, before, after, "ops@here", fence)


class Cluster:
    """``interrupt`` is called before each write: the moment in which somebody else is faster."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.dry_run = False
        self.looks = 0
        self.interrupt: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._version = 0

    def store(self, release: str = RELEASE) -> Store:
        return Store(self, "shop", release, WAITING_IS_NOTHING)  # type: ignore[arg-type]

    def list(self, kind: Kind, namespace: str, labels: str) -> list[Obj]:
        wanted = labels.removeprefix(f"{LABEL}=")
        with self._lock:
            return [copy.deepcopy(one) for one in self.objects.values() if one["metadata"]["labels"][LABEL] == wanted]

    list_metadata = list

    def get(self, kind: Kind, name: str, namespace: str) -> Obj | None:
        with self._lock:
            self.looks += 1
            return copy.deepcopy(self.objects.get(name))

    def create(self, kind: Kind, body: Obj, namespace: str) -> Obj:
        self.interrupt()
        name = body["metadata"]["name"]
        with self._lock:
            if name in self.objects:
                raise Conflict(f"{name} exists")
            return self._kept(name, copy.deepcopy(body))

    def json_patch(self, kind: Kind, name: str, ops: Sequence[Mapping[str, Any]], namespace: str) -> Obj:
        self.interrupt()
        with self._lock:
            found = copy.deepcopy(self.objects[name])
            if failed_test(found, ops):
                raise Conflict(f"{name} was changed")
            if found.get("immutable"):
                raise Invalid(f"{name} is immutable")
            for op in ops:
                if op["op"] == "add":
                    *above, last = op["path"].split("/")[1:]
                    (found[above[0]] if above else found)[last] = op["value"]
            return self._kept(name, found)

    def _kept(self, name: str, obj: Obj) -> Obj:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        if not self.dry_run:
            self.objects[name] = obj
        return copy.deepcopy(obj)
