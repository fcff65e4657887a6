# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON patches as guards: which are safe to repeat, which test failed, and who changed the field."""

from __future__ import annotations

import typing as t

Op = t.Mapping[str, t.Any]
Obj = t.Mapping[str, t.Any]
_ABSENT = object()


def pointer(*segments: str | int) -> str:
    """A JSON pointer: ``pointer("metadata", "annotations", "a/b")`` is ``/metadata/annotations/a~1b``."""
    return "".join("/" + str(segment).replace("~", "~0").replace("/", "~1") for segment in segments)


def is_guarded(ops: t.Sequence[Op]) -> bool:
    """Whether sending ``ops`` a second time does nothing or fails its test, so that a lost answer may be retried."""
    tests = [op["path"] for op in ops if op["op"] == "test"]
    if "/metadata/resourceVersion" in tests:
        return True
    return bool(tests) and all(op["op"] == "test" or _is_absolute(op) for op in ops)


def _is_absolute(op: Op) -> bool:
    """``replace``, or ``add`` of a key: the value afterwards does not depend on how often it was done."""
    last = str(op["path"]).rsplit("/", 1)[-1]
    return bool(op["op"] == "replace" or (op["op"] == "add" and last != "-" and not last.isdigit()))


def failed_test(obj: Obj, ops: t.Sequence[Op]) -> tuple[str, t.Any, t.Any] | None:
    """(path, expected, found) of the first ``test`` that does not hold for ``obj``; None stands for what is absent."""
    for op in ops:
        if op["op"] == "test":
            there = value_at(obj, op["path"])
            found = None if there is _ABSENT else there
            if found != op["value"]:
                return str(op["path"]), op["value"], found
    return None


def is_done(obj: Obj, ops: t.Sequence[Op]) -> bool:
    """Whether ``obj`` already has every value ``ops`` would write."""
    writes = [op for op in ops if op["op"] != "test"]
    return all(
        value_at(obj, op["path"]) is _ABSENT
        if op["op"] == "remove"
        else op["op"] in ("add", "replace") and value_at(obj, op["path"]) == op["value"]
        for op in writes
    )


def is_merged(obj: t.Any, body: Obj) -> bool:
    """Whether ``obj`` already has every value a merge patch would write; the version it was made for is none."""
    metadata = {key: value for key, value in (body.get("metadata") or {}).items() if key != "resourceVersion"}
    return _has(obj, {**body, "metadata": metadata})


def _has(found: t.Any, wanted: t.Any) -> bool:
    if not isinstance(wanted, t.Mapping):
        return bool(found == wanted)
    there = found if isinstance(found, t.Mapping) else {}
    return all(key not in there if value is None else _has(there.get(key), value) for key, value in wanted.items())


def value_at(obj: t.Any, path: str) -> t.Any:
    """The value a JSON pointer leads to, or a marker that equals nothing."""
    for segment in path.split("/")[1:]:
        key = segment.replace("~1", "/").replace("~0", "~")
        if isinstance(obj, list) and key.isdigit() and int(key) < len(obj):
            obj = obj[int(key)]
        elif isinstance(obj, dict) and key in obj:
            obj = obj[key]
        else:
            return _ABSENT
    return obj


def managers_of(obj: Obj, path: str) -> list[str]:
    """Who owns the field at ``path`` by the object's managedFields, most recent first, with the time of the change."""
    owners: list[tuple[int, str, str]] = []
    for entry in obj.get("metadata", {}).get("managedFields") or []:
        depth = _owned_depth(entry.get("fieldsV1") or {}, path)
        if depth:
            owners.append((depth, str(entry.get("time", "")), str(entry.get("manager", ""))))
    deepest = max((depth for depth, _time, _manager in owners), default=0)
    chosen = sorted(((time, manager) for depth, time, manager in owners if depth == deepest), reverse=True)
    return [f"{manager} ({time})" if time else manager for time, manager in chosen]


def _owned_depth(fields: t.Mapping[str, t.Any], path: str) -> int:
    """How many segments of ``path`` an entry of managedFields covers; an owned list covers everything below it."""
    depth = 0
    for segment in path.split("/")[1:]:
        below = fields.get("f:" + segment.replace("~1", "/").replace("~0", "~"))
        if below is None:
            break
        fields, depth = below, depth + 1
    return depth
