# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a rendering contains: parsed, normalised, digested, and fit to be shown."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import typing as t

from ..errors import ReleaseError
from .objects import Obj, clone, group_of, kind_name, meta, name_of

GENERATED = "<generated>"
_SALT = secrets.token_bytes(16)


def parse(text: str, source: str) -> list[Obj]:
    """Every object of a YAML stream, Lists unfolded."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = [document for document in yaml.load_all(text, Loader=loader) if document]
    except yaml.YAMLError as error:
        raise ReleaseError(
            f"{source} is not valid YAML: {error}", where=source, remedy="correct the manifest"
        ) from error
    return [obj for document in documents for obj in _unfold(document, source)]


def _unfold(document: t.Any, source: str) -> list[Obj]:
    if isinstance(document, dict) and str(document.get("kind", "")).endswith("List") and "items" in document:
        return [obj for item in document["items"] or [] for obj in _unfold(item, source)]
    if not isinstance(document, dict) or not document.get("kind") or not name_of(document):
        raise ReleaseError(
            "A document is not a Kubernetes object: it needs apiVersion, kind and metadata.name",
            where=source,
            remedy="correct the manifest",
        )
    return [document]


def normalise(objects: t.Iterable[Obj]) -> list[Obj]:
    """The objects in a fixed order without what carries no meaning."""
    return sorted((_bare(obj) for obj in objects), key=identity)


def identity(obj: Obj) -> tuple[str, str, str, str]:
    return (group_of(obj), kind_name(obj), str(meta(obj).get("namespace") or ""), name_of(obj))


def _bare(obj: Obj) -> Obj:
    bare = clone(obj)
    bare.pop("status", None)
    bare["metadata"] = {key: value for key, value in meta(bare).items() if value not in (None, {}, [])}
    bare["metadata"].pop("creationTimestamp", None)
    return bare


def digest(objects: t.Iterable[Obj]) -> str:
    text = json.dumps(normalise(objects), sort_keys=True, separators=(",", ":"), default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def without_generated(first: list[Obj], second: list[Obj]) -> list[Obj]:
    """The first rendering with every value replaced that a second rendering of the same input does not repeat."""
    twins = {identity(obj): obj for obj in normalise(second)}
    return [_agreed(obj, twins.get(identity(obj), {})) for obj in normalise(first)]


def _agreed(one: t.Any, two: t.Any) -> t.Any:
    if isinstance(one, dict) and isinstance(two, dict):
        return {key: _agreed(value, two.get(key)) for key, value in one.items()}
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return [_agreed(a, b) for a, b in zip(one, two, strict=True)]
    return one if one == two else GENERATED


def masked(obj: Obj) -> Obj:
    """The object fit for a diff: the data of a Secret shows only that it changed, never what it is."""
    if kind_name(obj) != "Secret":
        return obj
    shown = clone(obj)
    for field in ("data", "stringData"):
        if shown.get(field):
            shown[field] = {key: _fingerprint(field, value) for key, value in shown[field].items()}
    return shown


def _fingerprint(field: str, value: t.Any) -> str:
    raw = str(value).encode()
    if field == "data":
        with contextlib.suppress(ValueError):
            raw = base64.b64decode(raw, validate=True)
    return "hmac:" + hmac.new(_SALT, raw, hashlib.sha256).hexdigest()[:16]


def to_yaml(objects: t.Iterable[Obj]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return "".join(
        "---\n" + yaml.dump(obj, Dumper=dumper, default_flow_style=False, sort_keys=True, allow_unicode=True)
        for obj in objects
    )
