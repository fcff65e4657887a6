# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository at a forge that speaks the API of GitHub."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..errors import NotReady, ReleaseError
from ..web import BODY_LIMIT, Call, send

_PAGE = 100
_MOST_PAGES = 200
_SHORTEST, _LONGEST = 0.1, 30.0

Given = Mapping[str, Any]


class Away(ReleaseError):
    """The forge did not answer, or not as a forge that is well does."""


@dataclass(frozen=True)
class Forge:
    """`repository` is OWNER/NAME, or empty where `api` is the address of what is asked about; nothing is asked after
    `deadline`, of `time.monotonic`.
    """

    api: str
    repository: str
    token: str
    deadline: float
    ca_cert: str = ""

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        asked = f"{path}?{urlencode(query)}" if query else path
        found = self._call("GET", asked)
        if not isinstance(found, dict):
            raise ReleaseError(f"the answer is no object: {str(found)[:80]}", where=self._url(path))
        return found

    def post(self, path: str, body: Given) -> None:
        self._call("POST", path, body)

    def delete(self, path: str) -> None:
        """What is not there any more is deleted."""
        self._call("DELETE", path, gone=True)

    def pages(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Everything of a list, page by page; without a `key` the answer is the list."""
        for page in range(1, _MOST_PAGES + 1):
            asked = {**query, "per_page": _PAGE, "page": page}
            found = (self.get(path, **asked).get(key) if key else self._call("GET", f"{path}?{urlencode(asked)}")) or []
            yield from found
            if len(found) < _PAGE:
                return
        raise ReleaseError(f"it has more than {_MOST_PAGES * _PAGE} {key or path}", where=self._url(path))

    def poll(self, look: Callable[[], Any], every: float, what: str) -> Any:
        """What `look` finds, once it finds anything; a forge that is away for a moment is asked again."""
        said = ""
        while True:
            try:
                found, said = look(), ""
            except Away as error:
                found, said = None, f": {error.what}"
            if found:
                return found
            if time.monotonic() + every >= self.deadline:
                raise NotReady(f"{what} in time{said}", where=f"{self.repository} at {self.api}")
            time.sleep(every)

    def _url(self, path: str) -> str:
        return "/".join((self.api.rstrip("/"), *(("repos", self.repository) if self.repository else ()), path))

    def _call(self, method: str, path: str, body: Given | None = None, gone: bool = False) -> Any:
        login = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers = {"Accept": "application/vnd.github+json", "Content-Type": "application/json", **login}
        sent = json.dumps(body).encode() if body is not None else None
        call = Call(self._url(path), "", self.ca_cert, method, headers, sent, 8 * BODY_LIMIT)
        left = min(_LONGEST, max(_SHORTEST, self.deadline - time.monotonic()))
        try:
            status, _headers, answer = send(call, timeout=left)
        except ReleaseError as error:
            raise Away(error.what, where=error.where) from error
        if status >= 500:
            raise Away(f"it answered with {status}", where=self._url(path))
        if status >= 300 and not (gone and status == 404):
            raise ReleaseError(
                f"{method} was answered with {status}: {_said(answer)}",
                where=self._url(path),
                remedy="correct the repository, the workflow or the reference, or the rights of the token",
                record=f"{method} was answered with {status}",
            )
        try:
            return json.loads(answer) if answer.strip() else {}
        except ValueError as error:
            raise Away("the answer is not JSON", where=self._url(path)) from error


def _said(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])[:200]
    except (ValueError, KeyError, TypeError):
        return "nothing that says why"
