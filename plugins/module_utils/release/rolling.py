# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A release in place: which workloads roll together, in which order, and what becomes of each component. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..helm.wrap import repository_of
from .order import after_of
from .order import waves as waves_of

Given = Mapping[str, Any]

BLUEGREEN, ROLLING = "bluegreen", "rolling"
IMAGE = "image"
KINDS = (IMAGE, "kustomize", "manifests")
NOT_HELD = ("staged", "step")
OPTIONS = ("force", "keep_budgets", "stable")
LONGEST = 63
TIMEOUT = 600


def unit_name(system: str) -> str:
    """The release unit of a system: all its components move together, behind one barrier."""
    return re.sub(r"[^a-z0-9]+", "-", system.lower()).strip("-")[:LONGEST].strip("-")


def unit(system: str, version: str, components: Sequence[Given], order: Given | None = None) -> dict[str, Any]:
    """The options of rollout that bring the components to a version; ``order`` is the variable release_rolling."""
    chosen = order or {}
    timeouts = [int(one.get("timeout") or TIMEOUT) for one in components]
    strategy = {"max_surge": chosen.get("surge"), "max_unavailable": chosen.get("unavailable")}
    return {
        "name": unit_name(system),
        "version": version,
        "workloads": ["/".join(key) for one in components for key in keys(one)],
        "sources": sources(components, version),
        "waves": waves(components),
        "strategy": {name: value for name, value in strategy.items() if value is not None},
        "timeout": max(timeouts, default=TIMEOUT),
        **{name: chosen[name] for name in OPTIONS if chosen.get(name) is not None},
    }


def sources(components: Iterable[Given], version: str) -> list[dict[str, Any]]:
    """One source for all images, and for each folder or file; components that share it are rendered once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in components:
        source = one["source"]
        kind, path = source["kind"], str(source.get("path") or "")
        known = found.setdefault((kind, path), {"kind": kind, **({"path": path} if path else {}), "images": []})
        if source.get("image"):
            image = f"{source['image']}:{version}"
            known["images"] += [{**_named(workload), "image": image} for workload in one["workloads"]]
    return list(found.values())


def _named(workload: Given) -> dict[str, Any]:
    container = {"container": workload["container"]} if workload.get("container") else {}
    return {"kind": _kind(workload), "name": workload["name"], **container}


def _kind(workload: Given) -> str:
    return str(workload.get("kind") or "Deployment")


def keys(component: Given) -> list[tuple[str, str]]:
    """Kind and name of each workload of a component."""
    return [(_kind(one), str(one["name"])) for one in component.get("workloads") or []]


def waves(components: Sequence[Given]) -> list[list[str]]:
    """The workloads of each wave of components; none where all go at once."""
    by_name = {one["name"]: ["/".join(key) for key in keys(one)] for one in components}
    found = waves_of(after_of(components))
    return [[workload for name in wave for workload in by_name[name]] for wave in found] if len(found) > 1 else []


def rolled(components: Sequence[Given], outcome: Given) -> dict[str, dict[str, Any]]:
    """What rollout did, or in check mode would do, to each component.

    What is no workload belongs to the first component that renders anything.
    """
    shared = next((one["name"] for one in components if one["source"]["kind"] != IMAGE), "")
    told = {(one["kind"], one["name"]): one for one in outcome["workloads"]}
    own = {one["name"]: [told[key] for key in keys(one) if key in told] for one in components}
    named = {key for one in components for key in keys(one)}
    alone = outcome["changed"] and not any(_changes(them) for them in own.values())
    return {
        one["name"]: {
            **_part(one, own[one["name"]], outcome),
            "awaits_traffic": bool(alone or _changes(own[one["name"]])),
            **_texts(outcome, set(keys(one)), named if one["name"] == shared else None),
        }
        for one in components
    }


def _changes(workloads: Iterable[Given]) -> bool:
    return any(one["done"] != "nothing" for one in workloads)


def _part(component: Given, workloads: Sequence[Given], outcome: Given) -> dict[str, Any]:
    versions = sorted({version for one in workloads for version in versions_of(component, one)})
    return {
        "first": not any(one["before"] for one in workloads),
        "target": "",
        "live": ", ".join(versions),
        "versions": versions,
        "digest": outcome["digest"],
        "capacity": {f"{one['kind']}/{one['name']}": one["pods"] for one in workloads if "pods" in one},
        "colours": {},
    }


def versions_of(component: Given, workload: Given) -> list[str]:
    """What a workload ran before: the tags of the component's image, or of one without such a container its images."""
    given: Given = next((one for one in component["workloads"] if one["name"] == workload["name"]), {})
    repository = component["source"].get("image")
    images = [
        image
        for container, image in workload["before"].items()
        if container == given.get("container") or (not given.get("container") and repository_of(image) == repository)
    ] or list(workload["before"].values())
    return [image[len(repository) + 1 :] if _tagged(image, repository) else image for image in images]


def _tagged(image: str, repository: str | None) -> bool:
    return bool(repository) and repository_of(image) == repository and len(image) > len(str(repository)) + 1


def _texts(outcome: Given, own: set[tuple[str, str]], shared: set[tuple[str, str]] | None) -> dict[str, Any]:
    """The sentences and differences that are about these workloads; of ``shared`` all that is about no others."""

    def mine(title: str) -> bool:
        key = tuple(title.split(" ")[:2])
        return key in own or (shared is not None and key not in shared)

    plan = [sentence for sentence in outcome["plan"] if mine(_title_in(sentence))]
    diffs = [one for one in outcome.get("diff") or [] if mine(str(one["before_header"]))]
    before, after = ("\n---\n".join(str(one[side]) for one in diffs) for side in ("before", "after"))
    told = [{"before_header": "live", "after_header": "rolled", "before": before, "after": after}]
    return {"plan": plan, "diff": told if diffs else []}


def _title_in(sentence: str) -> str:
    """Kind and name in a sentence of rollout, such as ``wait until Deployment api is ready``."""
    words = sentence.removeprefix("wait until ").split(" ")
    return " ".join(words[:2] if sentence.startswith("wait until ") else words[1:3]).rstrip(":")
