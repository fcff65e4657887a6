# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that holds one Lease, with a clock of its own, and with answers that get lost."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict, Unreachable
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import Kind
from ansible_collections.runbook.release.plugins.module_utils.kube.patches import is_done
from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Answer, Request

from ..traffic.world import apply_ops

Obj = dict[str, Any]
BEGAN = datetime(2026, 11, 24, 19, 0, 0, tzinfo=UTC)


class LeaseApi:
    """`now` is the API server's time; only `pass_time` moves it."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.lease: Obj | None = None
        self.versions = 0

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def store(self, lease: Obj) -> Obj:
        self.versions += 1
        lease["metadata"]["resourceVersion"] = str(self.versions)
        self.lease = lease
        return copy.deepcopy(lease)


class LeaseClient:
    """One operator's connection. `skew` is how far the clock of its API server is off.

    `lost` makes the answer of its next patch get lost before (`unsent`) or after it took effect, so that the patch is
    sent again; `others` run in between.
    """

    def __init__(self, api: LeaseApi, *, dry_run: bool = False, skew: float = 0.0) -> None:
        self.api = api
        self.dry_run = dry_run
        self.skew = skew
        self.transport = self
        self.headers: dict[str, str] | None = None
        self.before_write: list[Any] = []
        self.lost = False

    def answer(self, request: Request) -> Answer:
        date = format_datetime(self.api.now.replace(microsecond=0) + timedelta(seconds=self.skew), usegmt=True)
        headers = {"Date": date} if self.headers is None else self.headers
        if self.api.lease is None:
            return Answer(404, headers, b"{}")
        return Answer(200, headers, json.dumps(self.api.lease).encode())

    def create(self, kind: Kind, body: Obj, namespace: str = "") -> Obj:
        self._let_others()
        if self.api.lease is not None:
            raise Conflict("already exists", status=409)
        lease = copy.deepcopy(body)
        lease["metadata"]["namespace"] = namespace
        if self.dry_run:
            return lease
        return self.api.store(lease)

    def json_patch(self, kind: Kind, name: str, ops: Sequence[Obj], namespace: str = "", subresource: str = "") -> Obj:
        if self.lost:
            self.lost = False
            self._let_others()
            try:
                return self._patched(ops)
            except Conflict:
                if self.api.lease is not None and is_done(self.api.lease, ops):
                    return copy.deepcopy(self.api.lease)
                raise
        self._let_others()
        return self._patched(ops)

    def _patched(self, ops: Sequence[Obj]) -> Obj:
        if self.api.lease is None:
            raise Unreachable("gone")
        try:
            lease = apply_ops(self.api.lease, list(ops))
        except (KeyError, ValueError) as error:
            raise Conflict(f"test of {error} failed", status=422) from error
        return lease if self.dry_run else self.api.store(lease)

    def _let_others(self) -> None:
        if self.before_write:
            self.before_write.pop(0)()
