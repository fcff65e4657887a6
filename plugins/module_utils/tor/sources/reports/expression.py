# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SPDX licence expressions: `MIT OR (Apache-2.0 AND GPL-2.0-only WITH Classpath-exception-2.0)`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_ID = re.compile(r"[A-Za-z0-9.:+-]+")
_DEPRECATED = re.compile(r"((?:a|l)?gpl-\d\.\d)(\+?)")


class LicenceError(ValueError):
    """A text that is not an expression."""


class Licence:
    """One expression; AND binds more tightly than OR."""

    def __init__(self, text: str) -> None:
        self.text = text

    @staticmethod
    def normal(text: str) -> str:
        """Ids differ in nothing but case, and `GPL-3.0` is an old name of `GPL-3.0-only`."""
        text = " ".join(text.lower().split())
        old = _DEPRECATED.fullmatch(text)
        return f"{old[1]}-{'or-later' if old[2] else 'only'}" if old else text

    def permitted_by(self, allowed: frozenset[str]) -> bool:
        """Whether these licences, as `normal` writes them, allow to use it."""
        tokens = itertools.chain(_TOKEN.findall(self.text), itertools.repeat(""))
        permitted, rest = self._either(next(tokens), tokens, allowed)
        if rest:
            raise LicenceError(f"{self.text!r} is not a licence expression")
        return permitted

    def _either(self, token: str, tokens: Iterator[str], allowed: frozenset[str]) -> tuple[bool, str]:
        permitted, token = self._all(token, tokens, allowed)
        while token.upper() == "OR":
            other, token = self._all(next(tokens), tokens, allowed)
            permitted = permitted or other
        return permitted, token

    def _all(self, token: str, tokens: Iterator[str], allowed: frozenset[str]) -> tuple[bool, str]:
        permitted, token = self._one(token, tokens, allowed)
        while token.upper() == "AND":
            other, token = self._one(next(tokens), tokens, allowed)
            permitted = permitted and other
        return permitted, token

    def _one(self, token: str, tokens: Iterator[str], allowed: frozenset[str]) -> tuple[bool, str]:
        if token == "(":
            permitted, token = self._either(next(tokens), tokens, allowed)
            if token != ")":
                raise LicenceError(f"{self.text!r} has a parenthesis that is not closed")
            return permitted, next(tokens)
        if not _ID.fullmatch(token) or token.upper() in ("AND", "OR", "WITH"):
            raise LicenceError(f"{self.text!r} is not a licence expression")
        following = next(tokens)
        if following.upper() != "WITH":
            return self.normal(token) in allowed, following
        exception = next(tokens)
        if not _ID.fullmatch(exception):
            raise LicenceError(f"{self.text!r} names no exception")
        names = {self.normal(token), f"{self.normal(token)} with {exception.lower()}"}
        return bool(names & allowed), next(tokens)
