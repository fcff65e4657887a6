# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said about one object of the cluster."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...errors import ReleaseError
from ...kube.faults import Asked
from ...kube.kinds import ENDPOINTSLICE, POD, REPLICASET
from ...kube.readiness import is_pod_ready, pod_problem, pods_of, ready_endpoints, restarts, workload_ready
from ...kube.transport import Request
from ..expect import ExpectError, NothingMeasured
from ..moments import SKEW
from ..select import pick_from
from .measure import split

if TYPE_CHECKING:
    from ...kube.client import KubeClient
    from .settings import Settings

Obj = dict[str, Any]

CONDITION, USED_SHARE, CAPACITY = "condition:", "used_share:", "capacity:"
READY_SHARE, DEVIATIONS = "ready_share", "deviations"
_MOST_REMARKS = 20
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_PODS = (*_WORKLOADS, "Pod")
_COUNTS = ("desired", "updated", "ready", "available")


@dataclass
class Facts:
    """`notes` collects what the evidence should say beside the values, `remarks` what an operator should read."""

    client: KubeClient
    keys: tuple[str, ...]
    settings: Settings
    notes: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def values(self, select: str, found: Obj) -> list[Any]:
        """What `select` says about the object; none when it says nothing."""
        if select.startswith(CONDITION):
            return _condition(found, select.removeprefix(CONDITION))
        if select.startswith(USED_SHARE):
            return _used_shares(found, select.removeprefix(USED_SHARE))
        if select.startswith(CAPACITY):
            return _capacity(found, select.removeprefix(CAPACITY))
        kinds, fact = self._vocabulary.get(select, ((), None))
        if fact is None:
            return pick_from(split(select)[0], _without_secrets(found))
        if found["kind"] not in kinds:
            raise ExpectError(f"{select} can be told of {', '.join(kinds)}, not of {found['kind']}")
        return fact(found)

    @property
    def _vocabulary(self) -> dict[str, tuple[tuple[str, ...], Callable[[Obj], list[Any]]]]:
        counts = {name: (_WORKLOADS, functools.partial(_count, name)) for name in _COUNTS}
        return {
            **counts,
            READY_SHARE: (_PODS, _ready_share),
            "restarts": (_PODS, lambda found: [sum(restarts(pod) for pod in self._pods(found))]),
            "broken_pods": (_PODS, self._broken_pods),
            "image_digest": (_PODS, self._image_digests),
            DEVIATIONS: (_PODS, self._deviations),
            "endpoints": (("Service",), self._endpoints),
            "at_maximum": (("HorizontalPodAutoscaler",), _at_maximum),
            "success_age": (("Job", "CronJob"), self._success_age),
            "certificate_age_left": (("Certificate",), self._certificate_age_left),
            "used_share": (("ResourceQuota",), lambda found: [max(_used_shares(found))]),
            "missing_keys": (("Secret", "ConfigMap"), self._missing_keys),
        }

    def _pods(self, found: Obj) -> list[Mapping[str, Any]]:
        if found["kind"] == "Pod":
            return [found]
        namespace = found["metadata"]["namespace"]
        sets = self.client.list_metadata(REPLICASET, namespace) if found["kind"] == "Deployment" else None
        pods = pods_of(found, self.client.list(POD, namespace), sets)
        if not pods and _observed(found).desired:
            raise NothingMeasured(f"{found['kind']} {found['metadata']['name']} has none of the pods it wants")
        return pods

    def _broken_pods(self, found: Obj) -> list[Any]:
        """A problem that may pass counts when the pod is older than such a thing takes to pass.

        A pod of a Job that has ended says how that run went, and nothing of what runs.
        """
        running = [pod for pod in self._pods(found) if not _of_ended_run(pod)]
        problems = [(pod, problem) for pod in running if (problem := pod_problem(pod))]
        lasting = [
            str(problem)
            for pod, problem in problems
            if problem.grace is not None and self._since(pod["metadata"]["creationTimestamp"]) >= problem.grace
        ]
        if lasting:
            self.notes.setdefault("problems", []).extend(lasting[:5])
        return [len(lasting)]

    def _image_digests(self, found: Obj) -> list[Any]:
        pods = [pod for pod in self._pods(found) if not pod["metadata"].get("deletionTimestamp")]
        return [_image_digest(pod, self.settings.container) for pod in pods]

    def _deviations(self, found: Obj) -> list[Any]:
        wrong = self.settings.deviations(found)
        if wrong:
            name = found["metadata"]["name"]
            self.notes.setdefault(DEVIATIONS, {})[name] = wrong
            if len(self.remarks) < _MOST_REMARKS:
                self.remarks.append(f"{name}: {', '.join(wrong)}")
        return [len(wrong)]

    def _endpoints(self, found: Obj) -> list[Any]:
        metadata = found["metadata"]
        label = f"kubernetes.io/service-name={metadata['name']}"
        return [len(ready_endpoints(self.client.list(ENDPOINTSLICE, metadata["namespace"], label)))]

    def _success_age(self, found: Obj) -> list[Any]:
        status = found.get("status") or {}
        if found["kind"] == "CronJob":
            at = status.get("lastSuccessfulTime")
        else:
            at = status.get("completionTime") if _condition(found, "Complete") == [True] else None
        if not at:
            raise NothingMeasured(f"{found['kind']} {found['metadata']['name']} has never succeeded")
        return [self._since(at)]

    def _certificate_age_left(self, found: Obj) -> list[Any]:
        end = (found.get("status") or {}).get("notAfter")
        if not end:
            raise NothingMeasured(f"Certificate {found['metadata']['name']} was not issued yet")
        return [Fraction(round(datetime.fromisoformat(end).timestamp() - self._now))]

    def _missing_keys(self, found: Obj) -> list[Any]:
        if not self.keys:
            raise ExpectError("missing_keys is about the option keys: set it")
        present = {key for part in ("data", "binaryData") for key, value in (found.get(part) or {}).items() if value}
        missing = [key for key in self.keys if key not in present]
        if missing:
            self.notes.setdefault("missing", {})[found["metadata"]["name"]] = missing
        return [len(missing)]

    def _since(self, stamp: str) -> Fraction:
        seconds = round(self._now - datetime.fromisoformat(stamp).timestamp())
        if seconds < -SKEW:
            raise NothingMeasured(f"{stamp} lies {-seconds} s in the future, so the clocks of the cluster differ")
        return Fraction(max(seconds, 0))

    @functools.cached_property
    def _now(self) -> float:
        """By the clock of the API server, in seconds since the epoch."""
        answer = self.client.transport.send(Request(Asked("get", name="/version"), "GET", "/version"))
        date = next((value for name, value in answer.headers.items() if name.lower() == "date"), "")
        if not date:
            raise ReleaseError("The API server does not say what time it is")
        return parsedate_to_datetime(date).timestamp()


def _without_secrets(found: Obj) -> Obj:
    if found["kind"] != "Secret":
        return found
    metadata = {key: value for key, value in found["metadata"].items() if key not in ("annotations", "managedFields")}
    return {"kind": "Secret", "type": found.get("type"), "metadata": metadata}


def _count(name: str, found: Obj) -> list[Any]:
    return [getattr(_observed(found), name)]


def _ready_share(found: Obj) -> list[Any]:
    """Of the pods that are wanted; ready ones of an older revision do not stand in for new ones that are missing."""
    if found["kind"] == "Pod":
        done = (found.get("status") or {}).get("phase") == "Succeeded"
        return [] if done else [Fraction(int(is_pod_ready(found)))]
    counts = _observed(found)
    return [Fraction(min(counts.ready, counts.updated), counts.desired)] if counts.desired else []


def _observed(found: Obj) -> Any:
    generation, observed = (
        found["metadata"].get("generation", 0),
        (found.get("status") or {}).get("observedGeneration", 0),
    )
    if observed < generation:
        raise NothingMeasured(f"its generation {generation} is not observed yet, the counts are of {observed}")
    return workload_ready(found)


def _condition(found: Obj, wanted: str) -> list[Any]:
    """True or false; a status of Unknown, or no such condition, says neither."""
    conditions: Iterable[Obj] = (found.get("status") or {}).get("conditions") or []
    for one in conditions:
        if one.get("type") == wanted:
            return {"True": [True], "False": [False]}.get(str(one.get("status")), [])
    return []


def _of_ended_run(pod: Mapping[str, Any]) -> bool:
    owners = pod["metadata"].get("ownerReferences") or []
    over = (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
    return over and any(owner.get("kind") == "Job" for owner in owners)


def _at_maximum(found: Obj) -> list[Any]:
    """An autoscaler that has no metrics wants nothing, which is not the same as wanting little."""
    if _condition(found, "ScalingActive") != [True]:
        raise NothingMeasured(f"the autoscaler {found['metadata']['name']} does not scale: it is not active")
    return [int(found["status"]["desiredReplicas"]) >= int(found["spec"]["maxReplicas"])]


def _used_shares(found: Obj, resource: str = "") -> list[Any]:
    from ...helm.headroom import quantity

    if found["kind"] != "ResourceQuota":
        raise ExpectError(f"used_share can be told of ResourceQuota, not of {found['kind']}")
    status = found.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    names = [resource] if resource else list(hard)
    if not names or any(name not in hard or name not in used for name in names):
        raise NothingMeasured(f"the quota has no {resource or 'resources'}, it has {', '.join(hard) or 'none'}")
    limits = {name: Fraction(quantity(hard[name])) for name in names}
    return [Fraction(quantity(used[name])) / limits[name] if limits[name] else Fraction(1) for name in names]


def unit_of_resource(name: str) -> str:
    return "B" if name in ("memory", "ephemeral-storage") else ""


def _capacity(found: Obj, resource: str) -> list[Any]:
    """Of the machine; what its system keeps for itself is part of it."""
    from ...helm.headroom import quantity

    if found["kind"] != "Node":
        raise ExpectError(f"{CAPACITY}{resource} can be told of Node, not of {found['kind']}")
    there = (found.get("status") or {}).get("capacity") or {}
    if resource not in there:
        raise NothingMeasured(f"the node has no {resource}, it has {', '.join(there) or 'nothing'}")
    return [Fraction(quantity(there[resource]))]


def _image_digest(pod: Mapping[str, Any], container: str) -> str:
    """What the runtime says it runs, which a tag does not tell."""
    name = pod["metadata"]["name"]
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    own = [one for one in statuses if one["name"] == container or not container]
    if len(own) > 1:
        raise ExpectError(f"pod {name} has {len(own)} containers: set container")
    image = str(own[0].get("imageID") or "") if own else ""
    if not image:
        raise NothingMeasured(f"pod {name} has not started {container or 'its container'}")
    return image.rpartition("@")[2]
