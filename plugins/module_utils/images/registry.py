# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One image at a registry that speaks the API of the OCI distribution specification."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from ..errors import ReleaseError
from ..web import Call, basic, send, without_secrets

_LISTS = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ACCEPT = ", ".join((*_LISTS, *_MANIFESTS))
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PAGE = 500
_MOST_PAGES = 1000
_LARGEST = 8 * 1024 * 1024
_SHORTEST, _LONGEST = 0.1, 30.0
_REDIRECTS = 3
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next"?')
_PARAMETER = re.compile(r'([a-z]+)="([^"]*)"')

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Login:
    """A user name may be missing where the password is a token."""

    username: str = ""
    password: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": basic(self.username, self.password)} if self.password else {}


@dataclass(frozen=True)
class Registry:
    """`name` is the image without the host of the registry; nothing is asked after `deadline`, of `time.monotonic`.

    Safe to use from many threads.
    """

    url: str
    name: str
    login: Login
    deadline: float
    ca_cert: str = ""
    page: int = _PAGE
    _known: dict[bool, str] = field(default_factory=dict, repr=False)

    def tags(self) -> list[str]:
        """All of them, page by page."""
        found: dict[str, None] = {}
        address = self._address(f"tags/list?n={self.page}")
        for _page in range(_MOST_PAGES):
            status, headers, body = self._ask("GET", address)
            if status == 404:
                raise ReleaseError("The registry has no such image", where=self._where, remedy="correct image")
            found.update(dict.fromkeys(_object(body, address).get("tags") or []))
            link = _NEXT.search(_header(headers, "link"))
            if not link:
                return list(found)
            address = urljoin(address, link[1])
            if urlsplit(address)[:2] != urlsplit(self.url)[:2]:
                raise ReleaseError("The list of tags goes on at another server", where=without_secrets(address))
        raise ReleaseError(f"The list of tags has more than {_MOST_PAGES} pages", where=self._where)

    def digest(self, tag: str) -> str:
        """What a tag names now; empty if it is gone."""
        status, headers, _body = self._ask("HEAD", self._address(f"manifests/{tag}"), accept=ACCEPT)
        told = _header(headers, "docker-content-digest")
        if status == 404 or DIGEST.fullmatch(told):
            return "" if status == 404 else told
        status, _headers, body = self._ask("GET", self._address(f"manifests/{tag}"), accept=ACCEPT)
        return "" if status == 404 else digest_of(body)

    def manifest(self, digest: str) -> dict[str, Any] | None:
        """None if it is gone."""
        return self._content("manifests", digest, ACCEPT)

    def config(self, digest: str) -> dict[str, Any] | None:
        return self._content("blobs", digest, "*/*")

    def delete(self, digest: str) -> None:
        """A manifest with all its tags. What is not there any more is deleted."""
        status, _headers, body = self._ask("DELETE", self._address(f"manifests/{digest}"), may_fail=True)
        if status in (400, 405, 501):
            raise ReleaseError(
                f"The registry does not delete images ({status})",
                where=self._where,
                remedy="let it (storage.delete.enabled), or set packages where it is an API of GitHub that deletes",
            )
        if status >= 300 and status != 404:
            raise self._refusal("DELETE", status, body)

    def _content(self, kind: str, digest: str, accept: str) -> dict[str, Any] | None:
        address = self._address(f"{kind}/{digest}")
        status, _headers, body = self._ask("GET", address, accept=accept)
        if status == 404:
            return None
        if digest_of(body) != digest:
            raise ReleaseError(
                f"The registry answered with {digest_of(body)}",
                where=without_secrets(address),
                remedy="ask who runs it",
            )
        return _object(body, address)

    def _ask(self, method: str, address: str, accept: str = "application/json", may_fail: bool = False) -> Answer:
        """An answer to whom we are; one that is no success, and not 404, is an error unless it `may_fail`."""
        deletes = method == "DELETE"
        answer = self._send(method, address, accept, self._known.get(deletes, ""))
        if answer[0] == 401:
            self._known[deletes] = self._authorization(_header(answer[1], "www-authenticate"))
            answer = self._send(method, address, accept, self._known[deletes])
        status, _headers, body = answer
        if status in (401, 403) or (status >= 300 and status != 404 and not may_fail):
            raise self._refusal(method, status, body)
        return answer

    def _send(self, method: str, address: str, accept: str, authorization: str) -> Answer:
        login = {"Authorization": authorization} if authorization else {}
        call = Call(address, "", self.ca_cert, method, {"Accept": accept, **login}, None, _LARGEST)
        return send(call, timeout=self._left, redirects=0 if method == "DELETE" else _REDIRECTS)

    def _authorization(self, challenge: str) -> str:
        """What the challenge asks for: user name and password, or a token that these are given for."""
        scheme, _space, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and self.login.password:
            return self.login.headers["Authorization"]
        asked = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "bearer" or not asked.get("realm"):
            raise self._refusal("GET", 401, b"")
        realm = asked["realm"]
        if self.url.startswith("https:") and not realm.startswith("https:"):
            raise ReleaseError("The registry sends us to sign in without TLS", where=without_secrets(realm))
        query = urlencode({key: asked[key] for key in ("service", "scope") if key in asked})
        joint = "&" if urlsplit(realm).query else "?"
        call = Call(f"{realm}{joint}{query}", "", self.ca_cert, headers=self.login.headers)
        status, _headers, body = send(call, timeout=self._left)
        if status >= 300:
            raise self._refusal("The sign-in", status, body)
        said = _object(body, realm)
        return f"Bearer {said.get('token') or said.get('access_token') or ''}"

    def _refusal(self, method: str, status: int, body: bytes) -> ReleaseError:
        told = f"{method} was answered with {status}"
        remedy = "correct username, password, or the rights of them" if status in (401, 403) else ""
        return ReleaseError(f"{told}{_said(body)}", where=self._where, remedy=remedy, record=told)

    def _address(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/v2/{self.name}/{path}"

    @property
    def _where(self) -> str:
        return f"{self.name} at {without_secrets(self.url)}"

    @property
    def _left(self) -> float:
        return min(_LONGEST, max(_SHORTEST, self.deadline - time.monotonic()))


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _object(body: bytes, address: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ReleaseError("The answer is no JSON object", where=without_secrets(address))
    return found


def _said(body: bytes) -> str:
    try:
        return f": {str(json.loads(body)['errors'][0]['message'])[:200]}"
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
