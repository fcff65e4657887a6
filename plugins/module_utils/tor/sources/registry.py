# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources by kind; each is imported when a criterion names it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..mistakes import unknown
from .base import Source

KINDS = ("http", "service", "witness", "kubernetes")

_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


def source_class(kind: str) -> type[Source]:
    match kind:
        case "http":
            from .http import Http

            return Http
        case "service":
            from .service import Service

            return Service
        case "witness":
            from .witness import Witness

            return Witness
        case "kubernetes":
            from .kubernetes import Kubernetes

            return Kubernetes
    raise KeyError(kind)


def mistakes_in(options: Any) -> list[str]:
    """What is wrong with the options of a source, each with the field it is in."""
    if not isinstance(options, Mapping):
        return [": not a dictionary"]
    if options.get("kind") not in KINDS:
        return [f".kind: {options.get('kind')!r} is none of {', '.join(KINDS)}"]
    fields = _fields(options["kind"])
    mistakes = unknown(options, ["kind", *fields])
    for name, field in fields.items():
        given = options.get(name)
        if given is None:
            if field.default is dataclasses.MISSING:
                mistakes.append(f".{name}: missing")
            continue
        try:
            _typed(given, field)
        except (TypeError, ValueError):
            mistakes.append(f".{name}: {given!r} is not of the type {field.type}")
    return mistakes


def build(options: Mapping[str, Any]) -> Source:
    """The source these options describe; they have no mistakes."""
    fields = _fields(options["kind"])
    given = {name: _typed(options[name], field) for name, field in fields.items() if options.get(name) is not None}
    return source_class(options["kind"])(**given)


def _fields(kind: str) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(source_class(kind))}  # type: ignore[arg-type]


def _typed(given: Any, field: dataclasses.Field[Any]) -> Any:
    if isinstance(given, dict | list):
        raise TypeError
    return _TYPES[str(field.type)](given)
