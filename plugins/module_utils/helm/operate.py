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
from .capacity import Key
from .cli import Helm
from .decide import Want, decide
from .difference import differences
from .observe import Have, Target, observe
from .plan import Plan
from .ready import Proof
from .rest import Quiet
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
    workers: tuple[Key, ...] = ()


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
            "values_files": self._values_files(),
            "capacity": {f"{kind}/{name}": count for (kind, name), count in sorted(self.plan.capacity.items())},
            "plan": self.plan.sentences(),
            "workers": self._workers(),
            "colours": self.after.sides(),
            "seconds": round(self.seconds, 2),
        }

    def _values_files(self) -> list[dict[str, str]]:
        return [one.report() for one in self.plan.rendering.values_files] if self.plan.rendering else []

    def _workers(self) -> list[str]:
        """What works by itself in either colour, once it is there."""
        rendered = self.plan.rendering.workers if self.plan.rendering else ()
        there = [one for colour in COLOURS for one in self.have.workers(colour)]
        return sorted({one.title for one in (*rendered, *there)})


def _executor(client: KubeClient, helm: Helm, request: Request, plan: Plan, book: Book, deadline: float) -> Executor:
    target = request.target
    proof = Proof(client, target, plan.capacity, request.stable, book.check, live=request.want.state == "handed_over")
    return Executor(client, helm, target.namespace, deadline, proof, Quiet(client, target.namespace, book.check))


def operate(client: KubeClient, request: Request, book: Book | None = None) -> Outcome:
    """Bring one component to the wanted state, as one step of the release's book; in check mode only say how."""
    started, book = time.monotonic(), book or Book()
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        helm = Helm(request.helm_binary, request.target.namespace, environment(client.connection.options(), folder))
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
            executor = _executor(client, helm, request, plan, book, started + request.want.timeout)
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
        "handed_over": machine.hand_over,
        "settled": machine.settle,
        "retired": machine.retire,
        "absent": machine.remove,
    }
    return texts[request.want.state](request.target.name)


def seen(have: Have) -> dict[str, t.Any]:
    """What the ledger keeps of both colours."""
    kept = ("version", "digest", "revision", "status", "ready", "desired", "weight", "quarantined", "workers")
    return {colour: {key: report[key] for key in kept} for colour, report in have.sides().items()}


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
    known = {} if able is None else {"capabilities": able}
    target = request.target
    workshop = Workshop(
        folder, helm, target.name, request.want.version, workers=request.workers, services=target.services, **known
    )
    return prepare(source, workshop)
