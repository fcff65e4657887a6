# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The guarded writes of a rollout: an object with its record, an object that goes back, and the unit's own record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..helm.objects import Obj, annotations_of, meta
from ..kube.kinds import CONFIGMAP
from .model import Op, Want
from .record import APPLY, ROLLOUT, Unit
from .shape import ANNOTATION, Change, patch_of, with_annotation

if TYPE_CHECKING:
    from ..kube.client import KubeClient
    from .plan import Return

HEAD = "rollout-"
_FORGET: Op = {"op": "remove", "path": ANNOTATION}


def send(client: KubeClient, change: Change, text: str | None, namespace: str, force: bool) -> Obj:
    """Write the object with ``text`` as its record, in one request; what the API server made of it."""
    if change.how == APPLY:
        return client.apply(change.kind, with_annotation(change.body, text), namespace, force)
    ops = patch_of(change, text)
    return client.json_patch(change.kind, change.key[1], ops, namespace) if ops else change.live or change.body


def give_back(client: KubeClient, one: Return, namespace: str) -> Obj | None:
    """Write what the object was and take its record away; None when it was deleted. Not if it is another object now."""
    name, uid = one.key[1], str(meta(one.obj).get("uid", ""))
    if one.body is None:
        client.delete(one.kind, name, namespace, uid)
        return None
    if one.how == APPLY:
        body = with_annotation(one.body, None)
        meta(body).update({"uid": uid} if uid else {})
        done = client.apply(one.kind, body, namespace, force=True)
        gone = [{"op": "test", "path": ANNOTATION, "value": annotations_of(done).get(ROLLOUT)}, _FORGET]
        return client.json_patch(one.kind, name, gone, namespace) if ROLLOUT in annotations_of(done) else done
    ops = [
        {"op": "test", "path": ANNOTATION, "value": annotations_of(one.obj)[ROLLOUT]},
        *({"op": "add", "path": f"/spec/{field}", "value": value} for field, value in one.body["spec"].items()),
        _FORGET,
    ]
    return client.json_patch(one.kind, name, ops, namespace)


def keep_unit(client: KubeClient, want: Want, before: Unit | None, after: Unit) -> None:
    """Write the unit's record; ``Conflict`` if somebody else did since it was read."""
    name = HEAD + want.name
    if before is None:
        client.create(CONFIGMAP, {"metadata": {"name": name}, "data": {"unit": after.text()}}, want.namespace)
    elif before != after:
        ops = [
            {"op": "test", "path": "/data/unit", "value": before.text()},
            {"op": "replace", "path": "/data/unit", "value": after.text()},
        ]
        client.json_patch(CONFIGMAP, name, ops, want.namespace)
