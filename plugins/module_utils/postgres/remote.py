# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script in a pod while it runs: bytes in and out, and a watch that ends it when nothing moves any more."""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Callable, Iterator, Sequence

from ..errors import ApiError
from ..kube.pod_exec import STDERR, STDOUT
from .pod_script import BOOT, FAILED
from .server import Sink
from .stream import SAID, Watchdog
from .trailer import Count, Tail, Trailer, cut


class Stream(t.Protocol):
    """A command with its streams, as ``PodStream`` has them."""

    ended: bool

    def write(self, data: memoryview, timeout: float) -> memoryview: ...
    @property
    def sending(self) -> bool: ...
    def read(self, timeout: float) -> tuple[int, bytes] | None: ...
    def exit_code(self) -> int: ...
    def close(self) -> None: ...


Open = Callable[[Sequence[str]], Stream]


class Remote:
    """One script; ``said`` is the last of its stderr."""

    def __init__(self, open: Open, script: str, watch: Watchdog) -> None:
        self._stream = open(BOOT)
        self._said = bytearray()
        self._out = bytearray()
        try:
            self.send(script.encode(), watch)
        except BaseException:
            self.close()
            raise

    @property
    def said(self) -> str:
        lines = self._said.decode("utf-8", "replace").splitlines()
        return "\n".join(line for line in lines if line)

    @property
    def failed(self) -> int:
        """The exit code of a command that has failed on what it was fed; 0 as long as it has not."""
        found = FAILED.search(self._out)
        return int(found[1]) if found else 0

    def send(self, data: bytes, watch: Watchdog) -> None:
        rest = memoryview(data)
        while rest or self._stream.sending:
            rest, before = self._stream.write(rest, watch.patience()), len(rest)
            if len(rest) == before:
                watch.check()

    def read(self, watch: Watchdog, timeout: float | None = None) -> bytes | None:
        """More of stdout, empty if there is none yet, None at the end."""
        if self._stream.ended:
            return None
        found = self._stream.read(watch.patience() if timeout is None else timeout)
        if found is None:
            watch.check()
        elif found[0] == STDOUT:
            watch.feed(len(found[1]))
            return found[1]
        elif found[0] == STDERR:
            self._said += found[1]
            del self._said[:-SAID]
            watch.check()
        return b""

    def until(self, pattern: re.Pattern[bytes], watch: Watchdog) -> bytes:
        """Stdout up to and with the pattern, or up to its end when it does not come."""
        out, self._out = self._out, bytearray()
        looked = 0
        while True:
            found = pattern.search(out, max(0, looked - 200))
            if found is not None:
                self._out = out[found.end() :]
                return bytes(out[: found.end()])
            looked = len(out)
            more = self.read(watch)
            if more is None:
                return bytes(out) + self._said
            out += more

    def pass_on(self, sink: Sink, watch: Watchdog) -> tuple[Trailer | None, Count]:
        """All of stdout to a sink; the trailer that came, and the bytes that came."""
        tail = Tail(sink)
        while (more := self.read(watch)) is not None:
            tail.take(more)
        return tail.end(), tail.count

    def feed(self, chunks: Iterator[bytes], watch: Watchdog) -> tuple[Trailer | None, Count]:
        """The chunks to stdin, for as long as the script takes them; like ``pass_on``, about the bytes that went.

        What the command said is in ``said``.
        """
        sent = Count()
        with contextlib.suppress(ApiError):
            for chunk in chunks:
                if not self._offer(chunk, watch):
                    break
                sent.take(chunk)
        while not self.failed and (more := self.read(watch)) is not None:
            self._out += more
        told, before = cut(bytes(self._out))
        self._said += FAILED.sub(b"", before)
        return told, sent

    def _offer(self, chunk: bytes, watch: Watchdog) -> bool:
        """Whether all of the chunk went before the script failed or ended."""
        rest = memoryview(chunk)
        while rest or self._stream.sending:
            left = self._stream.write(rest, watch.patience())
            if len(left) < len(rest):
                watch.feed(len(rest) - len(left))
            else:
                watch.check()
            rest = left
            self._out += self.read(watch, timeout=0.0) or b""
            if self.failed or self._stream.ended:
                return False
        return True

    def outcome(self) -> str:
        """What the connection says about how the script ended."""
        try:
            return f"exit code {self._stream.exit_code()}"
        except ApiError as error:
            return error.what

    def close(self) -> None:
        self._stream.close()
