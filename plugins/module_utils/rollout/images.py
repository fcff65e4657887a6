# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Set images of named containers, in objects and as a guarded JSON patch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Refused
from ..helm.objects import Obj, clone, containers, pod_template
from ..helm.wrap import repository_of
from ..kube.patches import pointer
from .model import Image, Key, Op, key_of, titled

_FIELDS = ("initContainers", "containers")


def with_images(objects: Sequence[Obj], images: Sequence[Image]) -> list[Obj]:
    """The objects with these images; ``Refused`` names what is not there."""
    copies = [clone(obj) for obj in objects]
    by_key = {key_of(obj): obj for obj in copies}
    missing = [titled(image.key) for image in images if image.key not in by_key]
    if missing:
        raise Refused(
            f"There is no {', no '.join(dict.fromkeys(missing))}. Nothing was changed",
            where="option source.images",
            remedy="correct kind and name, or leave out what is not there",
        )
    for image in images:
        _container(by_key[image.key], image)["image"] = image.image
    return copies


def _container(obj: Obj, image: Image) -> Obj:
    spec = pod_template(obj).get("spec") or {}
    every, main = containers(spec), spec.get("containers") or []
    if not image.container and len(main) == 1:
        only: Obj = main[0]
        return only
    found = [one for one in every if one["name"] == image.container] if image.container else _running(every, image)
    if len(found) != 1:
        names = ", ".join(str(one["name"]) for one in every)
        what = f"has no container {image.container}" if image.container else "has several containers"
        raise Refused(
            f"{titled(image.key)} {what}; it has {names}. Nothing was changed",
            where="option source.images",
            remedy="set container to one of these",
        )
    return found[0]


def _running(every: Sequence[Obj], image: Image) -> list[Obj]:
    """The containers that run another tag of the image."""
    return [one for one in every if repository_of(str(one.get("image", ""))) == repository_of(image.image)]


def images_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """The image of each container by its name."""
    spec = pod_template(dict(obj)).get("spec") or {}
    return {str(one["name"]): str(one.get("image", "")) for one in containers(spec)}


def image_ops(live: Obj, wanted: Obj) -> list[Op]:
    """A patch that sets the images of ``wanted``; it fails if a container or its image was changed since."""
    ops: list[Op] = []
    before, after = pod_template(live)["spec"], pod_template(wanted)["spec"]
    for field in _FIELDS:
        pairs = zip(before.get(field) or [], after.get(field) or [], strict=True)
        for index, (old, new) in enumerate(pairs):
            if old.get("image") != new.get("image"):
                path = pointer("spec", "template", "spec", field, index)
                ops.append({"op": "test", "path": f"{path}/name", "value": old["name"]})
                ops.append({"op": "test", "path": f"{path}/image", "value": old.get("image")})
                ops.append({"op": "replace", "path": f"{path}/image", "value": new["image"]})
    return ops


def named(images: Sequence[Image]) -> list[Key]:
    """The workloads these images are for, each once."""
    return list(dict.fromkeys(image.key for image in images))
