# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One run of helm_bluegreen: observe, decide, apply."""

from __future__ import annotations

import tempfile
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..colours import COLOURS, other
from ..release import machine
from ..release.journal import Book
from . import guards
from .access import environment
from .apply import Executor
from .capabilities import capabilities
from .cli import Helm
from .decide import Want, decide
from .difference import differences
from .observe import Have, Target, observe
from .plan import Plan
from .ready import Proof
from .source import Prepared, Rendering, Source, Workshop, prepare

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient


@dataclass(frozen=True)
class Request:
    """The options of the module, typed."""

    target: Target
    want: Want
    source: Source | None
    stable: float
    helm_binary: str
    check: bool = False
    diff: bool = False


@dataclass
class Outcome:
    """What a run did, or in check mode would do."""

    have: Have
    after: Have
    plan: Plan
    changed: bool
    seconds: float
    version: str
    digest: str
    diff: list[dict[str, str]]
    warnings: list[str]

    def report(self) -> dict[str, t.Any]:
        """The result of the module."""
        return {
            "changed": self.changed,
            "target": self.plan.target,
            "live": self.have.live,
            "idle": self.have.idle,
            "first": self.have.first,
            "awaits_traffic": self.plan.target != self.have.live,
            "version": self.version,
            "digest": self.digest,
            "capacity": {f"{kind}/{name}": count for (kind, name), count in sorted(self.plan.capacity.items())},
            "plan": self.plan.sentences(),
            "colours": {colour: self.after.colours[colour].report() for colour in COLOURS},
            "seconds": round(self.seconds, 2),
        }


def operate(client: KubeClient, request: Request, book: Book | None = None) -> Outcome:
    """Bring one component to the wanted state, as one step of the release's book; in check mode only say how."""
    started, book = time.monotonic(), book or Book()
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        helm = Helm(request.helm_binary, request.target.namespace, environment(client.auth, folder))
        have, renderings = _see(client, request, helm, folder)
        plan = decide(have, request.want, renderings)
        warnings = list(plan.warnings)
        if plan.installs:
            opposite = renderings[other(plan.target)]
            warnings += guards.check_installation(client, have, plan, opposite)
        diff = differences(client, have, plan, request.want.version, renderings) if request.diff else []
        digest = plan.rendering.digest if plan.rendering else have.colours[plan.target].digest
        version = request.want.version if plan.rendering else have.colours[plan.target].version
        changed = plan.changes
        if plan.steps and not request.check:
            proof = Proof(client, request.target, plan.capacity, request.stable, book.check)
            executor = Executor(client, helm, request.target.namespace, started + request.want.timeout, proof)
            with book.step(title(request), seen(have), plan.sentences()) as done:
                changed = executor.carry_out(plan)
                done({"version": version, "digest": digest, "plan": plan.sentences()})
        after = observe(client, request.target) if changed and not request.check else have
    return Outcome(have, after, plan, changed, time.monotonic() - started, version, digest, diff, warnings)


def title(request: Request) -> str:
    """What the ledger calls it."""
    texts = {
        "staged": machine.stage,
        "warm": machine.warm,
        "settled": machine.settle,
        "retired": machine.retire,
        "absent": machine.remove,
    }
    return texts[request.want.state](request.target.name)


def seen(have: Have) -> dict[str, t.Any]:
    """What the ledger keeps of both colours."""
    kept = ("version", "digest", "revision", "status", "ready", "desired", "weight", "quarantined")
    reports = {colour: have.colours[colour].report() for colour in COLOURS}
    return {colour: {key: report[key] for key in kept} for colour, report in reports.items()}


def _see(client: KubeClient, request: Request, helm: Helm, folder: str) -> tuple[Have, dict[str, Rendering]]:
    """The cluster and the renderings of both colours, at the same time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        preparing = pool.submit(_prepare, client, request, helm, folder) if request.source else None
        observing = pool.submit(observe, client, request.target)
        have = observing.result()
        prepared = preparing.result() if preparing else None
        if prepared is None:
            return have, {}
        rendering = {colour: pool.submit(prepared.render, colour, have.colours[colour].digest) for colour in COLOURS}
        return have, {colour: future.result() for colour, future in rendering.items()}


def _prepare(client: KubeClient, request: Request, helm: Helm, folder: str) -> Prepared:
    source = t.cast(Source, request.source)
    with ThreadPoolExecutor(max_workers=2) as pool:
        usable = pool.submit(helm.version)
        able = capabilities(client) if source.kind == "helm" else None
        usable.result()
    workshop = Workshop(folder, helm, request.target.name, request.want.version)
    if able is not None:
        workshop = Workshop(folder, helm, request.target.name, request.want.version, able)
    return prepare(source, workshop)
