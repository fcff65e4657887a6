# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client program on this machine, its bytes in or out, and a watch that ends it when nothing moves any more."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..children import die_with_us
from ..errors import ReleaseError
from .server import Sink

CHUNK = 1 << 20
SAID = 64 << 10
LOOK_EVERY = 1.0
TERM_PATIENCE = 2.0
_SET_PIPE_SIZE = 1031
_CREDENTIALS = ("PGPASS", "PGSSL", "PGKRB", "PGGSS")

Pulse = Callable[[], object]


class Stalled(ReleaseError):
    """Nothing has moved for longer than allowed, and the server does not work on it either."""


class Watchdog:
    """Counts what moves. Silence is a stall only when the server's ``pulse`` does not change either.

    A pulse is any value that differs from the last one as long as work goes on; None says that the server cannot be
    asked.
    """

    def __init__(self, stall: float, pulse: Pulse, doing: str, where: str) -> None:
        self._stall, self._pulse, self._doing, self._where = stall, pulse, doing, where
        self.moved = 0
        self._since = time.monotonic()
        self._taken = False
        self._last: object = None

    def feed(self, count: int) -> None:
        self.moved += count
        self._since, self._taken = time.monotonic(), False

    def reached(self, moved: int) -> None:
        """Like ``feed``, from a total."""
        if moved != self.moved:
            self.feed(moved - self.moved)

    def hurry(self, stall: float) -> None:
        """From now on that much silence is a stall, whatever the server is at."""
        self._stall, self._pulse = stall, lambda: None

    def patience(self) -> float:
        """For how long to wait for bytes before the next ``check``."""
        return min(LOOK_EVERY, self._stall / 4)

    def check(self) -> None:
        silent = time.monotonic() - self._since
        if not self._taken and silent >= self._stall / 2:
            self._taken, self._last = True, self._pulse()
        if silent < self._stall:
            return
        now = self._pulse()
        if now is not None and now != self._last:
            self._since, self._last = time.monotonic(), now
            return
        raise Stalled(
            f"{self._doing} stalled: not a byte for {silent:.0f} s after {self.moved} bytes, and "
            + ("the server cannot be asked why" if now is None else "the server does nothing for it either"),
            where=self._where,
            remedy="check the way to the server (proxy, tunnel, network), or allow more silence with the option stall",
            code="stalled",
            bytes=self.moved,
        )


@dataclass(frozen=True)
class Call:
    """One run of a program: arguments, its own environment, and descriptors it inherits."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    descriptors: Sequence[int] = ()
    sink: Sink | None = None
    source: Iterator[bytes] | None = None
    size: Callable[[], int] | None = None


@dataclass
class Ended:
    """How a program ended: its exit code (negative: the signal), and the last of what it said."""

    code: int
    said: str
    bytes: int = 0


@dataclass
class _Said:
    data: bytearray = field(default_factory=bytearray)

    def add(self, more: bytes) -> None:
        self.data += more
        del self.data[:-SAID]

    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


def run(call: Call, watch: Watchdog) -> Ended:
    """Run it to its end; whatever goes wrong here, the program and its children are ended first."""
    process = subprocess.Popen(
        list(call.argv),
        env=dict(call.environment),
        stdin=subprocess.PIPE if call.source is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=tuple(call.descriptors),
        start_new_session=True,
        umask=0o077,
        preexec_fn=die_with_us,  # noqa: PLW1509
    )
    try:
        said = _pump(process, call, watch)
        return Ended(process.wait(), said.text(), watch.moved)
    except BaseException:
        _end(process)
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _pump(process: subprocess.Popen[bytes], call: Call, watch: Watchdog) -> _Said:
    if process.stdout is None or process.stderr is None:
        raise AssertionError("run makes both pipes")
    said, source = _Said(), _Source(process, call.source)
    with selectors.DefaultSelector() as selector:
        _widen(process.stdout.fileno())
        selector.register(process.stdout, selectors.EVENT_READ, call.sink or (lambda _data: None))
        selector.register(process.stderr, selectors.EVENT_READ, said.add)
        source.join(selector)
        while _reading(selector):
            ready = selector.select(watch.patience())
            for key, _events in ready:
                if key.data is source:
                    watch.feed(source.write(selector))
                    continue
                data = os.read(key.fd, CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.data == said.add:
                    said.add(data)
                else:
                    key.data(data)
                    watch.feed(len(data))
            if call.size is not None:
                watch.reached(call.size())
            watch.check()
    return said


def _reading(selector: selectors.BaseSelector) -> bool:
    return any(key.events & selectors.EVENT_READ for key in selector.get_map().values())


class _Source:
    """What goes into the program's stdin, as fast as it takes it."""

    def __init__(self, process: subprocess.Popen[bytes], chunks: Iterator[bytes] | None) -> None:
        self._pipe = process.stdin
        self._chunks = chunks
        self._rest = memoryview(b"")

    def join(self, selector: selectors.BaseSelector) -> None:
        if self._pipe is not None:
            os.set_blocking(self._pipe.fileno(), False)
            _widen(self._pipe.fileno())
            selector.register(self._pipe, selectors.EVENT_WRITE, self)

    def write(self, selector: selectors.BaseSelector) -> int:
        """How many bytes went; a program that reads no more will say why by its exit code."""
        if self._pipe is None or self._chunks is None:
            raise AssertionError("only what has both is registered")
        if not self._rest:
            self._rest = memoryview(next((chunk for chunk in self._chunks if chunk), b""))
        try:
            written = os.write(self._pipe.fileno(), self._rest) if self._rest else 0
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            written = 0
            self._rest = memoryview(b"")
        self._rest = self._rest[written:]
        if not written:
            selector.unregister(self._pipe)
            self._pipe.close()
        return written


def _widen(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, CHUNK)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole process group: asked first, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        try:
            process.wait(TERM_PATIENCE)
        except subprocess.TimeoutExpired:
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return


def how_it_ended(name: str, code: int) -> str:
    """``pg_dump was killed by SIGKILL``, ``pg_dump ended with exit code 1``."""
    if code >= 0:
        return f"{name} ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"{name} was killed by {signal.Signals(-code).name}"
    return f"{name} was killed by signal {-code}"


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would steer libpq another way, and with messages in English."""
    kept = {name: value for name, value in os.environ.items() if not steers(name) and name != "LANGUAGE"}
    given = {name: value for name, value in settings.items() if value}
    return {**kept, "LC_ALL": "C", "PGCLIENTENCODING": "UTF8", **given}


def steers(name: str) -> bool:
    """Whether a variable of libpq says where to go and what to do there, rather than who one is."""
    return name.startswith("PG") and not name.startswith(_CREDENTIALS)
