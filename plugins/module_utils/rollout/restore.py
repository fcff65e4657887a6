# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Exactly what the newest release changed goes back, each object by what its own record says. Pure.

Which release that was stands in the unit's record, and the revision in the object's, by name: never the one before
whatever is there now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import Refused
from ..helm.objects import Obj, clone, meta
from .model import WORKLOADS, Key, Want, is_named, key_of, titled
from .observe import Have, Marked, revision_named
from .plan import FIRST, Plan, Return, Wave, workloads_of
from .record import APPLY, PATCH, RESTORED, RETURNING, Unit, content
from .revisions import template_of
from .shape import Change, without_replicas

MANIFESTS, REVISION, REDEPLOY = "manifests", "revision", "redeploy"
POLICIES = (MANIFESTS, REVISION, REDEPLOY)


def decide(want: Want, have: Have, found: Sequence[Marked], policy: str, previous: Sequence[Change] = ()) -> Plan:
    """The waves of the release in reverse, after everything that is no workload.

    ``previous`` are the objects of the version before, for the policy ``redeploy``.
    """
    unit = have.unit
    if unit is None or unit.version != want.version or unit.state == RESTORED:
        return Plan(None, unit or Unit("", want.version, RESTORED), RESTORED, ())
    if want.only:
        _check_alone(want, have, unit)
    by_key = {change.key: change for change in previous}
    returns, left = [], []
    for one in found:
        if one.key[0] in WORKLOADS:
            returns += [_workload(have, one, policy, by_key)] if _goes(want, one.key) else []
        elif want.only or one.record.before is None or policy == REVISION:
            left.append(titled(one.key))
        else:
            returns.append(_other(one, policy, by_key))
    lost = [change for change in previous if not change.is_workload and change.live is None]
    returns += [Return(change.kind, change.body, change.body, APPLY) for change in lost]
    waves = tuple(_waves(want, unit, have, returns))
    if want.only:
        return Plan(unit, unit, unit.state, waves, tuple(left))
    return Plan(unit, unit.now(RETURNING), RESTORED, waves, tuple(left))


def _goes(want: Want, key: Key) -> bool:
    return not want.only or is_named(key, want.only)


def _check_alone(want: Want, have: Have, unit: Unit) -> None:
    """``Refused`` for names of nothing, and for a release that is neither there nor gone: that goes as a whole."""
    there = {*have.workloads, *unit.keys}
    astray = [name for name in want.only if not any(is_named(key, (name,)) for key in there)]
    if astray:
        raise Refused(
            f"No workload is called {', '.join(astray)}. Nothing was changed",
            where="option only",
            remedy="name workloads of the release, as name or as Kind/name",
        )
    if unit.unfinished:
        raise Refused(
            f"The release of {unit.version} did not come to its end, so no part of it goes back alone. "
            "Nothing was changed",
            where=want.where,
            remedy="go on with it, or restore all of it",
        )


def _waves(want: Want, unit: Unit, have: Have, returns: Sequence[Return]) -> list[Wave]:
    """What went back already, by a run that did not end, is waited for in the last wave."""
    deleted = {one.key for one in returns if one.body is None}
    numbers = {one.key: one.wave for one in returns}
    keys = [key for key in workloads_of(unit) if key in have.workloads and key not in deleted and _goes(want, key)]
    waves = [Wave(tuple(one for one in returns if one.wave == FIRST))]
    for number in sorted({*(one.wave for one in returns), *(numbers.get(key, 1) for key in keys)} - {FIRST})[::-1]:
        writes = tuple(one for one in returns if one.wave == number)
        waves.append(Wave(writes, tuple(key for key in keys if numbers.get(key, 1) == number)))
    return waves


def _workload(have: Have, one: Marked, policy: str, previous: Mapping[Key, Change]) -> Return:
    record, how = one.record, one.record.how
    if record.before is None:
        return Return(one.kind, one.obj, None, how, record.wave)
    if policy == REVISION:
        template = template_of(revision_named(have, record.revision, one.key))
        body = _with_template(one.obj, template, how)
    elif policy == REDEPLOY:
        change = _previous(one, previous)
        body, how = content(change.body, PATCH) if change.how == PATCH else change.body, change.how
    else:
        body = _as_before(one)
    return Return(one.kind, one.obj, body, how, record.wave)


def _other(one: Marked, policy: str, previous: Mapping[Key, Change]) -> Return:
    body = _previous(one, previous).body if policy == REDEPLOY else _as_before(one)
    return Return(one.kind, one.obj, body, one.record.how)


def _previous(one: Marked, previous: Mapping[Key, Change]) -> Change:
    change = previous.get(one.key)
    if change is None:
        raise Refused(
            f"{titled(one.key)} was changed, and the source of the previous version does not have it. "
            "Nothing was changed",
            where="option source",
            remedy="give the source that was released before, or restore with the policy manifests",
        )
    return change


def _as_before(one: Marked) -> Obj:
    before = clone(one.record.before or {})
    if one.record.how != APPLY:
        return before
    metadata = {**(before.pop("metadata", None) or {}), "name": meta(one.obj)["name"]}
    body = {"apiVersion": one.obj["apiVersion"], "kind": one.obj["kind"], "metadata": metadata, **before}
    keeps = one.key[0] in WORKLOADS and "replicas" not in body["spec"]
    return without_replicas(body, one.obj) if keeps else body


def _with_template(obj: Obj, template: Obj, how: str) -> Obj:
    """The workload as it is, with another pod template."""
    if how != APPLY:
        return {"spec": {"template": template}}
    head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": {"name": key_of(obj)[1]}}
    body = {**head, "spec": {**clone(obj["spec"]), "template": template}}
    for field in ("labels", "annotations"):
        if meta(obj).get(field):
            body["metadata"][field] = dict(meta(obj)[field])
    return without_replicas(body, obj)
