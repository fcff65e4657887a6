# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects and situations the tests of the Helm side start from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.helm.cli import Chart
from ansible_collections.runbook.release.plugins.module_utils.helm.content import digest
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Colour, Have, Target
from ansible_collections.runbook.release.plugins.module_utils.helm.record import Revision
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Rendering
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry

Obj = dict[str, Any]
NOW = 1_000_000.0


def deployment(
    name: str,
    labels: Obj,
    replicas: int | None = 2,
    image: str = "registry/shop:1",
    *,
    status: int | None = None,
    **pod: Any,
) -> Obj:
    spec: Obj = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": dict(labels)},
            "spec": {"containers": [{"name": "app", "image": image}], **pod},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    found: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    if status is not None:
        found["status"] = {"readyReplicas": status, "replicas": status}
    return found


def service(name: str, selector: Obj, **metadata: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, **metadata},
        "spec": {"selector": selector, "ports": [{"port": 80}]},
    }


def hpa(name: str, target: str, minimum: int, maximum: int = 10, **annotations: str) -> Obj:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": minimum,
            "maxReplicas": maximum,
        },
    }


def shop(colour: str, version: str = "2", *more: Obj, replicas: int | None = 2) -> Rendering:
    """The shop as a chart renders it for one colour."""
    release = f"shop-{colour}"
    labels = {"app": release}
    objects = [
        service(release, labels),
        deployment(release, labels, replicas, image=f"registry/shop:{version}"),
        *more,
    ]
    return Rendering(colour, release, objects, [], [], digest(objects), Chart("chart"), ("values.json",))


def both(version: str = "2") -> dict[str, Rendering]:
    return {colour: shop(colour, version) for colour in ("blue", "green")}


@dataclass
class FakeEntry:
    """What is asked of an entry."""

    weights: dict[str, int] = field(default_factory=lambda: {"blue": 100, "green": 0})
    live: str = "blue"
    previous: str = ""
    entry: Entry = field(default_factory=lambda: Entry("httproute", "shop", "shop"))


def running(colour: str, version: str, *, ready: int = 2, weight: int = 0, **more: Any) -> Colour:
    """A colour that provably runs a version."""
    release = f"shop-{colour}"
    labels = {"app": release}
    annotations = {
        "runbook.release/version": version,
        "runbook.release/digest": shop(colour, version).digest,
        "runbook.release/revision": "3",
        **more.pop("annotations", {}),
    }
    defaults: Obj = {
        "revision": Revision(release, 3, "deployed", NOW - 3600, f"sh.helm.release.v1.{release}.v3"),
        "front": service(release, labels, annotations=annotations),
        "endpoints": ready,
        "workloads": (deployment(release, labels, ready, status=ready),),
        "weight": weight,
    }
    return Colour(colour, release, release, **{**defaults, **more})


def empty(colour: str, **more: Any) -> Colour:
    return Colour(colour, f"shop-{colour}", f"shop-{colour}", **more)


def have(blue: Colour, green: Colour, entry: FakeEntry | None = None) -> Have:
    entry = entry or FakeEntry()
    target = Target("shop", "shop", entry.entry, {"blue": "shop-blue", "green": "shop-green"})
    history = {one.release: [one.revision] if one.revision else [] for one in (blue, green)}
    return Have(target, entry, {"blue": blue, "green": green}, history)  # type: ignore[arg-type]
