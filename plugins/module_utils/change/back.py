# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Put back what is temporary: what is overdue, what is named, or all of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Conflict
from ..helm.objects import Obj, annotations_of, meta, name_of
from ..release import machine
from ..release.journal import Book
from ..release.pod_api import moment
from ..rollout.model import WORKLOADS, Key, key_of
from .keeper import dismiss
from .observe import CREATES, KINDS, Have, Temporary, observe, readable, target_of, temporary, with_records
from .operate import wait_ready
from .put_back import CREATED, PAUSED, WENT_BACK, Undone, mark_ops, put_back, records_of, title_of, told_of
from .subject import resolve
from .want import Want

if TYPE_CHECKING:
    from ..kube.client import KubeClient


@dataclass(frozen=True)
class Return:
    """One object that goes back."""

    obj: Obj
    undone: Undone

    @property
    def key(self) -> Key:
        return key_of(self.obj)


@dataclass(frozen=True)
class Outcome:
    """What was put back, or in check mode would be."""

    returns: Sequence[Return]
    temporary: Sequence[Temporary]
    paused: Sequence[str]
    seconds: float
    went: Sequence[str] = ()

    @property
    def left(self) -> list[str]:
        return [text for one in self.returns for text in one.undone.left] + list(self.paused)

    @property
    def warnings(self) -> Sequence[str]:
        return self.left

    def report(self) -> dict[str, Any]:
        return {
            "changed": bool(self.returns),
            "plan": [text for one in self.returns for text in one.undone.said],
            "left": self.left,
            "went": list(self.went),
            "temporary": [one.report() for one in self.temporary],
            "seconds": round(self.seconds, 2),
            **self._sides(),
        }

    def _sides(self) -> dict[str, dict[str, str]]:
        """What was temporary, and what has become of it."""
        before = {title_of(one.obj): ", ".join(records_of(one.obj)) for one in self.returns}
        after = {title_of(one.obj): "; ".join([*one.undone.said, *one.undone.left]) for one in self.returns}
        return {"before": before, "after": after}

    def diff(self) -> dict[str, str]:
        sides = self._sides()
        return {side: "".join(f"{key}: {value}\n" for key, value in told.items()) for side, told in sides.items()}


def revert(client: KubeClient, want: Want, book: Book) -> Outcome:
    """One step of the book for each object; in check mode the API server only checks the patches.

    What is only overdue is not waited for: nobody asked for it now, and it must not keep a run from what it is for. Nor
    is anything missed then that this run may not even look at, as a release needs no right to every kind.
    """
    started = time.monotonic()
    have = observe(client, want.namespace, guards=False, everything=bool(want.name or want.everything))
    chosen = _chosen(client, want, have)
    is_due = _due(want, moment(have.now))
    records = {title_of(obj): readable(obj) for obj in chosen}
    concerned = [obj for obj in chosen if any(map(is_due, records[title_of(obj)].values()))]
    returns = [Return(obj, undone) for obj in concerned if (undone := put_back(obj, is_due)).ops]
    paused = [
        f"{title_of(obj)} is paused, and its time is over: it goes back once it is resumed"
        for obj in concerned
        if PAUSED in annotations_of(obj)
    ]
    went = _record_what_went(client, want.namespace, have, book)
    written: dict[Key, int] = {}
    for one in returns:
        with book.step(machine.put_back(name_of(one.obj)), list(records[title_of(one.obj)]), one.undone.said) as done:
            after = _carry_out(client, want.namespace, one, is_due)
            done([*one.undone.said, *one.undone.left])
        if one.key[0] in WORKLOADS and not client.dry_run:
            written[one.key] = int(meta(after).get("generation") or 0)
    if written and (want.name or want.everything):
        wait_ready(client, want, written, started, book)
    back = {one.key: _kept(one.obj, is_due) for one in returns}
    still = temporary([back.get(key_of(obj), obj) for obj in have.objects], moment(have.now))
    return Outcome(returns, still, paused, time.monotonic() - started, went)


def _record_what_went(client: KubeClient, namespace: str, have: Have, book: Book) -> list[str]:
    """What the Job put back is told, and by a run with a ledger recorded; only then the object forgets it."""
    found = [(obj, told) for obj in have.objects if (told := told_of(obj))]
    for obj, told in found:
        if book.fence and not client.dry_run:
            book.note(machine.went_back(name_of(obj)), after=told)
            with contextlib.suppress(Conflict):
                client.json_patch(KINDS[obj["kind"]], name_of(obj), mark_ops(obj, {WENT_BACK: None}), namespace)
    return [f"{said} since {one['at']}" for _obj, told in found for one in told for said in one["said"]]


def _chosen(client: KubeClient, want: Want, have: Have) -> list[Obj]:
    """The named workload with its autoscaler, or everything."""
    if not want.name:
        return have.objects
    subject = resolve(client, want.namespace, (want.kind, want.name), want.components, have.workloads)
    scalers = [one for one in have.autoscalers if target_of(one) == subject.key]
    return [have.workloads[subject.key], *scalers]


def _due(want: Want, now: str) -> Callable[[Obj], bool]:
    return lambda record: bool(want.name or want.everything or str(record["until"]) <= now)


def _carry_out(client: KubeClient, namespace: str, one: Return, is_due: Callable[[Obj], bool]) -> Obj:
    """The Job in the cluster may be faster: then there is nothing left to do."""
    kind, name = KINDS[one.key[0]], one.key[1]
    for made in one.undone.made:
        _remove(client, namespace, made)
    try:
        after = client.json_patch(kind, name, one.undone.ops, namespace)
    except Conflict:
        after = client.get(kind, name, namespace) or one.obj
        if any(map(is_due, readable(after).values())):
            raise
    if not client.dry_run and not records_of(after):
        dismiss(client, one.obj, namespace)
    return after


def _remove(client: KubeClient, namespace: str, made: Obj) -> None:
    """An object, if it is still the one that was created for this."""
    kind = CREATES[made["kind"]]
    found = client.get(kind, made["name"], namespace)
    if found and annotations_of(found).get(CREATED) == made["at"]:
        client.delete(kind, made["name"], namespace, found["metadata"]["uid"])


def _kept(obj: Obj, is_due: Callable[[Obj], bool]) -> Obj:
    """The object with what is temporary about it still."""
    return with_records(obj, {what: record for what, record in records_of(obj).items() if not is_due(record)})
