# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A token that a server gives for a user name and a password, kept for those who ask it after that."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...errors import ReleaseError
from ...web import Call, send, without_secrets
from ..expect import ExpectError
from ..select import check, pick_from

KEYS = ("url", "user", "password", "token")
KEPT = 60.0
"""Seconds for which a token is used again, so that a long hold sees when nobody can sign in any more."""


@dataclass(frozen=True)
class SignIn:
    """`url` takes a POST with JSON, in which `user` and `password` are the names of both, and answers with JSON in
    which `token` is a JMESPath to the token."""

    url: str
    user: str = "username"
    password: str = "password"
    token: str = "token"

    def call(self, like: Call, username: str, password: str) -> Call:
        """What is sent to the server that `like` is sent to."""
        body = json.dumps({self.user: username, self.password: password}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return replace(like, url=self.url, method="POST", headers=headers, body=body)


@dataclass
class Tokens:
    """The tokens of one run. Whoever is second waits for the first one's, so that nobody signs in twice at once."""

    _known: dict[tuple[SignIn, str], tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def token(self, sign_in: SignIn, like: Call, username: str, password: str, *, timeout: float) -> str:
        with self._lock:
            token, until = self._known.get((sign_in, username), ("", 0.0))
            if not token or time.monotonic() >= until:
                token = _signed_in(sign_in, sign_in.call(like, username, password), username, timeout)
                self._known[sign_in, username] = (token, time.monotonic() + KEPT)
            return token


def mistakes(given: Mapping[str, str]) -> list[str]:
    found = [f".sign_in.{key}: unknown, known are {', '.join(KEYS)}" for key in given if key not in KEYS]
    if not given.get("url"):
        found.append(".sign_in.url: missing")
    try:
        check(given.get("token") or SignIn.token)
    except ExpectError as exc:
        found.append(f".sign_in.token: {exc}")
    return found


def _signed_in(sign_in: SignIn, call: Call, username: str, timeout: float) -> str:
    where = without_secrets(call.url)
    status, _headers, body = send(call, timeout=timeout)
    if not 200 <= status < 300:
        raise ReleaseError(f"{username} cannot sign in: POST {where} answered {status}", where=where)
    try:
        found = pick_from(sign_in.token, json.loads(body))
    except ValueError:
        found = []
    if len(found) != 1 or not isinstance(found[0], str) or not found[0].isprintable() or not found[0]:
        raise ReleaseError(
            f"the answer to the sign-in of {username} has no token at {sign_in.token}",
            where=where,
            remedy="correct sign_in.token, where in the answer the token is",
        )
    return found[0]
