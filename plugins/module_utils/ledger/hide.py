# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets stay out of the ledger: what stands in their place can be compared, but not turned back."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Any

from .canonical import canonical

PLACEHOLDER = "(hidden)"
SHORTEST_SEARCHED = 8


def hide(value: Any, names: Collection[str], salt: str) -> Any:
    """``value`` with everything under a key in ``names`` hashed, and masked where it stands elsewhere in a text."""
    longest_first = sorted(clear_texts(value, names), key=len, reverse=True)
    return _hidden(value, frozenset(names), longest_first, salt)


def clear_texts(value: Any, names: Collection[str]) -> set[str]:
    """The texts under a key in ``names`` that are long enough to be nothing else where they stand elsewhere."""
    leaves = (leaf for secret in _secrets(value, names) for leaf in _leaves(secret))
    return {leaf for leaf in leaves if len(leaf) >= SHORTEST_SEARCHED}


def _secrets(value: Any, names: Collection[str]) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key in names:
                yield below
            else:
                yield from _secrets(below, names)
    elif isinstance(value, list):
        for below in value:
            yield from _secrets(below, names)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from _leaves(below)
    else:
        yield str(value)


def _hidden(value: Any, names: frozenset[str], texts: list[str], salt: str) -> Any:
    if isinstance(value, dict):
        return {
            _masked(key, texts): _hash(below, f"{salt}/{key}") if key in names else _hidden(below, names, texts, salt)
            for key, below in value.items()
        }
    if isinstance(value, list):
        return [_hidden(below, names, texts, salt) for below in value]
    return _masked(value, texts) if isinstance(value, str) else value


def _masked(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, PLACEHOLDER)
    return text


def _hash(value: Any, salt: str) -> str:
    """Slow to compute on purpose, because a password can be guessed; the same value is the same within a release."""
    hashed = hashlib.scrypt(canonical(value), salt=salt.encode(), n=2**14, r=8, p=1, dklen=32)
    return f"scrypt:{hashed.hex()}"
