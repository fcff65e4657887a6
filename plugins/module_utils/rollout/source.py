# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What is to be released: images of named containers, rendered objects, or a kustomization; or several of them."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import Refused
from ..helm import source as files
from ..helm.cli import Helm
from ..helm.content import digest, parse
from ..helm.objects import Obj, meta
from .images import with_images
from .model import Image, key_of, titled

IMAGE = "image"


@dataclass(frozen=True)
class Source:
    """The option ``source``; ``objects`` are rendered already, ``path`` is a file or folder."""

    kind: str
    images: tuple[Image, ...] = ()
    path: str = ""
    objects: tuple[Obj, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Source:
        images = tuple(
            Image(one["kind"], one["name"], one["image"], one.get("container") or "") for one in given["images"] or ()
        )
        return cls(given["kind"], images, given["path"] or "", tuple(given["objects"] or ()))

    def rendered(self, namespace: str) -> list[Obj]:
        """The objects of manifests or a kustomization, with the images set, all of them for ``namespace``."""
        objects = with_images(self._read(namespace), self.images)
        if not objects:
            raise Refused("The source holds no object", where="option source", remedy="render it first")
        _check_namespace(objects, namespace)
        check_once(objects)
        return objects

    def _read(self, namespace: str) -> list[Obj]:
        if self.objects:
            return parse(json.dumps({"kind": "List", "items": list(self.objects)}), "source.objects")
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            workshop = files.Workshop(folder, Helm("", namespace), "", "")
            return files.prepare(files.Source(self.kind, path=self.path), workshop).manifests


def _check_namespace(objects: Sequence[Obj], namespace: str) -> None:
    away = [obj for obj in objects if (meta(obj).get("namespace") or namespace) != namespace]
    if away:
        told = ", ".join(f"{titled(key_of(obj))} in {meta(obj)['namespace']}" for obj in away)
        raise Refused(
            f"The source has objects of another namespace than {namespace}: {told}",
            where="option source",
            remedy="release each namespace by a task of its own",
        )


def rendered(sources: Iterable[Source], namespace: str) -> tuple[Source, ...]:
    """The same with their objects, the images already set; a source of images has none."""
    return tuple(
        one if one.kind == IMAGE else replace(one, objects=tuple(one.rendered(namespace)), images=()) for one in sources
    )


def digest_of(sources: Iterable[Source]) -> str:
    """What rendered sources ask for, whatever the cluster has; the order of the sources is part of it."""
    held = [{"images": [asdict(image) for image in one.images], "objects": digest(one.objects)} for one in sources]
    return f"sha256:{hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()}"


def check_once(objects: Sequence[Obj]) -> None:
    keys = [key_of(obj) for obj in objects]
    twice = sorted({titled(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise Refused(f"{', '.join(twice)} is there twice", where="option source", remedy="remove one of them")
