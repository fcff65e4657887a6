# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One patch that makes an entry answer from the maintenance page, or as it did before, with its record. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..kube.patches import pointer, value_at
from .record import MAINTENANCE, Record, Values, record_of

Obj = Mapping[str, Any]
Op = dict[str, Any]
ANNOTATION = pointer("metadata", "annotations", MAINTENANCE)


@dataclass(frozen=True)
class Plan:
    """``ops`` is empty when nothing is to be done; ``before`` and ``after`` are the values that change."""

    sentence: str
    ops: tuple[Op, ...] = ()
    before: Values | None = None
    after: Values | None = None
    warnings: tuple[str, ...] = ()

    def diff(self) -> dict[str, str]:
        sides = {"before": self.before or {}, "after": self.after or {}}
        return {side: json.dumps(said, indent=2, sort_keys=True) + "\n" for side, said in sides.items()}


def on(entry: Obj, wanted: Values, by: str, who: str, now: str) -> Plan:
    """The entry answers what is ``wanted``; one that does so for another reason is refused."""
    title, record = _title(entry), record_of(entry)
    if record is not None:
        if record.by != by:
            raise Refused(
                f"{title} is in maintenance for {record.by} already, since {record.since}. Nothing was changed",
                where=f"namespace {entry['metadata'].get('namespace', '')}",
                remedy=f"let that end: maintenance_mode with name={record.by} and state=off",
            )
        told = [f"{title} does not say {path} as maintenance left it" for path in _moved(entry, record)]
        return Plan(f"{title} is in maintenance since {record.since}", warnings=tuple(told))
    was = {path: value_at(entry, path) for path in wanted}
    said = Record(by, who, now, was, wanted).text()
    annotate: Op = {"op": "add", "path": ANNOTATION, "value": said}
    tests: list[Op] = [{"op": "test", "path": path, "value": value} for path, value in was.items()]
    if not entry["metadata"].get("annotations"):
        tests.append({"op": "test", "path": "/metadata/annotations", "value": None})
        annotate = {"op": "add", "path": "/metadata/annotations", "value": {MAINTENANCE: said}}
    replaced: list[Op] = [{"op": "replace", "path": path, "value": value} for path, value in wanted.items()]
    return Plan(f"{title} answers from the maintenance page", (*tests, *replaced, annotate), was, wanted)


def off(entry: Obj, by: str) -> Plan:
    """The entry answers as it did before; what somebody else has changed meanwhile is left as it is."""
    title, record = _title(entry), record_of(entry)
    if record is None:
        return Plan(f"{title} is not in maintenance")
    if record.by != by:
        stays = f"{title} is in maintenance for {record.by}, since {record.since}, and stays so"
        return Plan(stays, warnings=(stays,))
    moved = _moved(entry, record)
    back = {path: value for path, value in record.was.items() if path not in moved}
    now = {path: record.now[path] for path in back}
    text = entry["metadata"]["annotations"][MAINTENANCE]
    ops: list[Op] = [
        {"op": "test", "path": ANNOTATION, "value": text},
        *({"op": "test", "path": path, "value": value} for path, value in now.items()),
        *({"op": "replace", "path": path, "value": value} for path, value in back.items()),
        {"op": "remove", "path": ANNOTATION},
    ]
    told = [
        f"{path} of {title} was changed while it was in maintenance, and is left as it is" for path in sorted(moved)
    ]
    return Plan(f"{title} answers as it did before {record.since}", tuple(ops), now, back, tuple(told))


def _moved(entry: Obj, record: Record) -> set[str]:
    """What does not say any more what maintenance made it say."""
    return {path for path, value in record.now.items() if value_at(entry, path) != value}


def _title(entry: Obj) -> str:
    return f"{entry['kind']} {entry['metadata']['name']}"
