# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What is temporary about an object, and how it goes back. Pure; it also runs in a pod, with Python 3.9 and no library.

A field is a dict: ``field`` is ``replicas``, ``minReplicas``, ``maxReplicas``, ``cpu`` (the use an autoscaler keeps),
with ``container`` it is ``image``, and with ``container`` and ``name`` one of ``env``, ``requests`` and ``limits``.
``was`` and ``set`` are its values, None where there is none; ``at`` is the place of a variable among the others.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Obj = dict[str, Any]

TEMPORARY = "runbook.release/temporary"
WENT_BACK = "runbook.release/went-back"
PAUSED = "runbook.release/paused"
REMEMBERED = "runbook.release/replicas"
CREATED = "runbook.release/created"
HIDDEN = "(hidden)"
_SECRET = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|_KEY|APIKEY|DSN", re.IGNORECASE)
_SPEC = ("replicas", "minReplicas", "maxReplicas", "metrics")
_IN_CONTAINER = ("image", "env", "requests", "limits")


class Undone(NamedTuple):
    """``ops`` puts back what it can, ``left`` says what it cannot; ``made`` have to be deleted before it is sent."""

    ops: list[Obj]
    said: list[str]
    left: list[str]
    made: list[Obj]
    after: Obj


def title_of(obj: Mapping[str, Any]) -> str:
    return f"{obj['kind']} {obj['metadata']['name']}"


def marks_of(obj: Mapping[str, Any]) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def records_of(obj: Mapping[str, Any]) -> dict[str, Obj]:
    """What is temporary: by the state that made it so. ``ValueError`` when nobody can read it."""
    text = marks_of(obj).get(TEMPORARY)
    try:
        records = json.loads(text) if text else {}
        if isinstance(records, dict) and all("until" in one and "fields" in one for one in records.values()):
            return records
    except (ValueError, TypeError):
        pass
    raise ValueError(f"{title_of(obj)} has an annotation {TEMPORARY} that nobody can read")


def text_of(records: Mapping[str, Obj]) -> str | None:
    """The annotation; None when nothing is temporary."""
    return json.dumps(records, sort_keys=True, separators=(",", ":")) if records else None


def same(one: Obj, other: Obj) -> bool:
    """Whether two are the same field of an object."""
    return all(one.get(key) == other.get(key) for key in ("field", "container", "name"))


def value(obj: Mapping[str, Any], field: Obj) -> Any:
    """The field's value now."""
    if field["field"] == "cpu":
        metric = _cpu(obj) or {}
        return ((metric.get("resource") or {}).get("target") or {}).get("averageUtilization")
    if field["field"] not in _IN_CONTAINER:
        return obj["spec"].get(field["field"])
    container = container_of(obj, field["container"]) or {}
    if field["field"] == "image":
        return container.get("image")
    if field["field"] == "env":
        return next((one for one in container.get("env") or [] if one["name"] == field["name"]), None)
    return ((container.get("resources") or {}).get(field["field"]) or {}).get(field["name"])


def assign(obj: Obj, field: Obj, wanted: Any) -> None:
    """Give the field of ``obj`` a value; None takes it away."""
    name = field["field"]
    if name == "cpu":
        _assign_cpu(obj, wanted)
    elif name not in _IN_CONTAINER:
        _put(obj["spec"], name, wanted)
    elif name == "image":
        _put(container_of(obj, field["container"]) or {}, name, wanted)
    elif name == "env":
        _assign_env(container_of(obj, field["container"]) or {}, field, wanted)
    else:
        resources = (container_of(obj, field["container"]) or {}).setdefault("resources", {})
        _put(resources.setdefault(name, {}), field["name"], wanted)
        if not resources[name]:
            del resources[name]


def _put(holder: Obj, key: str, wanted: Any) -> None:
    if wanted is None:
        holder.pop(key, None)
    else:
        holder[key] = wanted


def _assign_env(container: Obj, field: Obj, wanted: Obj | None) -> None:
    """A variable keeps its place, for others may refer to it."""
    entries = list(container.get("env") or [])
    there = [index for index, one in enumerate(entries) if one["name"] == field["name"]]
    at = there[0] if there else min(field.get("at", len(entries)), len(entries))
    entries[at : at + len(there)] = [] if wanted is None else [wanted]
    _put(container, "env", entries or None)


def _cpu(obj: Mapping[str, Any]) -> Obj | None:
    for metric in obj["spec"].get("metrics") or []:
        if metric.get("type") == "Resource" and metric["resource"]["name"] == "cpu":
            return dict(metric)
    return None


def _assign_cpu(obj: Obj, wanted: int | None) -> None:
    others = [one for one in obj["spec"].get("metrics") or [] if one != _cpu(obj)]
    target = {"type": "Utilization", "averageUtilization": wanted}
    new = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    _put(obj["spec"], "metrics", [*(new if wanted is not None else []), *others] or None)


def container_of(obj: Mapping[str, Any], name: str) -> Obj | None:
    return next((one for one in _containers(obj) if one["name"] == name), None)


def _containers(obj: Mapping[str, Any]) -> list[Obj]:
    return list(((obj["spec"].get("template") or {}).get("spec") or {}).get("containers") or [])


def named(field: Obj) -> str:
    """How people call the field."""
    if field["field"] in _IN_CONTAINER:
        whole = {"image": "image", "env": field.get("name")}
        name = whole.get(field["field"]) or f"{field['field']}.{field['name']}"
        return f"{name} of {field['container']}"
    return "CPU to keep" if field["field"] == "cpu" else str(field["field"])


def is_secret(name: str) -> bool:
    """Whether a variable is called like a secret."""
    return bool(_SECRET.search(name))


def shown(field: Obj, now: Any) -> str:
    """A value as it may be told; of a variable with the name of a secret it is not."""
    if now is None:
        return "not set"
    if field["field"] != "env":
        return f"{now} %" if field["field"] == "cpu" else str(now)
    if "valueFrom" in now:
        return "a reference"
    return HIDDEN if is_secret(field["name"]) else repr(str(now.get("value", "")))


def ops_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Obj]:
    """The JSON patch from one to the other, in the fields above; it fails if one of them was changed meanwhile."""
    ops: list[Obj] = []
    for name in _SPEC:
        ops += _op(f"/spec/{name}", before["spec"].get(name), after["spec"].get(name))
    changed_to = _containers(after)
    for index, old in enumerate(_containers(before)):
        new, path = changed_to[index], f"/spec/template/spec/containers/{index}"
        changed = [
            op for name in ("image", "env", "resources") for op in _op(f"{path}/{name}", old.get(name), new.get(name))
        ]
        if changed:
            ops += [{"op": "test", "path": f"{path}/name", "value": old["name"]}, *changed]
    return ops


def _op(path: str, old: Any, new: Any) -> list[Obj]:
    if old == new:
        return []
    write = {"op": "remove", "path": path} if new is None else {"op": "add", "path": path, "value": new}
    return [{"op": "test", "path": path, "value": old}, write]


def mark_ops(obj: Mapping[str, Any], marks: Mapping[str, str | None]) -> list[Obj]:
    """The JSON patch that sets or removes annotations; it fails if one of them was changed meanwhile."""
    have = marks_of(obj)
    if not have:
        new = {name: text for name, text in marks.items() if text is not None}
        absent = {"op": "test", "path": "/metadata/annotations", "value": None}
        return [absent, {"op": "add", "path": "/metadata/annotations", "value": new}] if new else []
    ops: list[Obj] = []
    for name, text in marks.items():
        ops += _op("/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1"), have.get(name), text)
    return ops


def put_back(obj: Obj, is_due: Callable[[Obj], bool]) -> Undone:
    """What gives an object back what it was, for the records that are due; nothing while it is paused."""
    records = records_of(obj)
    due = {what: record for what, record in records.items() if is_due(record)}
    after = copy.deepcopy(obj)
    if not due or PAUSED in marks_of(obj):
        return Undone([], [], [], [], after)
    marks: dict[str, str | None] = {TEMPORARY: text_of({what: records[what] for what in records if what not in due})}
    said: list[str] = []
    left: list[str] = []
    for record in due.values():
        for field in record["fields"]:
            _undo(obj, after, field, marks, said, left, bool(record.get("created")))
    made = [record["created"] for record in due.values() if record.get("created")]
    said[:0] = [f"{one['kind']} {one['name']} is removed" for one in made]
    return Undone([*ops_between(obj, after), *mark_ops(obj, marks)], said, left, made, after)


def for_good(obj: Obj) -> Obj:
    """The object as it will be when what is temporary about it was put back."""
    if TEMPORARY not in marks_of(obj):
        return obj
    try:
        return put_back(obj, lambda record: True).after
    except ValueError:
        return obj


def _undo(
    obj: Obj, after: Obj, field: Obj, marks: dict[str, str | None], said: list[str], left: list[str], any_size: bool
) -> None:
    """Of ``any_size`` are replicas that an autoscaler of ours has changed, as long as nobody scaled them down."""
    now, was, given, head = value(obj, field), field["was"], field["set"], f"{title_of(obj)}: {named(field)}"
    remembered = marks_of(obj).get(REMEMBERED)
    if now == was:
        return
    if now == given or (any_size and now and remembered is None):
        assign(after, field, was)
        said.append(f"{head} {'are' if field['field'] == 'replicas' else 'is'} {shown(field, was)} again")
    elif field["field"] == "replicas" and remembered is not None:
        if remembered == str(given):
            marks[REMEMBERED] = str(was)
        said.append(f"{head} are {now}, as the release left it, which is scaled down")
    else:
        left.append(
            f"{head}: {shown(field, now)} now and set to {shown(field, given)} before, so it was changed by others"
        )


def told_of(obj: Mapping[str, Any]) -> list[Obj]:
    """What went back by itself and no run has recorded yet."""
    try:
        told = json.loads(marks_of(obj).get(WENT_BACK) or "[]")
    except ValueError:
        return []
    return told if isinstance(told, list) else []


def telling(obj: Mapping[str, Any], undone: Undone, at: str) -> list[Obj]:
    """The same patch, which also leaves on the object when that was, for the next run to record."""
    told = [*told_of(obj), {"at": at, "said": undone.said, "left": undone.left}]
    place = "/metadata/annotations/" + WENT_BACK.replace("/", "~1")
    return [*undone.ops, {"op": "add", "path": place, "value": json.dumps(told, sort_keys=True)}]


def until_of(records: Mapping[str, Obj]) -> list[str]:
    """When the records are due, the next one first."""
    return sorted(str(record["until"]) for record in records.values())


def merged(old: Sequence[Obj], new: Sequence[Obj]) -> list[Obj]:
    """The fields of a record when more of the object becomes temporary: what was before the first change is kept."""
    fields = []
    for field in new:
        known = next((one for one in old if same(one, field)), None)
        fields.append({**field, "was": known["was"]} if known and known["set"] == field["was"] else field)
    return [*(one for one in old if not any(same(one, field) for field in new)), *fields]
