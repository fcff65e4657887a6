# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One run of rollout: observe, decide, apply, and watch until everything is ready."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..release import machine
from ..release.journal import Book
from . import restore
from .apply import Executor, dry
from .budgets import broken_by, check_budgets, check_rolls
from .differ import differences
from .model import WORKLOADS, Want
from .observe import Have, changes, marked, observe
from .plan import Plan, decide, untouched
from .record import RELEASED, RESTORED
from .source import Source, digest_of, rendered

if TYPE_CHECKING:
    from ..kube.client import KubeClient


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``timeout`` and ``stable`` in seconds."""

    want: Want
    state: str
    sources: tuple[Source, ...]
    policy: str
    timeout: float
    stable: float
    diff: bool = False

    def __post_init__(self) -> None:
        if self.want.only and self.state != RESTORED:
            raise Refused("A part can be restored, not released", where="option only", remedy="leave it out")


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    request: Request
    have: Have
    plan: Plan
    seconds: float
    warnings: list[str]
    diff: list[dict[str, str]] = field(default_factory=list)
    digest: str = ""

    def report(self) -> dict[str, Any]:
        unit = self.plan.unit.now(self.plan.ends) if self.plan.changes else self.have.unit
        return {
            "changed": self.plan.changes,
            "release": unit.release if unit else "",
            "version": unit.version if unit else "",
            "digest": self.digest,
            "plan": self.plan.sentences(),
            "workloads": workloads(self.plan, self.have),
            "left": list(self.plan.left),
            "seconds": round(self.seconds, 2),
        }


def operate(client: KubeClient, request: Request, book: Book) -> Outcome:
    """Release or restore as one step of the release's book; in check mode the API server only checks the writes."""
    started, want = time.monotonic(), request.want
    request = replace(request, sources=rendered(request.sources, want.namespace))
    have = observe(client, want)
    plan, warnings = _decide(client, request, have)
    diff = differences(plan) if request.diff else []
    if not client.dry_run:
        executor = Executor(client, want, started + request.timeout, request.stable, request.state, book.check)
        if plan.changes:
            before = [one for one in workloads(plan, have) if one["done"] != "nothing"]
            with book.step(title(request), before, [write.sentence() for write in plan.writes]) as done:
                executor.carry_out(plan)
                done({"release": plan.unit.release, "version": plan.unit.version, "written": len(plan.writes)})
        else:
            executor.carry_out(plan)
    elif request.state == RESTORED:
        dry(client, plan, want)
    asked = digest_of(request.sources) if request.sources else ""
    return Outcome(request, have, plan, time.monotonic() - started, warnings, diff, asked)


def title(request: Request) -> str:
    """What the ledger calls it."""
    name = request.want.name
    return machine.roll(name) if request.state == RELEASED else machine.unroll(name)


def _decide(client: KubeClient, request: Request, have: Have) -> tuple[Plan, list[str]]:
    want = replace(request.want, force=True) if request.state == RESTORED else request.want
    found = changes(client, want, request.sources, have) if request.sources else []
    if request.state == RESTORED:
        return restore.decide(want, have, marked(client, want, have), request.policy, found), []
    check_rolls(found)
    broken = broken_by(found, have.budgets)
    if want.keep_budgets:
        check_budgets(broken)
    began = f"{want.version} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {secrets.token_hex(4)}"
    return decide(want, have, found, began), broken


def workloads(plan: Plan, have: Have) -> list[dict[str, Any]]:
    """Every workload of the plan: what becomes of it, with its images before and after."""
    written = {write.key: write.report() for write in plan.writes if write.key[0] in WORKLOADS}
    concerned = dict.fromkeys([*written, *(key for wave in plan.waves for key in wave.keys)])
    return [written.get(key) or untouched(key, have) for key in concerned]
