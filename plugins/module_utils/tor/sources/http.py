# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A URL, asked on a new connection each time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import ClassVar

from ...errors import ReleaseError
from ...web import BODY_LIMIT, Call, certificate_end, send, without_secrets
from . import outside, sign_in
from .answers import SELECTS, Answer, Pace, sample
from .base import Ask, Readings, World
from .login import Login
from .measure import Measured
from .secrets import hidden
from .sign_in import SignIn

CERTIFICATE = "certificate_age_left"
_METHODS = ("GET", "HEAD", "POST")


@dataclass(frozen=True)
class Http(Login, Measured):
    """Options, besides those of `Login`:

    `url`; `address`: IP or name to connect to, while host name and SNI stay those of the URL, or `address_of`: the
    Service, Ingress or Gateway ({kind, name, namespace}) whose status tells it; `sign_in`: where user name and password
    are given for a token ({url, user, password, token}), see `SignIn`; `ca_cert`: PEM file of the authority to trust;
    `method`: GET, HEAD or POST; `headers`: no secrets here; `body`: what a POST sends; `redirects`: how many redirects
    to follow, 0 (default) takes a redirect for the answer; `body_limit`: bytes an answer may have (1 MiB); `duration`:
    seconds over which the samples are spread evenly, 0 sends one after the other; `request_timeout`: seconds one
    request may take, 0 leaves it to the criterion's timeout.

    Selects: `status`; `latency` (ms) of the good answers, errors do not count; `error_share` of answers from 400 on
    and of requests without a complete answer; `failures_in_a_row`, the longest run of these; `certificate_age_left`
    (time) until the certificate expires, which must be trusted; `header:NAME`; else what is found in the body of a
    good answer, followed by `in UNIT` where it has one.
    """

    url: str
    address: str = ""
    address_of: dict[str, str] = field(default_factory=dict)
    sign_in: dict[str, str] = field(default_factory=dict)
    ca_cert: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    redirects: int = 0
    body_limit: int = BODY_LIMIT
    duration: float = 0.0
    request_timeout: float = 0.0

    selects: ClassVar[dict[str, str]] = {**SELECTS, CERTIFICATE: "s"}

    def check_options(self) -> list[str]:
        mistakes = self.login_mistakes()
        if self.address_of:
            mistakes += outside.mistakes(self.address_of) + (
                [".address: there is address_of, too"] * bool(self.address)
            )
        if self.sign_in:
            mistakes += sign_in.mistakes(self.sign_in)
            mistakes += [] if self.username else [".sign_in: it takes a username with a password_*"]
            mistakes += [".sign_in: there is a token already"] * self._token.given
        if self.method not in _METHODS:
            mistakes.append(f".method: {self.method!r} is none of {', '.join(_METHODS)}")
        if self.method != "POST" and self.body:
            mistakes.append(".body: only a POST has one")
        if self.method == "POST" and self.redirects:
            mistakes.append(".redirects: a POST is not sent again")
        return mistakes + [
            f".{name}: {getattr(self, name)} is less than 0"
            for name in ("redirects", "body_limit", "duration", "request_timeout")
            if getattr(self, name) < 0
        ]

    @property
    def repeatable(self) -> bool:
        return self.method != "POST"

    @property
    def text(self) -> str:
        at = f" at {self.address}" if self.address else ""
        if self.address_of:
            at = f" at the address of {self.address_of['kind']} {self.address_of['name']}"
        return f"{self.method} {without_secrets(self.url)}{at}"

    def read(self, ask: Ask, world: World) -> Readings:
        address = outside.address_of(self.address_of, world) if self.address_of else self.address
        if ask.select == CERTIFICATE:
            return self._certificate(ask, address)
        login, secrets = self._who(ask, world, address)
        call = Call(
            self.url,
            address,
            self.ca_cert,
            self.method,
            {**self.headers, **login},
            self.body.encode() if self.method == "POST" else None,
            self.body_limit,
        )

        def request(seconds: float) -> Answer:
            return Answer(*send(call, timeout=seconds, redirects=self.redirects))

        try:
            readings = sample(request, ask, Pace(self.duration, self.request_timeout))
        except ReleaseError as exc:
            raise ReleaseError(str(hidden(exc.what, secrets)), where=exc.where, remedy=exc.remedy) from exc
        return replace(readings, values=hidden(readings.values, secrets), evidence=hidden(readings.evidence, secrets))

    def _who(self, ask: Ask, world: World, address: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """The headers that say who asks, and the secrets in them; the token is had first where there is a sign-in."""
        if not self.sign_in:
            return self.login(world)
        password = self._password.value(world)
        like = Call(self.url, address, self.ca_cert, body_limit=self.body_limit)
        token = world.tokens.token(SignIn(**self.sign_in), like, self.username, password, timeout=ask.left)
        return {"Authorization": f"Bearer {token}"}, (password, token)

    def _certificate(self, ask: Ask, address: str) -> Readings:
        end = certificate_end(self.url, address, self.ca_cert, timeout=ask.left)
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
        return Readings([Fraction(round(end - time.time()))], 1, {"expires": until})
