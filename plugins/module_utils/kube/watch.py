# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""List, then watch: the state of several kinds as one stream of snapshots, across timeouts and API server restarts."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import time
import typing as t
from dataclasses import dataclass, field

from ..errors import ApiError, Forbidden, NotFound, Unauthorized
from .backoff import delay
from .faults import Asked, fault_of
from .kinds import EVENT, POD, REPLICASET, Kind
from .transport import Request

if t.TYPE_CHECKING:
    from .client import KubeClient

Obj = dict[str, t.Any]
COALESCE = 0.02
REST = 4
"""How many times as long as the last look computed the next one is put off: whoever looks at a thousand objects has
more news by then, and does not compute all the time."""
LONGEST_REST = 0.5
BY_CONTROLLERS = frozenset({POD, REPLICASET, EVENT})
"""Nobody asks which manager wrote a field of these, and of a thousand workloads there are ten thousand of them."""
LONGEST_WATCH = 120.0
SHORTEST_WATCH = 1.0


@dataclass(frozen=True)
class Watch:
    """What to watch: one kind, in one namespace or all, optionally by labels."""

    kind: Kind
    namespace: str = ""
    labels: str = ""

    def key(self, obj: Obj) -> str:
        """Under which name a snapshot has the object: with its namespace when all namespaces are watched."""
        metadata = obj["metadata"]
        everywhere = self.kind.namespaced and not self.namespace
        return f"{metadata['namespace']}/{metadata['name']}" if everywhere else str(metadata["name"])

    def kept(self, obj: Obj) -> Obj:
        """The object as a snapshot has it."""
        if self.kind in BY_CONTROLLERS:
            obj["metadata"].pop("managedFields", None)
        return obj


@dataclass(frozen=True)
class Snapshot:
    """Everything that is watched, at one moment; ``objects[kind][name]``.

    ``changed`` is False for a mere tick, ``live`` is False while the connection of a watch is lost: what is shown may
    be old then.
    """

    objects: t.Mapping[Kind, t.Mapping[str, Obj]]
    changed: bool = True
    live: bool = True
    at: float = field(default_factory=time.monotonic)


def snapshots(
    client: KubeClient, watches: t.Sequence[Watch], deadline: float, tick: float
) -> t.Generator[Snapshot, None, None]:
    """A full snapshot first, then one after each burst of changes and at least every ``tick`` seconds."""
    events: queue.Queue[_Event] = queue.Queue()
    followers = [_Follower(client, watch, index, events, deadline) for index, watch in enumerate(watches)]
    for follower in followers:
        follower.start()
    try:
        yield from _assemble(followers, events, deadline, tick)
    finally:
        for follower in followers:
            follower.stop()


@dataclass(frozen=True)
class _Event:
    """News of one watch: its complete state after a list (``full``), one object, or why it cannot go on."""

    watch: int
    full: dict[str, Obj] | None = None
    name: str = ""
    obj: Obj | None = None
    error: Exception | None = None


def _assemble(
    followers: t.Sequence[_Follower], events: queue.Queue[_Event], deadline: float, tick: float
) -> t.Iterator[Snapshot]:
    state: dict[int, dict[str, Obj]] = {}
    rest = COALESCE
    while time.monotonic() < deadline:
        changed = _take(state, events, min(tick, max(0.0, deadline - time.monotonic())), rest)
        if len(state) == len(followers):
            objects: dict[Kind, dict[str, Obj]] = {follower.watch.kind: {} for follower in followers}
            for index, follower in enumerate(followers):
                objects[follower.watch.kind].update(state[index])
            began = time.thread_time()
            yield Snapshot(objects, changed, all(follower.connected for follower in followers))
            rest = min(LONGEST_REST, max(COALESCE, REST * (time.thread_time() - began)))


def _take(state: dict[int, dict[str, Obj]], events: queue.Queue[_Event], patience: float, rest: float) -> bool:
    """Wait for news, then take all that comes for ``rest`` seconds; whether anything changed."""
    try:
        event = events.get(timeout=patience)
    except queue.Empty:
        return False
    burst_ends = time.monotonic() + rest
    while True:
        if event.error is not None:
            raise event.error
        if event.full is not None:
            state[event.watch] = event.full
        elif event.obj is None:
            state[event.watch].pop(event.name, None)
        else:
            state[event.watch][event.name] = event.obj
        try:
            event = events.get(timeout=max(0.0, burst_ends - time.monotonic()))
        except queue.Empty:
            return True


class _Follower(threading.Thread):
    """Keeps one watch going until the deadline: from the last resourceVersion, or from a new list when that is gone."""

    def __init__(
        self, client: KubeClient, watch: Watch, index: int, events: queue.Queue[_Event], deadline: float
    ) -> None:
        super().__init__(name=f"watch {watch.kind.plural}", daemon=True)
        self.watch = watch
        self._client, self._index, self._events, self._deadline = client, index, events, deadline
        self._stopped = threading.Event()
        self._response: t.Any = None
        self._version = ""
        self._listed = False
        self.connected = False

    def stop(self) -> None:
        """End the thread now, also out of a read that waits for news."""
        self._stopped.set()
        connection = getattr(self._response, "connection", None)
        sock = getattr(connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        failures = 0
        while not self._over():
            try:
                if not self._version:
                    self._list()
                failures = 0 if self._follow() else 1
            except Exception as error:
                failures += 1
                if not self._survives(error):
                    self._events.put(_Event(self._index, error=error))
                    return
            self.connected = False
            if failures:
                self._stopped.wait(min(delay(failures, 0.5), max(0.0, self._deadline - time.monotonic())))

    def _over(self) -> bool:
        return self._stopped.is_set() or time.monotonic() >= self._deadline

    def _survives(self, error: Exception) -> bool:
        """Whether to go on: always when stopped, never before the first list, and not once access or kind are gone."""
        if isinstance(error, ApiError) and error.status == 410:
            self._version = ""
            return True
        gone = not isinstance(error, ApiError) or isinstance(error, NotFound | Forbidden | Unauthorized)
        return self._over() or (self._listed and not gone)

    def _list(self) -> None:
        """Everything there is now, and the version a watch can go on from."""
        watch, token, full = self.watch, "", dict[str, Obj]()
        while True:
            page = self._client.list_page(watch.kind, watch.namespace, watch.labels, continue_=token)
            for item in page.get("items") or []:
                named = {"apiVersion": watch.kind.api_version, "kind": watch.kind.kind}
                full[watch.key(item)] = {**named, **watch.kept(item)}
            token = page["metadata"].get("continue") or ""
            if not token:
                break
        self._version = str(page["metadata"]["resourceVersion"])
        self._listed = self.connected = True
        self._events.put(_Event(self._index, full=full))

    def _follow(self) -> bool:
        """Pass on events until the connection ends; whether it was worth having: heard something, or lasted."""
        import urllib3

        seconds = max(1, int(min(LONGEST_WATCH, self._deadline - time.monotonic())))
        watch, heard = self.watch, False
        query: dict[str, str | int] = {
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
            **({"labelSelector": watch.labels} if watch.labels else {}),
        }
        asked = Asked("watch", watch.kind, watch.namespace)
        path = watch.kind.path(watch.namespace)
        self._response = response = self._client.transport.stream(
            Request(asked, "GET", path, query, read_timeout=seconds + 5.0)
        )
        self.connected = True
        begun = time.monotonic()
        try:
            for line in lines_of(response):
                heard = True
                self._pass_on(asked, json.loads(line))
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            self.connected = False
        finally:
            self._response = None
            response.close()
        return heard or time.monotonic() - begun >= SHORTEST_WATCH

    def _pass_on(self, asked: Asked, event: Obj) -> None:
        """One event of the API server; an error ends the watch, 410 as it is too old to go on from its version."""
        obj, type_ = event["object"], event["type"]
        if type_ == "ERROR":
            raise fault_of(asked, int(obj.get("code") or 500), obj)
        self._version = str(obj["metadata"]["resourceVersion"])
        if type_ != "BOOKMARK":
            now = None if type_ == "DELETED" else self.watch.kept(obj)
            self._events.put(_Event(self._index, name=self.watch.key(obj), obj=now))


def lines_of(response: t.Any) -> t.Iterator[bytes]:
    """Complete lines, each as soon as it has arrived."""
    rest = b""
    for chunk in response.stream(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line)
