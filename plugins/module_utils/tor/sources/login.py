# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks a server over HTTP, with the secret by reference."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...web import basic
from .base import World
from .secrets import Reference

_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|passw|api-?key|credential|signature|session", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Login:
    """`username` with `password_file` (path), `password_secret` ({name, key, namespace} of a Secret in the cluster) or
    `password_environment` (variable), or a token by `token_file`, `token_secret` or `token_environment`. The token is
    sent as `Authorization: Bearer`, or by itself in the header `token_header`. A secret may end with its line.
    """

    username: str = ""
    password_file: str = ""
    password_secret: dict[str, str] = field(default_factory=dict)
    password_environment: str = ""
    token_file: str = ""
    token_secret: dict[str, str] = field(default_factory=dict)
    token_environment: str = ""
    token_header: str = ""

    @property
    def _password(self) -> Reference:
        return Reference("password", self.password_file, self.password_secret, self.password_environment)

    @property
    def _token(self) -> Reference:
        return Reference("token", self.token_file, self.token_secret, self.token_environment)

    def login_mistakes(self) -> list[str]:
        mistakes = [*self._password.mistakes(), *self._token.mistakes()]
        if bool(self.username) != self._password.given:
            mistakes.append(".username: a user name needs one of the options password_*, and these need it")
        if self.username and self._token.given and not self.token_header:
            mistakes.append(".username: there is a token, too")
        if self.token_header and not self._token.given:
            mistakes.append(".token_header: there is no token to put there")
        secret = [name for name in getattr(self, "headers", {}) if _SECRET_HEADER.search(name)]
        return mistakes + [
            f".headers.{name}: write secrets by reference, with password_* or token_*" for name in secret
        ]

    def login(self, world: World) -> tuple[dict[str, str], tuple[str, ...]]:
        """The headers that say who asks, and the secrets that are in them."""
        headers: dict[str, str] = {}
        password, token = self._password.value(world), self._token.value(world)
        if password:
            headers["Authorization"] = basic(self.username, password)
        if token:
            name = self.token_header or "Authorization"
            headers[name] = token if self.token_header else f"Bearer {token}"
        return headers, tuple(filter(None, (password, token, *headers.values())))
