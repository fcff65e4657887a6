# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The NetworkPolicy that parts the pods of a workload from all but given peers, and whose policies spoil that. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import Refused
from ..helm.objects import Obj, annotations_of, clone, labels_of, name_of, pod_template
from ..kube.kinds import NETWORKPOLICY
from ..kube.readiness import selects
from ..rollout.model import WORKLOADS
from .draft import Draft
from .put_back import CREATED, records_of, title_of
from .subject import Subject
from .want import ISOLATED, Want

LONGEST = 240
SIDES = (("ingress", "from", "Ingress"), ("egress", "to", "Egress"))


def isolated(want: Want, obj: Obj, subject: Subject, policies: Sequence[Obj]) -> Draft:
    """``policies`` are those of the namespace. One that is there for this already is only kept for longer."""
    body = _policy(want, obj)
    there = next((one for one in policies if name_of(one) == name_of(body)), None)
    warnings = _spoiled(obj, body, policies)
    if subject.colour:
        warnings += (f"A release of {subject.component} in this time brings pods that are not isolated",)
    draft = Draft(WORKLOADS[subject.kind], obj, create=None if there else body, warnings=warnings)
    if there is None:
        return draft
    record = records_of(obj).get(ISOLATED)
    if record is None or record["created"]["at"] != annotations_of(there).get(CREATED):
        why, remedy = "is not of this workload, so nobody would remove it", "remove it, or give it another name"
    elif _peers(there) != _peers(body):
        why, remedy = "lets others through", "end that first (state reverted), then isolate it anew"
    else:
        return draft
    raise Refused(f"{title_of(there)} is there already and {why}. Nothing was changed", where=want.where, remedy=remedy)


def _policy(want: Want, obj: Obj) -> Obj:
    spec: Obj = {"podSelector": clone(obj["spec"]["selector"]), "policyTypes": [side[2] for side in SIDES]}
    for rules, side, _kind in SIDES:
        peers = list(want.allow.get(side) or ())
        spec[rules] = [{side: peers}] if peers else []
    kind = {"apiVersion": NETWORKPOLICY.api_version, "kind": NETWORKPOLICY.kind}
    owner = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": name_of(obj), "uid": obj["metadata"]["uid"]}
    return {**kind, "metadata": {"name": policy_name(obj), "ownerReferences": [owner]}, "spec": spec}


def policy_name(obj: Mapping[str, Any]) -> str:
    """Of the workload; two whose names are too long to be told apart have different ones all the same."""
    title = title_of(obj)
    name = f"isolated-{title.lower().replace(' ', '-')}"
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{hashlib.sha256(title.encode()).hexdigest()[:8]}"


def _peers(policy: Obj) -> list[Any]:
    return [policy["spec"].get(rules) or [] for rules, _side, _kind in SIDES]


def _spoiled(obj: Obj, own: Obj, policies: Sequence[Obj]) -> tuple[str, ...]:
    """Policies add up: what another one lets through stays let through."""
    labels = labels_of(pod_template(obj))
    return tuple(
        f"{title_of(one)} lets {' and '.join(sides)} of these pods through as well, and policies add up. Take from it "
        "what must not get through"
        for one in policies
        if name_of(one) != name_of(own)
        and selects(one["spec"].get("podSelector") or {}, labels)
        and (sides := list(_opened(one)))
    )


def _opened(policy: Obj) -> Iterator[str]:
    types = policy["spec"].get("policyTypes") or ["Ingress"]
    for rules, side, kind in SIDES:
        if kind in types and policy["spec"].get(rules):
            yield f"traffic {side} others" if side == "to" else "traffic from others"
