# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that answers in JSON, reached by URL or as a Service of the cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ...errors import ReleaseError
from ...web import Call, send, without_secrets
from .base import Ask, Source, World
from .login import Login
from .secrets import hidden
from .service import only_port

ANSWER_LIMIT = 8 * 1024 * 1024
_EXCERPT = 200

Query = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Api(Login, Source):
    """Options, besides those of `Login`: `url` of the server, with its path prefix; or `service`, `port` and
    `namespace` of a Service of the cluster, asked through the API server; `ca_cert`: PEM file to trust for the URL.
    """

    url: str = ""
    service: str = ""
    port: str = ""
    namespace: str = ""
    ca_cert: str = ""

    def check_options(self) -> list[str]:
        mistakes = self.login_mistakes()
        if bool(self.url) == bool(self.service):
            mistakes.append(".url: give either url or service")
        if self.service and (self.username or (self._token.given and not self.token_header)):
            mistakes.append(".service: the API server keeps the login for itself, only token_header gets through")
        return mistakes

    @property
    def where(self) -> str:
        return without_secrets(self.url) if self.url else f"Service {self.service}"

    def ask_json(self, ask: Ask, world: World, path: str, query: Query | None = None, body: Any = None) -> Any:
        """The document of a good answer; a body makes it a POST. Every error says what the server had to say."""
        status, text = self._exchange(ask, world, path + (f"?{urlencode(query, doseq=True)}" if query else ""), body)
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if status >= 300:
            said = _complaint(document) or text[:_EXCERPT].strip()
            raise ReleaseError(f"the answer was {status}: {said or 'an empty page'}", where=self.where)
        if document is None:
            raise ReleaseError(f"the answer is not JSON: {text[:80]!r}", where=self.where)
        return document

    def _exchange(self, ask: Ask, world: World, path: str, body: Any) -> tuple[int, str]:
        login, secrets = self.login(world)
        if self.service:
            client = world.client()
            namespace = world.namespace_of(self.namespace)
            port = self.port or only_port(client, self.service, namespace)
            status, _headers, answer = client.service_get(self.service, namespace, port, path, login, ask.left)
        else:
            data = None if body is None else json.dumps(body).encode()
            headers = {**login, **({"Content-Type": "application/json"} if data else {})}
            call = Call(
                self.url.rstrip("/") + path,
                ca_cert=self.ca_cert,
                method="POST" if data else "GET",
                headers=headers,
                body=data,
                body_limit=ANSWER_LIMIT,
            )
            status, _headers, answer = send(call, timeout=ask.left)
        return status, str(hidden(answer.decode("utf-8", "replace"), secrets))


def _complaint(document: Any) -> str:
    """What went wrong, in the shapes in which servers say so."""
    if not isinstance(document, dict):
        return ""
    said = document.get("error") or document.get("message") or document.get("detail") or ""
    if isinstance(said, dict):
        causes = said.get("root_cause") or [said]
        said = causes[0].get("reason") or said.get("reason") or said.get("message") or json.dumps(said)
    return str(said)[:_EXCERPT]
