# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of a source must look like, and the source they describe."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from ..mistakes import unknown
from .base import Source
from .kinds import KINDS, source_class

_PAIRS = "dict[str, str]"
_MAPPING = "dict[str, Any]"


def mistakes_in(options: Any) -> list[str]:
    """What is wrong with the options of a source, each with the field it is in; never with what may be a secret."""
    if not isinstance(options, Mapping):
        return [": not a dictionary"]
    if options.get("kind") not in KINDS:
        return [f".kind: {options.get('kind')!r} is none of {', '.join(KINDS)}"]
    fields = _fields(options["kind"])
    mistakes = unknown(options, ["kind", *fields])
    for name, field in fields.items():
        given = options.get(name)
        if given is None:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                mistakes.append(f".{name}: missing")
            continue
        try:
            _typed(given, field)
        except (TypeError, ValueError):
            wanted = _NAMES.get(str(field.type), f"of the type {field.type}")
            mistakes.append(
                f".{name}: is not {wanted}"
                if field.type in (_PAIRS, _MAPPING)
                else f".{name}: {given!r} is not {wanted}"
            )
    return mistakes or build(options).check_options()


def build(options: Mapping[str, Any]) -> Source:
    """The source these options describe; they have no mistakes."""
    fields = _fields(options["kind"])
    given = {name: _typed(options[name], field) for name, field in fields.items() if options.get(name) is not None}
    return source_class(options["kind"])(**given)


def _fields(kind: str) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(source_class(kind))}  # type: ignore[arg-type]


def _typed(given: Any, field: dataclasses.Field[Any]) -> Any:
    return _TYPES[str(field.type)](given)


def _text(given: Any) -> str:
    if isinstance(given, dict | list | tuple):
        raise TypeError
    return str(given)


def _truth(given: Any) -> bool:
    text = str(given).lower()
    if text not in ("true", "yes", "false", "no"):
        raise ValueError
    return text in ("true", "yes")


def _whole(given: Any) -> int:
    if isinstance(given, float) and not given.is_integer():
        raise ValueError
    return int(given)


def _finite(given: Any) -> float:
    if not math.isfinite(found := float(given)):
        raise ValueError
    return found


def _texts(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise TypeError
    return tuple(_text(one) for one in given)


def _mapping(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError
    return {str(key): value for key, value in given.items()}


def _pairs(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise TypeError
    return {str(key): _text(value) for key, value in given.items()}


_TYPES: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "int": _whole,
    "float": _finite,
    "bool": _truth,
    "tuple[str, ...]": _texts,
    _PAIRS: _pairs,
    _MAPPING: _mapping,
}
_NAMES = {"tuple[str, ...]": "a list of text", _PAIRS: "a dictionary of text", _MAPPING: "a dictionary"}
