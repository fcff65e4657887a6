# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request to the API server: timeouts, retries where they are safe, typed errors."""

from __future__ import annotations

import copy
import enum
import json
import typing as t
from dataclasses import dataclass
from urllib.parse import urlencode

from ..errors import ApiError
from .backoff import Backoff, Pacing
from .faults import Asked, fault_of, is_permanent, unreachable

if t.TYPE_CHECKING:
    from .connection import Connection

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
PATIENCE = 30.0
FIRST_PATIENCE = 5.0
RUN_PATIENCE = 60.0
ATTEMPTS_AT_500 = 3
JSON = "application/json"
CHUNK = 65536


class Retry(enum.Enum):
    """What may be sent again after it is unknown whether the first attempt took effect."""

    SAFE = "reads, absolute writes and guarded patches: doing it twice is doing it once"
    UNSENT = "only what certainly did not take effect: refused connections and 429"


@dataclass(frozen=True)
class Patience:
    """For how many seconds a request is tried again: at an address that has never answered, and at one that has.

    ``at_500`` is how often a request is tried again that the API server itself failed at; None is until time is up.
    """

    first: float = FIRST_PATIENCE
    later: float = PATIENCE
    at_500: int | None = ATTEMPTS_AT_500

    @classmethod
    def throughout(cls, seconds: float) -> Patience:
        return cls(seconds, seconds, None)


@dataclass(frozen=True)
class Request:
    """One request; ``asked`` is how errors speak of it, ``guard`` may forbid each attempt by an error.

    ``body_limit``: bytes an answer may have, for those that the API server only passes on.
    """

    asked: Asked
    method: str
    path: str
    query: t.Mapping[str, str | int | t.Sequence[str]] | None = None
    body: t.Any = None
    content_type: str = JSON
    accept: str = JSON
    headers: t.Mapping[str, str] | None = None
    retry: Retry = Retry.SAFE
    read_timeout: float = READ_TIMEOUT
    guard: t.Callable[[], None] | None = None
    body_limit: int | None = None


@dataclass(frozen=True)
class Answer:
    """A complete answer; ``uncertain`` says that an earlier attempt of the same request may have taken effect."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes
    uncertain: bool = False

    def json(self) -> t.Any:
        return json.loads(self.body)

    def status_object(self) -> dict[str, t.Any] | None:
        """The ``Status`` the API server explains itself with, unless the body is something else."""
        if not self.body.lstrip().startswith(b"{"):
            return None
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found if isinstance(found, dict) and found.get("kind") == "Status" else None


class Transport:
    """Sends requests over one connection pool; safe to use from many threads."""

    def __init__(self, connection: Connection, pacing: Pacing | None = None, patience: Patience | None = None) -> None:
        self.connection = connection
        self._pacing = pacing or Pacing()
        self.patience = patience or Patience()
        self._answered = False

    def with_patience(self, seconds: float) -> Transport:
        """The same connection pool with another patience."""
        twin = copy.copy(self)
        twin.patience = Patience.throughout(seconds)
        return twin

    def send(self, request: Request) -> Answer:
        """The answer, when it is a good one; else a typed error."""
        answer = self.answer(request)
        if answer.status >= 400:
            error = fault_of(request.asked, answer.status, answer.status_object(), _text(answer.body))
            error.uncertain = answer.uncertain
            raise error
        return answer

    def answer(self, request: Request) -> Answer:
        """The answer, whatever its status, after the retries ``request`` allows."""
        import urllib3

        backoff, uncertain = Backoff(self._pacing), False
        while True:
            if request.guard is not None:
                request.guard()
            try:
                response = self._exchange(request, preload=request.body_limit is None)
                body = response.data if request.body_limit is None else _bounded(response, request)
            except urllib3.exceptions.HTTPError as error:
                sent = not isinstance(
                    error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
                )
                passing = not is_permanent(error)
                uncertain = uncertain or (sent and passing)
                if passing and (request.retry is Retry.SAFE or not sent) and backoff.wait(self._patience_now()):
                    continue
                fault = unreachable(request.asked, self.connection.host, error)
                fault.uncertain = uncertain
                raise fault from error
            self._answered = True
            answer = Answer(response.status, response.headers, body, uncertain)
            retry_after = _retry_after(answer.headers)
            if self._again(request, answer, backoff.attempts) and backoff.wait(self.patience.later, retry_after):
                uncertain = uncertain or answer.status != 429
                continue
            return answer

    def stream(self, request: Request) -> t.Any:
        """An open response whose body arrives over time (watch); not retried, the caller knows where to go on."""
        import urllib3

        try:
            response = self._exchange(request, preload=False)
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(request.asked, self.connection.host, error) from error
        self._answered = True
        if response.status >= 400:
            answer = Answer(response.status, response.headers, response.read())
            raise fault_of(request.asked, answer.status, answer.status_object(), _text(answer.body))
        return response

    def _patience_now(self) -> float:
        """A cluster that has answered before is waited for; an address that never has may just be wrong."""
        return self.patience.later if self._answered else self.patience.first

    def _again(self, request: Request, answer: Answer, attempts: int) -> bool:
        """Whether this answer is worth another attempt."""
        if answer.status == 429:
            return True
        if request.retry is not Retry.SAFE:
            return False
        most = self.patience.at_500
        return answer.status in (502, 503, 504) or (answer.status == 500 and (most is None or attempts < most))

    def _exchange(self, request: Request, preload: bool) -> t.Any:
        import urllib3

        headers = {"accept": request.accept, "user-agent": "runbook.release", **self.connection.credential()}
        headers.update(request.headers or {})
        body = None
        if request.body is not None:
            body = json.dumps(request.body, separators=(",", ":")).encode()
            headers["content-type"] = request.content_type
        url = self.connection.host + request.path
        if request.query:
            url += "?" + urlencode(request.query, doseq=True)
        return self.connection.pool.request(
            request.method,
            url,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=request.read_timeout),
            preload_content=preload,
            redirect=False,
            retries=False,
        )


def _bounded(response: t.Any, request: Request) -> bytes:
    body = bytearray()
    for chunk in response.stream(CHUNK):
        body += chunk
        if len(body) > (request.body_limit or 0):
            response.close()
            asked, size = request.asked, f"larger than {request.body_limit} bytes"
            what = f"cannot {asked.verb} {asked.object}: the answer is {size}"
            raise ApiError(what, status=int(response.status), verb=asked.verb, object=asked.object)
    return bytes(body)


def _retry_after(headers: t.Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After") or 0))
    except ValueError:
        return 0.0


def _text(body: bytes) -> str:
    return body[:2000].decode("utf-8", "replace")
