# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which fields of which object are changed, or why not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import Refused
from ..helm.headroom import defaults_of, pod_amounts
from ..helm.objects import MIN_REPLICAS, Obj, annotations_of, meta, name_of, pod_template
from ..helm.wrap import repository_of
from ..kube.kinds import HPA
from ..rollout.images import images_of
from ..rollout.model import WORKLOADS
from ..rollout.revisions import number_of, owned, template_of
from .draft import Draft
from .observe import Have
from .put_back import CREATED, PAUSED, container_of, records_of, title_of, value
from .subject import Subject
from .want import AUTOSCALED, CONFIGURED, PINNED, SCALED, Bounds, Settings, Want

NEXT_RELEASE = "the next release brings what its source says"


def decide(want: Want, have: Have, subject: Subject) -> Draft:
    """What is to change; a restart is decided by its pods, elsewhere."""
    obj = have.workloads[subject.key]
    _check_awake(obj, want)
    if want.state == CONFIGURED:
        return configured(want, obj, subject)
    if want.state == PINNED:
        return pinned(want, obj, subject)
    if want.state == AUTOSCALED and want.bounds:
        return autoscaled(want, want.bounds, have, subject)
    return scaled(want, have, subject)


def _check_awake(obj: Obj, want: Want) -> None:
    if PAUSED in annotations_of(obj):
        raise Refused(
            f"{title_of(obj)} is paused, and comes back as it was. Nothing was changed",
            where=want.where,
            remedy="resume it first (workload_pause)",
        )


def scaled(want: Want, have: Have, subject: Subject) -> Draft:
    obj = have.workloads[subject.key]
    scalers = [one for one in have.scalers_of(subject.key) if not _lets(one["spec"], obj, want.replicas)]
    if scalers:
        spec = scalers[0]["spec"]
        raise Refused(
            f"HorizontalPodAutoscaler {name_of(scalers[0])} keeps {subject.title} at {spec.get('minReplicas', 1)} to "
            f"{spec['maxReplicas']} pods, and would undo it. Nothing was changed",
            where=want.where,
            remedy="change its bounds instead, with state autoscaled",
        )
    return Draft(
        WORKLOADS[subject.kind],
        obj,
        (_field(obj, {"field": "replicas"}, want.replicas),),
        warnings=_copied(want, subject),
    )


def _lets(scaler: Obj, obj: Obj, replicas: int) -> bool:
    """An autoscaler rests while there are no replicas, unless it may have none itself."""
    least = int(scaler.get("minReplicas", 1))
    if not replicas:
        return least > 0
    return value(obj, {"field": "replicas"}) == 0 and least <= replicas <= int(scaler["maxReplicas"])


def _copied(want: Want, subject: Subject) -> tuple[str, ...]:
    if not subject.colour or not want.seconds:
        return ()
    return (
        f"A release of {subject.component} in this time is refused until it is put back: it would copy the "
        f"{want.replicas} pods to its own colour, for good",
    )


def _field(obj: Obj, field: Obj, wanted: Any) -> Obj:
    return {**field, "was": value(obj, field), "set": wanted}


def configured(want: Want, obj: Obj, subject: Subject) -> Draft:
    settings = want.settings
    container = _container(obj, settings.container, want)
    name = str(container["name"])
    asked = [*_variables(obj, container, settings, want)]
    for part, given in settings.resources.items():
        asked += [_field(obj, {"field": part, "container": name, "name": key}, text) for key, text in given.items()]
    lost = f"{subject.title} has this only until {NEXT_RELEASE}"
    warnings = (lost,) if subject.colour and not want.seconds else ()
    return Draft(WORKLOADS[subject.kind], obj, tuple(asked), warnings=warnings)


def pinned(want: Want, obj: Obj, subject: Subject) -> Draft:
    """Another tag or digest of the image it runs; a version never comes from another repository."""
    container = _container(obj, want.settings.container, want)
    mark = "@" if want.version.startswith("sha256:") else ":"
    image = f"{repository_of(str(container['image']))}{mark}{want.version}"
    field = _field(obj, {"field": "image", "container": str(container["name"])}, image)
    return Draft(WORKLOADS[subject.kind], obj, (field,), warnings=(_by_hand(subject),))


def undone(want: Want, obj: Obj, subject: Subject, revisions: Sequence[Obj]) -> Draft:
    """The pods of the ReplicaSet or ControllerRevision of that number; ``revisions`` are all of the namespace."""
    _check_awake(obj, want)
    if CONFIGURED in records_of(obj):
        raise Refused(
            f"{subject.title} is configured for a time, and that would be lost. Nothing was changed",
            where=want.where,
            remedy="put that back first (state reverted)",
        )
    there = {number_of(one): template_of(one) for one in owned(obj, revisions)}
    if want.revision not in there:
        told = "; ".join(f"{number} ({_runs(there[number])})" for number in sorted(there))
        raise Refused(
            f"{subject.title} has no revision {want.revision}; there is {told or 'none'}. Nothing was changed",
            where="option revision",
            remedy="give the number of one of these",
        )
    template, earlier = there[want.revision], f"revision {want.revision} ({_runs(there[want.revision])})"
    if template == pod_template(obj):
        return Draft(WORKLOADS[subject.kind], obj)
    warnings = (_by_hand(subject),)
    return Draft(WORKLOADS[subject.kind], obj, warnings=warnings, template=template, earlier=earlier)


def _runs(template: Obj) -> str:
    return ", ".join(images_of({"spec": {"template": template}}).values())


def _by_hand(subject: Subject) -> str:
    return f"{subject.title} is not as a release left it any more, which drift.yml tells until {NEXT_RELEASE}"


def _container(obj: Obj, name: str, want: Want) -> Obj:
    there = pod_template(obj)["spec"].get("containers") or []
    found = container_of(obj, name) if name else there[0] if len(there) == 1 else None
    if found is None:
        what = f"has no container {name}" if name else "has several containers"
        raise Refused(
            f"{title_of(obj)} {what}; it has {', '.join(str(one['name']) for one in there)}. Nothing was changed",
            where=want.where,
            remedy="set container to one of these",
        )
    return found


def _variables(obj: Obj, container: Obj, settings: Settings, want: Want) -> list[Obj]:
    names = [str(one["name"]) for one in container.get("env") or []]

    def field(name: str, wanted: Obj | None) -> Obj:
        place = {"at": names.index(name)} if name in names else {}
        return _field(obj, {"field": "env", "container": str(container["name"]), "name": name, **place}, wanted)

    wanted: dict[str, Obj | None] = {name: {"name": name, "value": text} for name, text in settings.env.items()}
    wanted |= {name: None for name in settings.unset}
    wanted |= {name: _longer(container, name, entries, want) for name, entries in settings.append.items()}
    return [field(name, one) for name, one in wanted.items()]


def _longer(container: Obj, name: str, entries: Sequence[str], want: Want) -> Obj:
    """A list with commas and what it lacks; a variable that is not there may come from a place nobody looks at."""
    found = next((one for one in container.get("env") or [] if one["name"] == name), None)
    if (found is None and container.get("envFrom")) or (found and "valueFrom" in found):
        raise Refused(
            f"What {name} of container {container['name']} contains is in another object, so nothing can be appended "
            "to it here. Nothing was changed",
            where=want.where,
            remedy="change the ConfigMap or Secret it comes from and restart, or set the whole list with env",
        )
    text = str((found or {}).get("value") or "")
    there = [one.strip() for one in text.split(",") if one.strip()]
    lacking = [one for one in dict.fromkeys(entries) if one and one not in there]
    return (
        {"name": name, "value": ",".join([text.rstrip(",")] * bool(there) + lacking)} if lacking or not found else found
    )


def autoscaled(want: Want, bounds: Bounds, have: Have, subject: Subject) -> Draft:
    scalers = have.scalers_of(subject.key)
    if len(scalers) > 1:
        raise Refused(
            f"{subject.title} has several autoscalers: {', '.join(map(name_of, scalers))}. Nothing was changed",
            where=want.where,
            remedy="remove all but one",
        )
    if bounds.cpu is not None:
        _check_measurable(have, subject, want)
    if not scalers:
        return _created(want, bounds, have, subject)
    scaler = scalers[0]
    _check_free(scaler, want)
    fields = {"minReplicas": bounds.minimum, "maxReplicas": bounds.maximum, "cpu": bounds.cpu}
    asked = [_field(scaler, {"field": name}, wanted) for name, wanted in fields.items() if wanted is not None]
    return Draft(HPA, scaler, tuple(asked))


def _check_measurable(have: Have, subject: Subject, want: Want) -> None:
    """Use is measured against what is requested."""
    defaults = defaults_of(have.limits)
    for container in pod_template(have.workloads[subject.key])["spec"].get("containers") or []:
        if not pod_amounts({"containers": [container]}, defaults).get("requests.cpu"):
            raise Refused(
                f"Container {container['name']} of {subject.title} requests no CPU, so no autoscaler can tell how much "
                "of it is used. Nothing was changed",
                where=want.where,
                remedy="set its resources.requests.cpu first (state configured)",
            )


def _check_free(scaler: Obj, want: Want) -> None:
    """Whether the bounds are nobody else's."""
    owner = next((one for one in meta(scaler).get("ownerReferences") or [] if one.get("controller")), None)
    held, created = annotations_of(scaler).get(MIN_REPLICAS), annotations_of(scaler).get(CREATED)
    why, remedy = "", ""
    if owner:
        why, remedy = f"belongs to {owner['kind']} {owner['name']}", "change the bounds there"
    elif held:
        why, remedy = "is held by a release at what that needs", "let the release end first"
    elif created:
        why, remedy = "is there only for a time", "put that back first (state reverted), then create it anew"
    if why:
        raise Refused(f"{title_of(scaler)} {why}. Nothing was changed", where=want.where, remedy=remedy)


def _created(want: Want, bounds: Bounds, have: Have, subject: Subject) -> Draft:
    obj = have.workloads[subject.key]
    if bounds.cpu is None:
        raise Refused(
            f"{subject.title} has no autoscaler, and a new one has to know what to keep. Nothing was changed",
            where="option autoscaler.cpu",
            remedy="set it, for example to 70",
        )
    if subject.colour and not want.seconds:
        raise Refused(
            f"An autoscaler for {subject.title} would be for {subject.colour} alone, and the next release would have "
            "none. Nothing was changed",
            where=want.where,
            remedy="let the source of the component bring one, or set temporary",
        )
    if records := [what for what in records_of(obj) if what in (SCALED, AUTOSCALED)]:
        raise Refused(
            f"{subject.title} is {records[0]} for a time already, and both could not go back. Nothing was changed",
            where=want.where,
            remedy="put that back first (state reverted)",
        )
    target = {"apiVersion": obj["apiVersion"], "kind": subject.kind, "name": subject.name}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": _use(bounds.cpu)}}
    spec = {"minReplicas": bounds.minimum, "maxReplicas": bounds.maximum, "scaleTargetRef": target, "metrics": [metric]}
    body = {"apiVersion": HPA.api_version, "kind": HPA.kind, "metadata": {"name": subject.name}, "spec": spec}
    sizes = ({"field": "replicas", "was": value(obj, {"field": "replicas"}), "set": None},)
    return Draft(WORKLOADS[subject.kind], obj, sizes, create=body)


def _use(percent: int) -> Obj:
    return {"type": "Utilization", "averageUtilization": percent}
