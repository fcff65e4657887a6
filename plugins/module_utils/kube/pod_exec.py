# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in a container, through the WebSocket of the ``kubernetes`` library and without its models."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import re
import time
import typing as t
from contextvars import ContextVar
from urllib.parse import urlencode

from ..errors import ApiError, NotReady
from .connection import Connection
from .faults import Asked, fault_of, unreachable
from .kinds import POD
from .transport import READ_TIMEOUT

if t.TYPE_CHECKING:
    from websocket import WebSocket

STDOUT, STDERR, OUTCOME = 1, 2, 3
OUTPUT_LIMIT = 4 * 1024 * 1024

_opening: ContextVar[float | None] = ContextVar("seconds that opening a WebSocket may take", default=None)


def run_in_pod(
    connection: Connection, pod: str, namespace: str, container: str, argv: t.Sequence[str], timeout: float
) -> tuple[int, str]:
    """Exit code and output (both streams) of ``argv``; an error when it does not end, or writes without end.

    ``timeout`` is in seconds, from before the connection is opened, but not before the library is loaded.
    """
    importlib.import_module("kubernetes.stream.ws_client")
    asked = Asked("exec into", POD, namespace, pod)
    deadline = time.monotonic() + timeout
    stream = open_exec(connection, asked, container, argv, timeout=min(timeout, READ_TIMEOUT))
    output: list[str] = []
    size = 0
    try:
        while stream.is_open():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise NotReady(
                    f"{argv[0]} did not end within {timeout:g} s",
                    where=f"pod {namespace}/{pod}, container {container}",
                    remedy="look at what it waits for, or allow it more time",
                    output="".join(output)[-4000:],
                )
            stream.update(timeout=remaining)
            written = [stream.read_channel(channel) for channel in (STDOUT, STDERR) if stream.peek_channel(channel)]
            output += written
            size += sum(map(len, written))
            if size > OUTPUT_LIMIT:
                raise NotReady(
                    f"{argv[0]} wrote more than {OUTPUT_LIMIT} characters",
                    where=f"pod {namespace}/{pod}, container {container}",
                    remedy="let it write only what is needed",
                )
        output += [stream.read_channel(channel) for channel in (STDOUT, STDERR)]
        return exit_code(asked, argv, stream.read_channel(OUTCOME)), "".join(output)
    finally:
        stream.close(timeout=0)


def open_exec(
    connection: Connection,
    asked: Asked,
    container: str,
    argv: t.Sequence[str],
    *,
    stdin: bool = False,
    timeout: float = READ_TIMEOUT,
) -> t.Any:
    """The library's WebSocket client for a command that has been asked for.

    An API server that is silent for ``timeout`` seconds before it is open is ``Unreachable``. Then nothing is bounded.
    """
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream.ws_client import websocket_call

    query = [("stdout", "true"), ("stderr", "true"), *(("command", arg) for arg in argv)]
    if stdin:
        query.append(("stdin", "true"))
    if container:
        query.append(("container", container))
    url = f"{connection.host}{POD.path(asked.namespace, asked.name, 'exec')}?{urlencode(query)}"
    try:
        with _opened_within(timeout):
            return websocket_call(
                connection.configuration,
                "GET",
                url,
                headers=connection.credential(),
                capture_all=False,
                _preload_content=False,
            )
    except ApiException as error:
        raise _refusal(connection, asked, error) from error


@contextlib.contextmanager
def _opened_within(seconds: float) -> t.Iterator[None]:
    """The library gives its WebSockets no timeout, and no way to give them one: here, in this thread, they have it."""
    from kubernetes.stream import ws_client

    ws_client.WebSocket = _bounded_websocket()
    before = _opening.set(seconds)
    try:
        yield
    finally:
        _opening.reset(before)


@functools.cache
def _bounded_websocket() -> type[WebSocket]:
    from websocket import WebSocket

    class Bounded(WebSocket):
        """Its timeout ends with the opening; outside of ``_opened_within`` it is like any other."""

        def connect(self, url: str, **options: t.Any) -> None:
            before, seconds = self.gettimeout(), _opening.get()
            self.settimeout(before if seconds is None else seconds)
            t.cast(t.Any, super()).connect(url, **options)
            self.settimeout(before)

    return Bounded


def _refusal(connection: Connection, asked: Asked, error: t.Any) -> Exception:
    """The library folds the answer to a failed upgrade into one text: ``Handshake status 403 Forbidden …``."""
    said = str(error.reason or "")
    match = re.search(r"Handshake status (\d{3})", said)
    if match is None:
        return unreachable(asked, connection.host, error)
    body = re.search(r'\{"kind":"Status".*\}', said, re.DOTALL)
    try:
        payload = json.loads(body.group().replace(r"\\", "\\")) if body else None
    except ValueError:
        payload = None
    return fault_of(asked, int(match.group(1)), payload, said)


def exit_code(asked: Asked, argv: t.Sequence[str], status: str) -> int:
    """What the API server writes last: success, an exit code, or why the command could not be started."""
    outcome = json.loads(status) if status else {}
    if outcome.get("status") == "Success":
        return 0
    for cause in (outcome.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise ApiError(
        f"cannot run {argv[0]} in Pod {asked.namespace}/{asked.name}: "
        + str(outcome.get("message") or "the connection ended before the command did"),
        remedy="check that the container runs and that its image has this command, then run again",
        status=int(outcome.get("code") or 0),
        verb=asked.verb,
        object=asked.object,
    )
