# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a release left behind, as fingerprints, and what has become of it without a release. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ..change.put_back import CREATED, for_good
from ..colours import PREFIX
from ..helm.objects import HELM_RELEASE, MIN_REPLICAS, Obj, annotations_of, kind_name, labels_of, meta, name_of
from ..ledger.chain import Entry
from .index import RELEASE
from .machine import INDEX_BEGUN

STATE = "state"
"""What an entry of the index says that holds fingerprints."""

INSTANCE = "app.kubernetes.io/instance"
OURS = ("runbook.release", "helm")
DIGITS = 32
MOST_FIELDS = 5
IGNORED_ANNOTATIONS = (
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/restartedAt",
)
GIVEN_BY_THE_CLUSTER: dict[str, tuple[str, ...]] = {
    "Service": ("clusterIP", "clusterIPs", "healthCheckNodePort"),
    "PersistentVolumeClaim": ("volumeName",),
}
"""Fields of a spec that the cluster fills in when the object is created again."""

Workload = tuple[str, str]


class Ref(NamedTuple):
    """One object; ``namespace`` is empty for those of the cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Obj) -> Ref:
        return cls(str(obj["apiVersion"]), kind_name(obj), str(meta(obj).get("namespace") or ""), name_of(obj))

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Objects = Mapping[Ref, Obj]


@dataclass(frozen=True)
class Part:
    """One component as a release left it."""

    colour: str
    release: str
    revision: int
    version: str
    fingerprints: Mapping[Ref, str]

    def report(self) -> dict[str, Any]:
        """As small as an entry of a ledger wants it."""
        grouped: dict[str, dict[str, str]] = {}
        for ref, fingerprint in sorted(self.fingerprints.items()):
            grouped.setdefault(f"{ref.api_version} {ref.kind}", {})[f"{ref.namespace}/{ref.name}"] = fingerprint
        head = {"colour": self.colour, "release": self.release, "revision": self.revision, "version": self.version}
        return {**head, "objects": grouped}

    @classmethod
    def parse(cls, said: Mapping[str, Any]) -> Part:
        fingerprints = {
            Ref(*kind.split(" "), *name.split("/")): fingerprint
            for kind, names in said["objects"].items()
            for name, fingerprint in names.items()
        }
        return cls(said["colour"], said["release"], said["revision"], said["version"], fingerprints)


Parts = Mapping[str, Part]


@dataclass(frozen=True)
class Recorded:
    """The newest state in the index, and the releases that began after it; a restore leaves the components alone."""

    when: str = ""
    release: str = ""
    parts: Parts | None = None
    interim: tuple[str, ...] = ()


def recorded(entries: Sequence[Entry]) -> Recorded:
    """What the index remembers."""
    found = Recorded()
    for entry in entries:
        if entry.what == STATE:
            parts = {name: Part.parse(part) for name, part in entry.after["components"].items()}
            found = Recorded(entry.when, entry.after["release"], parts)
        elif entry.what == INDEX_BEGUN and found.when and entry.after.get("kind", RELEASE) == RELEASE:
            found = Recorded(found.when, found.release, found.parts, (*found.interim, entry.after["release"]))
    return found


def state(release: str, parts: Parts) -> dict[str, Any]:
    """The same to write it down."""
    return {"release": release, "components": {name: part.report() for name, part in parts.items()}}


def autoscaled(hpas: Iterable[Obj]) -> set[Workload]:
    """Kind and name of the workloads whose size is an autoscaler's business, not only for a time."""
    lasting = [hpa for hpa in hpas if CREATED not in annotations_of(hpa)]
    targets = [(hpa.get("spec") or {}).get("scaleTargetRef") or {} for hpa in lasting]
    return {(str(target.get("kind", "")), str(target.get("name", ""))) for target in targets}


def fingerprint(obj: Obj, sized: Collection[Workload] = ()) -> str:
    """A hash of what people decide about an object. Of a Secret it is its version: data is never read."""
    said: Any = {"version": meta(obj)["resourceVersion"]} if kind_name(obj) == "Secret" else _content(obj, sized)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _content(obj: Obj, sized: Collection[Workload]) -> Obj:
    obj = for_good(obj)
    content = {key: value for key, value in obj.items() if key not in ("apiVersion", "metadata", "status")}
    content["metadata"] = {"labels": labels_of(obj), "annotations": _kept(annotations_of(obj))}
    if isinstance(spec := content.get("spec"), dict):
        dropped = set(GIVEN_BY_THE_CLUSTER.get(kind_name(obj), ()))
        if (kind_name(obj), name_of(obj)) in sized:
            dropped.add("replicas")
        content["spec"] = {key: value for key, value in spec.items() if key not in dropped}
        if original := annotations_of(obj).get(MIN_REPLICAS):
            content["spec"]["minReplicas"] = int(original)
        if "template" in content["spec"]:
            content["spec"]["template"] = _template(content["spec"]["template"])
    return content


def _template(template: Any) -> Any:
    """A pod template without the mark a restart leaves."""
    if not isinstance(template, dict) or not annotations_of(template):
        return template
    metadata = {**meta(template), "annotations": _kept(annotations_of(template))}
    if not metadata["annotations"]:
        del metadata["annotations"]
    return {**template, "metadata": metadata}


def _kept(annotations: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in annotations.items()
        if key not in IGNORED_ANNOTATIONS and not key.startswith(PREFIX)
    }


@dataclass(frozen=True)
class Finding:
    """One thing that is not as a release left it; ``by`` and ``at`` as the object's managedFields tell."""

    component: str
    kind: str
    object: str
    namespace: str
    by: str = ""
    at: str = ""
    fields: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        what = {"changed": "was changed", "appeared": "has appeared", "vanished": "has vanished"}[self.kind]
        by = f" by {self.by}" if self.by else ""
        at = f" at {self.at}" if self.at else ""
        return f"{self.object} of {self.component} {what}{by}{at}" + (
            f": {', '.join(self.fields)}" if self.fields else ""
        )

    def report(self) -> dict[str, Any]:
        return {**asdict(self), "fields": list(self.fields), "sentence": self.sentence}


def compare(parts: Parts, found: Objects, sized: Collection[Workload], revisions: Mapping[str, int]) -> list[Finding]:
    """What changed, appeared or vanished since; ``revisions`` has Helm's newest number of each release."""
    known = {ref for part in parts.values() for ref in part.fingerprints}
    return [
        finding
        for name, part in parts.items()
        for finding in (
            *_helm(name, part, revisions),
            *_kept_or_not(name, part, found, sized),
            *_appeared(name, part, known, found, sized),
        )
    ]


def _helm(component: str, part: Part, revisions: Mapping[str, int]) -> Iterator[Finding]:
    """An upgrade past the collection shows even if it rendered the same."""
    number = revisions.get(part.release, 0)
    if number != part.revision:
        kind, what = ("changed", f"(revision {number}, was {part.revision})") if number else ("vanished", "")
        yield Finding(component, kind, f"Helm release {part.release} {what}".strip(), "")


def _kept_or_not(component: str, part: Part, found: Objects, sized: Collection[Workload]) -> Iterator[Finding]:
    for ref, was in sorted(part.fingerprints.items()):
        obj = found.get(ref)
        if obj is None:
            yield Finding(component, "vanished", str(ref), ref.namespace)
        elif fingerprint(obj, sized) != was:
            yield Finding(component, "changed", str(ref), ref.namespace, *last_writer(obj, sized))


def _appeared(
    component: str, part: Part, known: Collection[Ref], found: Objects, sized: Collection[Workload]
) -> Iterator[Finding]:
    workloads = {(ref.kind, ref.name) for ref in part.fingerprints}
    for ref, obj in sorted(found.items()):
        if ref not in known and _belongs(obj, part.release, workloads):
            yield Finding(component, "appeared", str(ref), ref.namespace, *last_writer(obj, sized))


def _belongs(obj: Obj, release: str, workloads: Collection[Workload]) -> bool:
    """Whether an object says it is part of a Helm release, or scales a workload of it."""
    if meta(obj).get("ownerReferences") or kind_name(obj) == "PersistentVolumeClaim" or not release:
        return False
    if annotations_of(obj).get(HELM_RELEASE) == release or labels_of(obj).get(INSTANCE) == release:
        return True
    return kind_name(obj) == "HorizontalPodAutoscaler" and bool(autoscaled([obj]) & set(workloads))


def last_writer(obj: Obj, sized: Collection[Workload] = ()) -> tuple[str, str, tuple[str, ...]]:
    """Who wrote the object last, when, and what of it; of the same second, it was not us."""
    passed_over = {"status"} | ({"scale"} if (kind_name(obj), name_of(obj)) in sized else set())
    writes = [one for one in meta(obj).get("managedFields") or [] if one.get("subresource", "") not in passed_over]
    if not writes:
        return "", "", ()
    newest = max(writes, key=lambda one: (str(one.get("time", "")), one.get("manager") not in OURS))
    fields = () if newest.get("manager") in OURS else tuple(_paths(newest.get("fieldsV1") or {}))[:MOST_FIELDS]
    return str(newest.get("manager", "")), str(newest.get("time", "")), fields


def _paths(fields: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The fields a manager owns, as people write them."""
    for key, below in fields.items():
        if key != ".":
            path = above + _segment(key, bool(above))
            if not any(inner != "." for inner in below):
                yield path
            else:
                yield from _paths(below, path)


def _segment(key: str, inner: bool) -> str:
    """``f:spec`` is a field, ``k:{"name":"app"}`` an item of a list."""
    sort, _colon, name = key.partition(":")
    if sort == "k":
        return f"[{', '.join(map(str, json.loads(name).values()))}]"
    return f"[{name}]" if sort in ("v", "i") else ("." if inner else "") + name
