# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One object to be changed: its fields as they are and as they are wanted, and the patch that does it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..helm.objects import Obj, annotations_of, clone, pod_template
from ..kube.kinds import Kind
from ..kube.patches import pointer
from ..rollout.images import images_of
from .put_back import (
    TEMPORARY,
    assign,
    mark_ops,
    merged,
    named,
    ops_between,
    records_of,
    same,
    shown,
    text_of,
    title_of,
)
from .put_back import value as value_of
from .want import Want


@dataclass(frozen=True)
class Draft:
    """``asked`` are all fields that are asked for, also those that are so already; ``marks`` go on the pod template.

    ``create`` is an autoscaler or a NetworkPolicy that is not there yet; ``obj`` is the workload then. ``template``
    are all the pods of ``earlier``, a revision.
    """

    kind: Kind
    obj: Obj
    asked: tuple[Obj, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    create: Obj | None = None
    template: Obj | None = None
    earlier: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return title_of(self.obj)

    @property
    def fields(self) -> list[Obj]:
        """Those that are to change."""
        return [one for one in self.asked if one["was"] != one["set"]]

    @property
    def changes(self) -> bool:
        return bool(self.fields or self.marks or self.create or self.template)

    @property
    def after(self) -> Obj:
        after = clone(self.obj)
        if not self.create:
            for one in self.fields:
                assign(after, one, one["set"])
        return after

    def ops(self) -> list[Obj]:
        if self.template:
            path, now = pointer("spec", "template"), pod_template(self.obj)
            return [{"op": "test", "path": path, "value": now}, {"op": "replace", "path": path, "value": self.template}]
        return [*ops_between(self.obj, self.after), *self._mark_template()]

    def _mark_template(self) -> list[Obj]:
        if not self.marks:
            return []
        path = pointer("spec", "template", "metadata", "annotations")
        have = annotations_of(pod_template(self.obj))
        if not have:
            return [{"op": "test", "path": path, "value": None}, {"op": "add", "path": path, "value": dict(self.marks)}]
        tests = [{"op": "test", "path": path + pointer(name), "value": have.get(name)} for name in self.marks]
        return tests + [{"op": "add", "path": path + pointer(name), "value": text} for name, text in self.marks.items()]

    def settled(self, would: Obj) -> Draft:
        """With the values as the API server writes them: ``1024Mi`` is ``1Gi`` there."""
        asked = [{**one, "set": value_of(would, one)} for one in self.asked]
        return self if self.create else replace(self, asked=tuple(asked))

    def sentences(self) -> list[str]:
        if self.create:
            return [f"create {title_of(self.create)} for {self.title}: {_purpose(self.create['spec'])}"]
        if self.template:
            return [f"return {self.title} to {self.earlier}"]
        restart = [f"restart {self.title}"] if self.marks else []
        return restart + [self._sentence(one) for one in self.fields]

    def _sentence(self, one: Obj) -> str:
        if one["field"] == "replicas":
            return f"scale {self.title} from {one['was']} to {one['set']}"
        if one["set"] is None:
            return f"remove {named(one)} of {self.title}, it is {shown(one, one['was'])}"
        return f"set {named(one)} of {self.title} from {shown(one, one['was'])} to {shown(one, one['set'])}"

    def told(self, side: str) -> dict[str, str | int]:
        """Field by field, as they ``was`` or are ``set``."""
        if self.create:
            return {title_of(self.create): "not there" if side == "was" else "there"}
        if self.template:
            images = images_of(self.obj if side == "was" else {**self.obj, "spec": {"template": self.template}})
            return {f"{self.title} image of {name}": image for name, image in images.items()}
        told: dict[str, str | int] = {}
        for one in self.asked:
            value = one[side]
            told[f"{self.title} {named(one)}"] = value if isinstance(value, int) else shown(one, value)
        return told


def _purpose(spec: Obj) -> str:
    if "podSelector" not in spec:
        return f"{spec['minReplicas']} to {spec['maxReplicas']} pods"
    named = [side for side in ("ingress", "egress") if spec[side]]
    return f"nothing but the given peers in {' and '.join(named)}" if named else "nothing gets in or out"


@dataclass(frozen=True)
class Marked:
    """What the object's annotation says afterwards; ``ops`` are empty if it says that already."""

    records: Mapping[str, Obj]
    ops: tuple[Obj, ...]


def marked(draft: Draft, want: Want, since: str, until: str, created: Obj | None = None) -> Marked:
    """The record of what is temporary now, or without what is changed for good."""
    before = records_of(draft.obj)
    records = _lengthened(before, draft, want, since, until, created) if want.seconds else _settled(before, draft)
    ops = mark_ops(draft.obj, {TEMPORARY: text_of(records)}) if records != before else []
    return Marked(records, tuple(ops))


def _lengthened(
    before: Mapping[str, Obj], draft: Draft, want: Want, since: str, until: str, created: Obj | None
) -> dict[str, Obj]:
    """What is so already, and for good, does not become temporary."""
    old = before.get(want.state) or {}
    kept = [one for one in old.get("fields") or [] if any(same(one, other) for other in draft.asked)]
    changed = [*draft.fields] if not draft.create else list(draft.asked)
    lasting = created or old.get("created")
    if not changed and not kept and not lasting:
        return dict(before)
    fields = merged(old.get("fields") or [], changed)
    more = {"created": lasting} if lasting else {}
    record = {"since": since, "until": until, "by": want.who, "reason": want.reason, "fields": fields, **more}
    return {**before, want.state: record}


def _settled(before: Mapping[str, Obj], draft: Draft) -> dict[str, Obj]:
    """What is changed for good is not put back any more."""
    after: dict[str, Obj] = {}
    for what, record in before.items():
        fields = [one for one in record["fields"] if not any(same(one, asked) for asked in draft.asked)]
        if fields or record.get("created"):
            after[what] = {**record, "fields": fields}
    return after
