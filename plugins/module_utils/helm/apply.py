# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Carry out a plan, step by step. Nothing is decided here."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ..kube.kinds import CRONJOB, DEPLOYMENT, HPA, SERVICE, STATEFULSET, Kind
from .cli import Helm
from .objects import (
    DIGEST,
    MIN_REPLICAS,
    QUARANTINED,
    REPLICAS,
    REVISION,
    VERSION,
    kind_name,
    meta,
)
from .persist import persist
from .plan import (
    AwaitRest,
    Certify,
    CreateShared,
    Disavow,
    Hold,
    Install,
    Plan,
    Prove,
    Quarantine,
    Recover,
    Release,
    Rest,
    Scale,
    Step,
    Uninstall,
    Work,
)
from .record import mark_failed, revisions
from .workers import patches, resting, working

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient
    from .capacity import Key

KINDS: dict[str, Kind] = {kind.kind: kind for kind in (DEPLOYMENT, STATEFULSET, CRONJOB)}


class Prover(t.Protocol):
    """Waits until a colour is ready at its capacity, or raises NotReady."""

    def __call__(self, colour: str, deadline: float) -> None: ...


class Rester(t.Protocol):
    """Waits until nothing of these workers is left, or raises NotReady."""

    def __call__(self, colour: str, workers: t.Sequence[Key], deadline: float) -> None: ...


@dataclass
class Executor:
    """What the steps need to be carried out."""

    client: KubeClient
    helm: Helm
    namespace: str
    deadline: float
    prove: Prover
    at_rest: Rester

    def carry_out(self, plan: Plan) -> bool:
        """Take every step in order; whether anything was changed."""
        changed = False
        for step in plan.steps:
            changed = self._take(step) or changed
        return changed

    def _take(self, step: Step) -> bool:
        if isinstance(step, Prove):
            self.prove(step.colour, self.deadline)
            return False
        if isinstance(step, AwaitRest):
            self.at_rest(step.colour, step.workers, self.deadline)
            return False
        if isinstance(step, CreateShared):
            return self._create_shared(step)
        takers: dict[type, t.Callable[[t.Any], None]] = {
            Recover: self._recover,
            Install: self._install,
            Scale: self._scale,
            Rest: self._rest,
            Work: self._work,
            Hold: self._hold,
            Release: self._release,
            Disavow: self._disavow,
            Certify: self._certify,
            Quarantine: self._quarantine,
            Uninstall: self._uninstall,
        }
        takers[type(step)](step)
        return True

    def _left(self) -> float:
        return max(1.0, self.deadline - time.monotonic())

    def _create_shared(self, step: CreateShared) -> bool:
        kind = self.client.resolve(str(step.obj["apiVersion"]), kind_name(step.obj))
        namespace = str(meta(step.obj).get("namespace") or self.namespace) if kind.namespaced else ""
        if self.client.get(kind, str(meta(step.obj)["name"]), namespace) is not None:
            return False
        self.client.create(kind, step.obj, namespace)
        return True

    def _install(self, step: Install) -> None:
        rendering = step.rendering
        description = f"version {step.version} {rendering.digest}"

        def upgrade() -> None:
            rest = patches(rendering.workers)
            self.helm.upgrade(rendering.release, rendering.chart, rendering.values, description, self._left(), rest)

        self._by_helm(rendering.release, upgrade)

    def _scale(self, step: Scale) -> None:
        kind, name = KINDS[step.workload[0]], step.workload[1]
        remembered = None if step.remember is None else str(step.remember)
        self._annotate(kind, name, {REPLICAS: remembered})
        self.client.scale(kind, name, step.replicas, self.namespace)

    def _rest(self, step: Rest) -> None:
        kind, name = step.worker
        self.client.merge_patch(KINDS[kind], name, resting(kind, step.size), self.namespace)

    def _work(self, step: Work) -> None:
        kind, name = step.worker
        self.client.merge_patch(KINDS[kind], name, working(kind, step.size), self.namespace)

    def _hold(self, step: Hold) -> None:
        self._set_minimum(step.autoscaler, step.minimum, str(step.original))

    def _release(self, step: Release) -> None:
        self._set_minimum(step.autoscaler, step.original, None)

    def _set_minimum(self, name: str, minimum: int, original: str | None) -> None:
        body = {"metadata": {"annotations": {MIN_REPLICAS: original}}, "spec": {"minReplicas": minimum}}
        self.client.merge_patch(HPA, name, body, self.namespace)

    def _disavow(self, step: Disavow) -> None:
        self._annotate(SERVICE, step.service, dict.fromkeys((VERSION, DIGEST, REVISION)))

    def _certify(self, step: Certify) -> None:
        newest = revisions(self.client, self.namespace, [step.release])[step.release][0]
        proof = {VERSION: step.version, DIGEST: step.digest, REVISION: str(newest.number), QUARANTINED: None}
        self._annotate(SERVICE, step.service, proof)

    def _quarantine(self, step: Quarantine) -> None:
        self._annotate(SERVICE, step.service, {QUARANTINED: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})

    def _recover(self, step: Recover) -> None:
        mark_failed(self.client, self.namespace, step.revision)

    def _uninstall(self, step: Uninstall) -> None:
        self._by_helm(step.release, lambda: self.helm.uninstall(step.release, self._left()))

    def _by_helm(self, release: str, operation: t.Callable[[], object]) -> None:
        """Helm writes by itself: in a release the guard is asked for it, and what the API failed is tried again."""
        if self.client.guard is None:
            operation()
        else:
            persist(self.client, self.namespace, release, operation)

    def _annotate(self, kind: Kind, name: str, annotations: t.Mapping[str, str | None]) -> None:
        self.client.merge_patch(kind, name, {"metadata": {"annotations": annotations}}, self.namespace)
