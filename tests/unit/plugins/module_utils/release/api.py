# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server in memory, below the client's own retries: what is written, in which order, and what goes wrong."""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.kube.backoff import Pacing
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import LEASE
from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Request, Transport
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import keep
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run

from ..traffic.world import apply_ops

Obj = dict[str, Any]
BEGAN = datetime(2026, 11, 21, 16, 0, 0, tzinfo=UTC)
RELEASE = "shop-1-4-0"


class Api:
    """``trouble`` is asked before every request and may answer or raise instead; ``now`` moves only with waits."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.heard: list[tuple[str, str]] = []
        self.trouble: Callable[[Request], SimpleNamespace | None] = lambda request: None
        self.now = BEGAN
        self._version = 0
        self._lock = threading.RLock()

    def client(self, **options: Any) -> KubeClient:
        one = KubeClient(KubeAuth(host="http://127.0.0.1:1", api_key="x"), **options)
        one.transport = _InMemory(one.transport, self)
        return one

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def clock(self) -> float:
        return self.now.timestamp()

    def writes(self) -> list[tuple[str, str]]:
        """What was written, the lock and the ledger left out."""
        others = ("leases", "configmaps")
        return [one for one in self.heard if one[0] != "GET" and not any(word in one[1] for word in others)]

    def put(self, path: str, obj: Obj) -> Obj:
        with self._lock:
            self._version += 1
            obj.setdefault("metadata", {})["resourceVersion"] = str(self._version)
            self.objects[path] = obj
            return copy.deepcopy(obj)

    def handle(self, request: Request) -> SimpleNamespace:
        with self._lock:
            self.heard.append((request.method, request.path))
            found = self.objects.get(request.path)
            if request.method == "POST":
                return self._create(request)
            if request.method == "GET" and found is None and request.asked.verb == "list":
                return answer(200, {"items": self._listed(request)}, self.now)
            if found is None:
                return failure(404, f"{request.path} does not exist", self.now)
            if request.method == "GET":
                return answer(200, found, self.now)
            return self._patch(request, found)

    def _create(self, request: Request) -> SimpleNamespace:
        path = f"{request.path}/{request.body['metadata']['name']}"
        if path in self.objects:
            return failure(409, f"{path} exists", self.now)
        return answer(201, self.put(path, copy.deepcopy(request.body)), self.now)

    def _patch(self, request: Request, found: Obj) -> SimpleNamespace:
        try:
            changed = apply_ops(found, request.body)
        except (KeyError, ValueError) as error:
            return failure(422, f"test of {error} failed", self.now)
        return answer(200, self.put(request.path, changed), self.now)

    def _listed(self, request: Request) -> list[Obj]:
        selector = str((request.query or {}).get("labelSelector", ""))
        wanted = re.findall(r"([^,=() ]+)(?:=| in \()([^()=]*?)(?:\)|,|$)", selector)
        return [
            obj
            for path, obj in self.objects.items()
            if path.rpartition("/")[0] == request.path
            and all((obj["metadata"].get("labels") or {}).get(key) in values.split(",") for key, values in wanted)
        ]


class _InMemory(Transport):
    def __init__(self, real: Transport, api: Api) -> None:
        super().__init__(real.connection, Pacing(api.clock, api.sleep, lambda: 1.0), real.patience)
        self.api = api

    def _exchange(self, request: Request, preload: bool) -> Any:
        return self.api.trouble(request) or self.api.handle(request)


def answer(status: int, body: Any, now: datetime = BEGAN) -> SimpleNamespace:
    headers = {"Date": format_datetime(now.replace(microsecond=0), usegmt=True)}
    return SimpleNamespace(status=status, headers=headers, data=json.dumps(body).encode())


def failure(status: int, message: str, now: datetime = BEGAN) -> SimpleNamespace:
    return answer(status, {"kind": "Status", "message": message, "code": status}, now)


def acquired(api: Api, who: str = "alice@build-7", ttl: int = 60, **more: Any) -> int:
    """The lock in the hands of ``who``; its token."""
    after = keep(api.client(), Want("shop/shop-prod", "held", who, f"{who} {api.now}", ttl, **more)).after
    assert after
    return after.token


def begun(api: Api, mirror: str = "", ttl: int = 60) -> Run:
    """A release that holds its lock."""
    return Run(RELEASE, "shop", "shop-prod", acquired(api, ttl=ttl), "alice@build-7", ttl, mirror)


def stolen(api: Api) -> int:
    """Somebody else takes the lock."""
    return acquired(api, "bob@laptop", takeover=True, reason="the other one hangs")


def entries(api: Api) -> list[Any]:
    """The ledger, as (what, before, after)."""
    from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry

    found = [Entry.parse(text) for text in Store(api.client(), "shop", RELEASE).texts()]
    return [(one.what, one.before, one.after) for one in found]


def whats(api: Api) -> list[str]:
    return [what for what, _before, _after in entries(api)]


def renewed(api: Api) -> str:
    return str(api.objects[LEASE.path("shop", "shop-prod")]["spec"]["renewTime"])
