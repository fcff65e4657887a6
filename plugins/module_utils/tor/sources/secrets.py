# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets by reference: a file, a key of a Secret in the cluster, or a variable of the environment."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ReleaseError
from .base import World

PLACEHOLDER = "(hidden)"
_SHORTEST_HIDDEN = 4
_LONGEST = 65536
_PLACES = ("file", "secret", "environment")
_SECRET_KEYS = ("name", "key", "namespace")


@dataclass(frozen=True)
class Reference:
    """Where a secret is kept. At most one of the three is given; `prefix` is how the options are called."""

    prefix: str
    file: str = ""
    secret: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""

    def mistakes(self) -> list[str]:
        mistakes = [f".{option}: there is {self.options[0]}, too" for option in self.options[1:]]
        unknown = [key for key in self.secret if key not in _SECRET_KEYS]
        missing = [key for key in _SECRET_KEYS[:2] if self.secret and not self.secret.get(key)]
        mistakes += [f".{self.prefix}_secret.{key}: unknown, known are {', '.join(_SECRET_KEYS)}" for key in unknown]
        return mistakes + [f".{self.prefix}_secret.{key}: missing" for key in missing]

    @property
    def options(self) -> list[str]:
        """The options that refer to a secret."""
        return [f"{self.prefix}_{place}" for place in _PLACES if getattr(self, place)]

    @property
    def given(self) -> bool:
        return bool(self.options)

    def value(self, world: World) -> str:
        """The secret, without the end of its line; empty when none is referred to."""
        if self.file:
            return self._checked(_from_file(self.file), self.file)
        if self.environment:
            if self.environment not in os.environ:
                raise ReleaseError(
                    f"the environment has no {self.environment}", remedy=f"set it, or correct {self.options[0]}"
                )
            return self._checked(os.environ[self.environment], f"the variable {self.environment}")
        return self._checked(*_from_cluster(self.secret, world)) if self.secret else ""

    def _checked(self, text: str, where: str) -> str:
        text = text.rstrip("\r\n")
        if not text or any(ord(character) < 32 for character in text):
            raise ReleaseError(
                f"{where} holds no {self.prefix} of one line", remedy=f"correct it, or {self.options[0]}"
            )
        return text


def hidden(found: Any, secrets: tuple[str, ...]) -> Any:
    """The same with every secret in its texts masked; very short ones cannot be told from other text."""
    if isinstance(found, dict):
        return {key: hidden(value, secrets) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [hidden(value, secrets) for value in found]
    if isinstance(found, str):
        for secret in secrets:
            if len(secret) >= _SHORTEST_HIDDEN:
                found = found.replace(secret, PLACEHOLDER)
    return found


def _from_file(path: str) -> str:
    try:
        with Path(path).expanduser().open(encoding="utf-8") as stream:
            return stream.read(_LONGEST)
    except (OSError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ReleaseError(f"{path} cannot be read: {reason}", remedy="correct the file or the option") from exc


def _from_cluster(reference: Mapping[str, str], world: World) -> tuple[str, str]:
    from ...kube.kinds import SECRET

    namespace = world.namespace_of(reference.get("namespace", ""))
    where = f"key {reference['key']} of Secret {namespace}/{reference['name']}"
    found = world.client().get(SECRET, reference["name"], namespace)
    encoded = ((found or {}).get("data") or {}).get(reference["key"])
    if encoded is None:
        raise ReleaseError(f"{where} does not exist", remedy="correct the reference or create the Secret")
    try:
        return base64.b64decode(encoded).decode(), where
    except ValueError as exc:
        raise ReleaseError(f"{where} is not text") from exc
