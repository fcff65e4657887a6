# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One change of one workload: observe, decide, let the API server judge it, apply it and watch until all is ready."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Conflict
from ..helm.objects import Obj, meta, name_of
from ..kube.kinds import CONFIGMAP, DEPLOYMENT, HPA, NETWORKPOLICY, POD, REPLICASET, SECRET, kind_of
from ..kube.readiness import pods_of
from ..release import machine
from ..release.journal import Book
from ..release.pod_api import moment
from ..release.pod_keep import present
from ..rollout.budgets import broken_by, check_budgets, check_rolls
from ..rollout.judge import Judge
from ..rollout.model import CONTROLLERREVISION, WORKLOADS, Key
from ..rollout.record import PATCH
from ..rollout.shape import Change
from ..rollout.wait import Told, Waiting
from . import fresh, room
from .decide import decide, undone
from .draft import Draft, Marked, marked
from .isolate import isolated
from .keeper import keeper
from .observe import Have, Temporary, observe, readable, temporary, with_records
from .put_back import CREATED, title_of
from .subject import Subject, resolve
from .want import ISOLATED, RESTARTED, UNDONE, Want

if TYPE_CHECKING:
    from ..kube.client import KubeClient

KEEPER_TIMEOUT = 60.0
METADATA = {"Secret": SECRET, "ConfigMap": CONFIGMAP}


@dataclass(frozen=True)
class Plan:
    """Everything that is written, and what the object says about its way back afterwards."""

    draft: Draft
    marked: Marked
    until: str = ""
    room: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        return self.draft.changes or bool(self.marked.ops)

    @property
    def ops(self) -> list[Obj]:
        return [*self.draft.ops(), *self.marked.ops]

    def sentences(self) -> list[str]:
        told = self.draft.sentences() if self.changes else []
        if self.changes and self.until:
            return [*told, f"put {self.draft.title} back at {self.until}"]
        return told or ([f"leave {self.draft.title} as it is, for good"] if self.changes else [])


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    plan: Plan
    subject: Subject
    temporary: Sequence[Temporary]
    seconds: float

    @property
    def warnings(self) -> Sequence[str]:
        return self.plan.warnings

    def report(self) -> dict[str, Any]:
        draft = self.plan.draft
        return {
            "changed": self.plan.changes,
            "plan": self.plan.sentences(),
            "workload": self.subject.report(),
            "before": draft.told("was"),
            "after": draft.told("set"),
            "temporary": [one.report() for one in self.temporary],
            "seconds": round(self.seconds, 2),
            **({"room": self.plan.room} if self.plan.room else {}),
            **({"until": self.plan.until} if self.plan.until else {}),
        }

    def diff(self) -> dict[str, str]:
        draft = self.plan.draft
        return {"before": _lines(draft.told("was")), "after": _lines(draft.told("set"))}


def _lines(told: Mapping[str, Any]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in told.items())


def change(client: KubeClient, want: Want, book: Book) -> Outcome:
    """As one step of the run's book; in check mode the API server only checks the patch."""
    started = time.monotonic()
    have = observe(client, want.namespace)
    subject = resolve(client, want.namespace, (want.kind, want.name), want.components, have.workloads)
    plan = _plan(client, want, have, subject)
    if plan.changes and not client.dry_run:
        with book.step(machine.change(subject.name), plan.draft.told("was"), plan.sentences()) as done:
            written = _write(client, want, plan)
            _wait(client, want, subject, written, started, book)
            done(plan.draft.told("set"))
    elif plan.changes and plan.draft.create:
        client.create(kind_of(plan.draft.create), _created(plan), want.namespace)
    elif plan.changes:
        client.json_patch(plan.draft.kind, name_of(plan.draft.obj), plan.ops, want.namespace)
    else:
        _wait(client, want, subject, plan.draft.obj, started, book)
    return Outcome(plan, subject, _temporary(have, plan), time.monotonic() - started)


def _plan(client: KubeClient, want: Want, have: Have, subject: Subject) -> Plan:
    workload = have.workloads[subject.key]
    readable(workload)
    draft = _draft(client, want, have, subject)
    readable(draft.obj)
    would = _trial(client, want, draft)
    draft = draft.settled(would)
    warnings = [*draft.warnings, *_rolling(want, have, draft, would)]
    grown = room.check(client, want.namespace, room.growth_of(draft, workload, would), have.limits)
    since, until = moment(have.now), moment(have.now + want.seconds) if want.seconds else ""
    created = _reference(draft, want, since) if draft.create and until else None
    record = marked(draft, want, since, until, created)
    if until and not record.ops:
        until = ""
    if until and not want.image:
        warnings.append("Without an image for a Job only the next run, or state reverted, puts it back")
    return Plan(draft, record, until, grown.sentence, (*warnings, *grown.warnings))


def _draft(client: KubeClient, want: Want, have: Have, subject: Subject) -> Draft:
    """What needs more than the workloads is asked for here."""
    workload = have.workloads[subject.key]
    if want.state == RESTARTED:
        return _restart(client, want, have, workload, subject)
    if want.state == UNDONE:
        kind = REPLICASET if subject.kind == DEPLOYMENT.kind else CONTROLLERREVISION
        return undone(want, workload, subject, client.list(kind, want.namespace))
    if want.state == ISOLATED:
        return isolated(want, workload, subject, client.list(NETWORKPOLICY, want.namespace))
    return decide(want, have, subject)


def _restart(client: KubeClient, want: Want, have: Have, workload: Obj, subject: Subject) -> Draft:
    """Marks on the template, unless all pods have started late enough."""
    changes = None
    if want.since:
        changes = fresh.since(want.since)
    elif want.after_change_of:
        found = [
            {**obj, "kind": kind}
            for kind in sorted({key[0] for key in want.after_change_of})
            for obj in client.list_metadata(METADATA[kind], want.namespace)
        ]
        changes = fresh.changes_of(want.after_change_of, found, want.where)
    if changes:
        pods = pods_of(workload, client.list(POD, want.namespace), client.list(REPLICASET, want.namespace))
        if not fresh.stale(pods, changes):
            return Draft(WORKLOADS[subject.kind], workload)
    return Draft(WORKLOADS[subject.kind], workload, marks=fresh.marks(moment(have.now), changes))


def _trial(client: KubeClient, want: Want, draft: Draft) -> Obj:
    """What the API server would make of it; it judges values as nobody else can."""
    ops, trial = draft.ops(), client.beside(dry_run=True)
    if draft.create and draft.create["kind"] != HPA.kind:
        trial.create(kind_of(draft.create), draft.create, want.namespace)
    if not ops:
        return draft.obj
    return trial.json_patch(draft.kind, name_of(draft.obj), ops, want.namespace)


def _rolling(want: Want, have: Have, draft: Draft, would: Obj) -> list[str]:
    """``Refused`` when its controller would not replace the pods, or would take away more than a budget allows."""
    if draft.kind is HPA:
        return []
    changed = [Change(draft.kind, would, draft.obj, PATCH, would)]
    check_rolls(changed)
    broken = broken_by(changed, have.budgets)
    if want.keep_budgets:
        check_budgets(broken)
    return broken


def _reference(draft: Draft, want: Want, since: str) -> Obj:
    """Where the object is that goes away again."""
    body = draft.create or {}
    kind, name = kind_of(body), name_of(body)
    return {"kind": kind.kind, "name": name, "path": kind.path(want.namespace, name), "at": since}


def _write(client: KubeClient, want: Want, plan: Plan) -> Obj:
    """The Job that puts it back first, so that nothing is ever temporary without it."""
    draft, name = plan.draft, name_of(plan.draft.obj)
    if plan.until and want.image:
        program = keeper(draft.kind, draft.obj, want.namespace, plan.marked.records, want.image)
        present(client, program, KEEPER_TIMEOUT)
    obj = client.json_patch(draft.kind, name, plan.ops, want.namespace) if plan.ops else draft.obj
    if draft.create:
        _create(client, want, plan)
    if plan.until and want.image:
        present(client, program, KEEPER_TIMEOUT)
    return obj


def _created(plan: Plan) -> Obj:
    body = plan.draft.create or {}
    records = plan.marked.records.values()
    at = [one["created"]["at"] for one in records if one.get("created", {}).get("name") == name_of(body)]
    return {**body, "metadata": {**meta(body), "annotations": {CREATED: at[0]}}} if at else body


def _create(client: KubeClient, want: Want, plan: Plan) -> None:
    body = _created(plan)
    try:
        client.create(kind_of(body), body, want.namespace)
    except Conflict as error:
        raise Conflict(
            f"Somebody else created {title_of(body)}: {error.what}",
            status=error.status,
            verb="create",
            object=error.object,
            remedy="run this again: it looks at the one that is there",
        ) from error


def _wait(client: KubeClient, want: Want, subject: Subject, obj: Obj, started: float, book: Book) -> None:
    if obj["kind"] == HPA.kind or want.state == ISOLATED or client.dry_run:
        return
    wait_ready(client, want, {subject.key: int(meta(obj).get("generation") or 0)}, started, book)


def wait_ready(client: KubeClient, want: Want, written: Mapping[Key, int], started: float, book: Book) -> None:
    """Until these workloads run as they should, by the generation that was written."""
    names = ", ".join(" ".join(key) for key in written)
    told = Told(
        names,
        want.namespace,
        f"{names} in {want.where}",
        "read the evidence in this result, and put it back or correct it",
    )
    waiting = Waiting(client, told, started + want.timeout, book.check)
    with waiting.watching() as snapshots:
        waiting.wait(snapshots, Judge(list(written), written, want.stable))


def _temporary(have: Have, plan: Plan) -> list[Temporary]:
    """Of the namespace, after this."""
    changed = plan.draft.obj
    others = [obj for obj in have.objects if obj is not changed]
    return temporary([*others, with_records(changed, plan.marked.records)], moment(have.now))
