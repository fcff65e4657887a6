# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One patch that makes an entry answer from the maintenance page, or as it did before, with its record. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import Refused
from ..kube.patches import pointer, value_at
from .page import beside, places
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
        here = _here(entry, record)
        told = [f"{title} does not say {path} as maintenance left it" for path in record.now if path not in here]
        return Plan(f"{title} is in maintenance since {record.since}", warnings=tuple(told))
    was = {path: value_at(entry, path) for path in wanted}
    apart = {path: _said(entry, path) for place in wanted for path in beside(place)}
    said = Record(by, who, now, was, wanted, apart).text()
    annotate: Op = {"op": "add", "path": ANNOTATION, "value": said}
    tests: list[Op] = [{"op": "test", "path": path, "value": value} for path, value in {**was, **apart}.items()]
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
    here = _here(entry, record)
    back = {path: record.was[old] for old, path in here.items()}
    now = {path: record.now[old] for old, path in here.items()}
    apart = {path: _said(entry, path) for place in back for path in beside(place)} if record.beside else {}
    text = entry["metadata"]["annotations"][MAINTENANCE]
    ops: list[Op] = [
        {"op": "test", "path": ANNOTATION, "value": text},
        *({"op": "test", "path": path, "value": value} for path, value in {**now, **apart}.items()),
        *({"op": "replace", "path": path, "value": value} for path, value in back.items()),
        {"op": "remove", "path": ANNOTATION},
    ]
    told = (*_left(entry, record, set(here)), *_lasting(entry, record, set(back)))
    return Plan(f"{title} answers as it did before {record.since}", tuple(ops), now, back, told)


def _here(entry: Obj, record: Record) -> dict[str, str]:
    """Where each place of the record is by now, if it says what maintenance made it say.

    A rule is known by what tells it from others, for its number is that of another once one before it is gone.
    """
    if not record.beside:
        return {path: path for path, value in record.now.items() if value_at(entry, path) == value}
    before: dict[str, list[str]] = {}
    since: dict[str, list[str]] = {}
    for path, value in record.now.items():
        before.setdefault(_known(path, value, record.beside.get), []).append(path)
    for path in places(entry):
        since.setdefault(_known(path, _said(entry, path), partial(_said, entry)), []).append(path)
    found: dict[str, str] = {}
    for known, paths in before.items():
        there = since.get(known, [])
        as_many = len(paths) == len(there)
        found.update(zip(paths, there, strict=True) if as_many else ((one, one) for one in paths if one in there))
    return {path: found[path] for path in record.now if path in found}


def _known(path: str, value: Any, said: Callable[[str], Any]) -> str:
    apart = [said(one) for one in beside(path)]
    return json.dumps([path.rpartition("/")[2], apart, value], sort_keys=True)


def _said(entry: Obj, path: str) -> Any:
    """What stands there, None if nothing does."""
    above, _slash, name = path.rpartition("/")
    there = value_at(entry, above)
    return there.get(name) if isinstance(there, Mapping) else None


def _left(entry: Obj, record: Record, here: set[str]) -> list[str]:
    """What is not put back, in words; of a rule that is not there any more also what it said."""
    return [_why_left(entry, record, path) for path in sorted(set(record.now) - here)]


def _why_left(entry: Obj, record: Record, path: str) -> str:
    apart = {one: record.beside[one] for one in beside(path) if one in record.beside}
    if all(_said(entry, one) == value for one, value in apart.items()):
        return f"{path} of {_title(entry)} was changed while it was in maintenance, and is left as it is"
    return (
        f"{_title(entry)} has nothing any more like {path} was, with {json.dumps(apart, sort_keys=True)}; so what that "
        f"said is not put back: {json.dumps(record.was[path], sort_keys=True)}"
    )


def _lasting(entry: Obj, record: Record, back: set[str]) -> list[str]:
    """What answers from the page although maintenance did not make it, in words."""
    page = list(record.now.values())
    lasting = [path for path in places(entry) if path not in back and value_at(entry, path) in page]
    return [
        f"{path} of {_title(entry)} still answers from the maintenance page; nothing like it was there"
        for path in lasting
    ]


def _title(entry: Obj) -> str:
    return f"{entry['kind']} {entry['metadata']['name']}"
