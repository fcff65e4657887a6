# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What is to be released: images of named containers, rendered objects, or a kustomization."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..helm import source as files
from ..helm.cli import Helm
from ..helm.content import parse
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
        _check_once(objects)
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


def _check_once(objects: Sequence[Obj]) -> None:
    keys = [key_of(obj) for obj in objects]
    twice = sorted({titled(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise Refused(f"{', '.join(twice)} is there twice", where="option source", remedy="remove one of them")
