# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a namespace has that a change is decided upon, read at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Forbidden, ReleaseError
from ..helm.objects import Obj, annotations_of, meta
from ..kube.kinds import HPA, LIMITRANGE, NETWORKPOLICY, PDB, Kind
from ..rollout.model import WORKLOADS, Key, key_of
from ..rollout.observe import at_once
from .put_back import TEMPORARY, records_of, text_of, title_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

KINDS: dict[str, Kind] = {**WORKLOADS, HPA.kind: HPA}
"""What can be temporary."""
CREATES: dict[str, Kind] = {kind.kind: kind for kind in (HPA, NETWORKPOLICY)}
"""What is there for a time only."""


@dataclass(frozen=True)
class Have:
    """``now`` is the API server's time in seconds."""

    workloads: Mapping[Key, Obj]
    autoscalers: Sequence[Obj]
    budgets: Sequence[Obj]
    limits: Sequence[Obj]
    now: int

    def scalers_of(self, key: Key) -> list[Obj]:
        """The autoscalers of a workload."""
        return [one for one in self.autoscalers if target_of(one) == key]

    @property
    def objects(self) -> list[Obj]:
        return [*self.workloads.values(), *self.autoscalers]


def target_of(scaler: Obj) -> Key:
    to = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    return str(to.get("kind", "")), str(to.get("name", ""))


def observe(client: KubeClient, namespace: str, guards: bool = True, everything: bool = True) -> Have:
    """``guards`` also reads what can forbid a change. Kinds that may not be read are left out unless ``everything``."""
    kinds = [*WORKLOADS.values(), HPA, *([PDB, LIMITRANGE] if guards else [])]

    def listed(kind: Kind) -> list[Obj]:
        try:
            return client.list(kind, namespace)
        except Forbidden:
            if everything:
                raise
            return []

    lists = at_once(listed, kinds)
    found = {key_of(obj): obj for objects in lists[:3] for obj in objects}
    budgets, limits = lists[4:] if guards else ([], [])
    return Have(found, lists[3], budgets, limits, int(client.now().timestamp()))


@dataclass(frozen=True)
class Temporary:
    """One thing about one object that is temporary; moments as the API writes them."""

    kind: str
    name: str
    what: str
    record: Mapping[str, Any]
    overdue: bool

    def report(self) -> dict[str, Any]:
        told = {name: self.record.get(name, "") for name in ("since", "until", "reason", "by")}
        return {"kind": self.kind, "name": self.name, "what": self.what, **told, "overdue": self.overdue}

    def sentence(self) -> str:
        reason = f" ({self.record['reason']})" if self.record.get("reason") else ""
        return f"{self.kind} {self.name} is {self.what} until {self.record['until']}{reason}"


def temporary(objects: Sequence[Obj], now: str) -> list[Temporary]:
    """What is temporary, the next that is due first; moments of this format sort as texts."""
    found = [
        Temporary(str(obj["kind"]), str(meta(obj)["name"]), what, record, str(record["until"]) <= now)
        for obj in objects
        for what, record in readable(obj).items()
    ]
    return sorted(found, key=lambda one: (str(one.record["until"]), one.kind, one.name))


def readable(obj: Obj) -> dict[str, Obj]:
    """The records of an object; ``ReleaseError`` when nobody can read them."""
    try:
        return records_of(obj)
    except ValueError as error:
        raise ReleaseError(
            str(error),
            where=f"{title_of(obj)} in namespace {meta(obj).get('namespace', '')}",
            remedy="see that the object is as it should be and remove the annotation",
        ) from None


def with_records(obj: Obj, records: Mapping[str, Obj]) -> Obj:
    """The object as it is, with these records and no others."""
    text = text_of(records)
    kept = {name: value for name, value in annotations_of(obj).items() if name != TEMPORARY}
    return {**obj, "metadata": {**meta(obj), "annotations": {**kept, **({TEMPORARY: text} if text else {})}}}
