# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of many containers as they come, all at the same time, until a time is over or something is said."""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import threading
import time
import typing as t
from dataclasses import dataclass, field

from ..errors import ApiError, Refused
from .evidence import ALL_BYTES
from .faults import Asked
from .kinds import POD
from .transport import Request
from .watch import lines_of

if t.TYPE_CHECKING:
    from .client import KubeClient

Obj = t.Mapping[str, t.Any]
SLACK = 5.0


@dataclass(frozen=True)
class Wanted:
    """What is followed: for ``seconds``, or ``until`` is found in a line; of the lines those with ``matching``.

    It begins with the last ``lines`` that are there.
    """

    seconds: float
    lines: int
    matching: str = ""
    until: str = ""

    def patterns(self) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
        """``Refused`` for what is no regular expression."""
        return compiled("matching", self.matching), compiled("until", self.until) if self.until else None


@dataclass
class Followed:
    """The lines, and why it ended: ``time``, ``until``, ``ended`` (no container says anything any more) or ``size``."""

    why: str = "time"
    lines: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def compiled(option: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise Refused(f"{pattern!r} is no regular expression: {error}", where=option, remedy="correct it") from error


def follow(client: KubeClient, pods: t.Sequence[Obj], wanted: Wanted, write: t.Callable[[str], object]) -> Followed:
    """``write`` is given each line that is kept, as soon as it has come, with the names of its pod and container."""
    matching, until = wanted.patterns()
    deadline, said = time.monotonic() + wanted.seconds, queue.Queue[_Said]()
    streams = [_Stream(client, *names, wanted.lines, deadline, said) for names in _started(pods)]
    for stream in streams:
        stream.start()
    try:
        return _gather(said, len(streams), deadline, (matching, until), write)
    finally:
        for stream in streams:
            stream.stop()


class _Said(t.NamedTuple):
    """A line, or without one that the stream has ended, for a reason or because the container has."""

    line: str | None
    error: str = ""
    whose: str = ""


def _gather(
    said: queue.Queue[_Said],
    open_: int,
    deadline: float,
    patterns: tuple[re.Pattern[str], re.Pattern[str] | None],
    write: t.Callable[[str], object],
) -> Followed:
    (matching, until), found, size = patterns, Followed(), 0
    while open_:
        try:
            one = said.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return found
        if one.line is None:
            open_ -= 1
            found.unreadable += [one.error] if one.error else []
            continue
        if matching.search(one.line):
            text = f"{one.whose}: {one.line}"
            found.lines.append(text)
            write(text)
            size += len(text)
        if until and until.search(one.line):
            found.why = "until"
            return found
        if size > ALL_BYTES:
            found.why = "size"
            return found
    found.why = "ended"
    return found


def _started(pods: t.Sequence[Obj]) -> t.Iterator[tuple[str, str, str]]:
    """Namespace, pod and container of all that run: of others there is nothing to follow."""
    for pod in pods:
        for one in (pod.get("status") or {}).get("containerStatuses") or []:
            if "running" in (one.get("state") or {}):
                yield pod["metadata"]["namespace"], pod["metadata"]["name"], one["name"]


class _Stream(threading.Thread):
    """One container; it ends with the container, at the deadline, or when it is told to."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        pod: str,
        container: str,
        tail: int,
        deadline: float,
        said: queue.Queue[_Said],
    ) -> None:
        super().__init__(name=f"log of {pod}", daemon=True)
        self._client, self._said, self._deadline = client, said, deadline
        self._pod = (namespace, pod, container)
        self._tail = tail
        self._stopped = threading.Event()
        self._response: t.Any = None

    def stop(self) -> None:
        """End the thread now, also out of a read that waits for a line."""
        self._stopped.set()
        sock = getattr(getattr(self._response, "connection", None), "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        import urllib3

        try:
            self._follow()
            self._said.put(_Said(None))
        except (ApiError, urllib3.exceptions.HTTPError, OSError) as error:
            self._said.put(_Said(None, "" if self._stopped.is_set() else f"{self.name}: {error}"))

    def _follow(self) -> None:
        namespace, pod, container = self._pod
        query: dict[str, str | int] = {"follow": "true", "container": container, "tailLines": self._tail}
        left = max(1.0, self._deadline - time.monotonic())
        asked = Asked("get", POD, namespace, pod, "log")
        path = POD.path(namespace, pod, "log")
        self._response = response = self._client.transport.stream(
            Request(asked, "GET", path, query, accept="*/*", read_timeout=left + SLACK)
        )
        try:
            for line in lines_of(response):
                if self._stopped.is_set():
                    return
                self._said.put(_Said(line.decode("utf-8", "replace"), whose=f"{pod} {container}"))
        finally:
            response.close()
